/* program_cool.c: see program_cool.h. */
#include "dispatch/turn/program_cool.h"

#include "base/memory.h"

struct program_cool {
    struct table_node node;
    struct agent_cool rule;
    char name[];
};

void program_cools_init(struct program_cools *cools) {
    table_init(&cools->table);
}

static struct program_cool *cool_of(struct table_node *node) {
    return node == NULL ? NULL : CONTAINER_OF(node, struct program_cool, node);
}

static void cool_forget(struct program_cools *cools, struct program_cool *cool) {
    table_remove(&cools->table, &cool->node);
    mem_free(cool);
}

void program_cools_done(struct program_cools *cools) {
    struct table_node *node;
    while ((node = table_next(&cools->table, NULL)) != NULL) {
        cool_forget(cools, cool_of(node));
    }
    table_done(&cools->table);
}

struct agent_cool program_cools_find(const struct program_cools *cools, struct bytes agent) {
    const struct program_cool *cool = cool_of(table_find(&cools->table, agent));
    return cool == NULL ? (struct agent_cool){.state = AGENT_OPEN} : cool->rule;
}

/* Agents whose time was over long ago, since when nobody has tried, are forgotten. */
static void cools_sweep(struct program_cools *cools, int64_t now_ms) {
    struct table_node *next = table_next(&cools->table, NULL);
    while (next != NULL) {
        struct program_cool *cool = cool_of(next);
        next = table_next(&cools->table, next);
        if (cool->rule.state == AGENT_COOLING && now_ms - cool->rule.until_ms > AGENT_WAIT_MAX_MS) {
            cool_forget(cools, cool);
        }
    }
}

static struct program_cool *cool_new(struct program_cools *cools,
                                     const struct program_cool_news *news) {
    cools_sweep(cools, news->now_ms);
    if (cools->table.count >= COOLS_MAX) {
        return NULL;
    }
    struct program_cool *cool = mem_new(sizeof *cool + news->agent.len);
    memcpy(cool->name, news->agent.data, news->agent.len);
    cool->node.name = (struct bytes){cool->name, news->agent.len};
    table_add(&cools->table, &cool->node);
    return cool;
}

void program_cools_take(struct program_cools *cools, const struct program_cool_news *news) {
    struct program_cool *cool = cool_of(table_find(&cools->table, news->agent));
    if (cool == NULL && news->event == AGENT_COOL_FAILED) {
        cool = cool_new(cools, news);
    }
    if (cool == NULL) {
        return;
    }
    agent_cool_take(&cool->rule, news->event, news->now_ms + news->wait_ms, news->outcome);
    if (cool->rule.state == AGENT_OPEN) {
        cool_forget(cools, cool);
    }
}
