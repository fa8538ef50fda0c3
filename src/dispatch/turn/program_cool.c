/* program_cool.c: see program_cool.h. */
#include "dispatch/turn/program_cool.h"

#include "base/memory.h"

struct program_cool {
    struct table_node node;
    struct program_cools *cools; /* Borrowed. */
    struct agent_cool rule;
    int64_t until_ms; /* As of the row, by the wall clock: not before that of the rule. */
    struct ask ask;
    bool other;                   /* The state has changed since the row was written. */
    struct agent_cool_stored row; /* As it is written; */
    bool removes;                 /* or it is removed. */
    char name[];
};

void program_cools_init(struct program_cools *cools, struct asker *asker) {
    table_init(&cools->table);
    cools->asker = asker;
}

static struct program_cool *cool_of(struct table_node *node) {
    return node == NULL ? NULL : CONTAINER_OF(node, struct program_cool, node);
}

static void cool_forget(struct program_cool *cool) {
    ask_drop(&cool->ask);
    table_remove(&cool->cools->table, &cool->node);
    mem_free(cool);
}

void program_cools_stop(struct program_cools *cools) {
    struct table_node *node = NULL;
    while ((node = table_next(&cools->table, node)) != NULL) {
        ask_stop(&cool_of(node)->ask);
    }
}

void program_cools_done(struct program_cools *cools) {
    struct table_node *node;
    while ((node = table_next(&cools->table, NULL)) != NULL) {
        cool_forget(cool_of(node));
    }
    table_done(&cools->table);
}

struct agent_cool program_cools_find(const struct program_cools *cools, struct bytes agent) {
    const struct program_cool *cool = cool_of(table_find(&cools->table, agent));
    return cool == NULL ? (struct agent_cool){.state = AGENT_OPEN} : cool->rule;
}

/* --- Rows ------------------------------------------------------------------------------------- */

static struct err row_tx(struct tx *tx, void *ctx) {
    const struct program_cool *cool = ctx;
    return cool->removes
               ? tx_agent_cool_clear(tx, cool->node.name)
               : tx_agent_cool_set(tx, cool->node.name, cool->row.until_ms, cool->row.outcome);
}

/* A write that is tried again has the newest state. */
static void row_begin(void *ctx) {
    struct program_cool *cool = ctx;
    cool->other = false;
    cool->removes = cool->rule.state == AGENT_OPEN;
    cool->row =
        (struct agent_cool_stored){.until_ms = cool->until_ms, .outcome = cool->rule.outcome};
}

static void row_done(void *ctx) {
    struct program_cool *cool = ctx;
    if (cool->other) {
        ask_write(&cool->ask, row_tx, row_done);
    } else if (cool->rule.state == AGENT_OPEN) {
        cool_forget(cool);
    }
}

static void row_write(struct program_cool *cool) {
    cool->other = true;
    if (cool->ask.state == ASK_IDLE && !cool->cools->asker->stopping) {
        ask_write(&cool->ask, row_tx, row_done);
    }
}

/* --- States ----------------------------------------------------------------------------------- */

/* Agents whose time was over long ago, since when nobody has tried, are forgotten. */
static void cools_sweep(struct program_cools *cools, const struct agent_cool_clocks *now) {
    struct table_node *node = NULL;
    while ((node = table_next(&cools->table, node)) != NULL) {
        struct program_cool *cool = cool_of(node);
        if (cool->rule.state == AGENT_COOLING &&
            now->steady_ms - cool->rule.until_ms > AGENT_WAIT_MAX_MS &&
            now->wall_ms - cool->until_ms > AGENT_WAIT_MAX_MS) {
            cool->rule = (struct agent_cool){.state = AGENT_OPEN};
            row_write(cool);
        }
    }
}

static struct program_cool *cool_new(struct program_cools *cools, struct bytes agent) {
    static const struct ask_rules rules = {
        .words = {.effect = "store the cool-down of an agent",
                  .again = "the cool-down of an agent could not be stored; it is tried again"},
        .begin = row_begin};
    if (cools->table.count >= COOLS_MAX) {
        return NULL;
    }
    struct program_cool *cool = mem_new(sizeof *cool + agent.len);
    memcpy(cool->name, agent.data, agent.len);
    cool->node.name = (struct bytes){cool->name, agent.len};
    cool->cools = cools;
    ask_init(&cool->ask, cools->asker, &rules, cool);
    table_add(&cools->table, &cool->node);
    return cool;
}

void program_cools_restore(struct program_cools *cools, const struct agent_cool_row *row,
                           const struct agent_cool_clocks *now) {
    const struct agent_cool rule = agent_cool_restore(&row->cool, now);
    struct program_cool *cool = rule.state == AGENT_OPEN ? NULL : cool_new(cools, row->agent);
    if (cool != NULL) {
        cool->rule = rule;
        cool->until_ms = now->wall_ms + agent_cool_left_ms(&row->cool, now->wall_ms);
        if (cool->until_ms != row->cool.until_ms) { /* The clock was set back. */
            row_write(cool);
        }
    }
}

void program_cools_take(struct program_cools *cools, const struct program_cool_news *news) {
    const struct agent_cool_clocks *now = &news->now;
    struct program_cool *cool = cool_of(table_find(&cools->table, news->agent));
    if (cool == NULL && news->event == AGENT_COOL_FAILED) {
        cools_sweep(cools, now);
        cool = cool_new(cools, news->agent);
    }
    if (cool == NULL) {
        return;
    }
    const enum agent_cool_state before = cool->rule.state;
    const int64_t wait_ms = news->wait_ms < AGENT_WAIT_MAX_MS ? news->wait_ms : AGENT_WAIT_MAX_MS;
    agent_cool_take(&cool->rule, news->event, now->steady_ms + wait_ms, news->outcome);
    if (news->event == AGENT_COOL_FAILED) {
        const int64_t rule_ms = now->wall_ms + (cool->rule.until_ms - now->steady_ms);
        const int64_t named_ms = now->wall_ms + news->wait_ms;
        const int64_t until_ms = rule_ms > named_ms ? rule_ms : named_ms;
        cool->until_ms = until_ms > cool->until_ms ? until_ms : cool->until_ms;
        row_write(cool);
    } else if (cool->rule.state == AGENT_OPEN && before != AGENT_OPEN) {
        cool->rule =
            (struct agent_cool){.state = AGENT_OPEN}; /* The next wait is one of its own. */
        cool->until_ms = 0;
        row_write(cool);
    }
}
