/* now.c: see now.h. */
#include "api/agent/now.h"

#include "base/memory.h"
#include "engine/agent/cools.h"
#include "engine/agent/load.h"

struct agents_now_row {
    struct agent_name name;
    struct agent_load load;
    struct agent_cool_stored cool; /* until_ms 0: it does not cool down. */
};

static struct agents_now_row *now_find(const struct agents_now *now, struct bytes agent) {
    for (size_t i = 0; i < now->count; i++) {
        if (bytes_is(agent, now->rows[i].name.text)) {
            return &now->rows[i];
        }
    }
    return NULL;
}

/* NULL: no agent has such a name. There are at most AGENT_LOADS_MAX + AGENT_COOLS_MAX rows. */
static struct agents_now_row *now_row(struct agents_now *now, struct bytes agent) {
    struct agents_now_row *row = now_find(now, agent);
    if (row != NULL || agent.len > AGENT_NAME_MAX) {
        return row;
    }
    if (now->count == now->size) {
        now->size = now->size == 0 ? 16 : 2 * now->size;
        now->rows = mem_grow(now->rows, now->size * sizeof *now->rows);
    }
    row = &now->rows[now->count++];
    *row = (struct agents_now_row){.cool.until_ms = 0};
    memcpy(row->name.text, agent.data, agent.len);
    return row;
}

static struct err load_add(void *ctx, const struct agent_load *load) {
    struct agents_now_row *row = now_row(ctx, load->agent);
    if (row != NULL) {
        row->load = *load;
    }
    return ERR_OK;
}

struct cools_add {
    struct agents_now *now;
    int64_t now_ms;
};

static struct err cool_add(void *ctx, const struct agent_cool_row *cool) {
    const struct cools_add *add = ctx;
    struct agents_now_row *row =
        cool->cool.until_ms > add->now_ms ? now_row(add->now, cool->agent) : NULL;
    if (row != NULL) {
        row->cool = cool->cool;
    }
    return ERR_OK;
}

struct err tx_agents_now(struct tx *tx, struct bytes owner, struct bytes agent,
                         struct agents_now *now) {
    struct cools_add add = {.now = now, .now_ms = tx_now_ms(tx)};
    struct agent_cool_row one = {.agent = agent};
    bool found = false;
    now->count = 0;
    struct err err = tx_agent_loads(tx, owner, load_add, now);
    if (err_failed(err) || agent.len == 0) {
        return err_failed(err) ? err : tx_agent_cools(tx, cool_add, &add);
    }
    err = tx_agent_cool_find(tx, agent, add.now_ms, &found, &one.cool);
    return err_failed(err) || !found ? err : cool_add(&add, &one);
}

/* Processes are the slots of a program; an agent of models has steps instead. */
void agents_now_show(const struct agents_now *now, struct agent_shown *io_shown) {
    const struct agents_now_row *row = now_find(now, io_shown->name);
    if (row == NULL) {
        return;
    }
    const bool program = bytes_is(io_shown->kind, "cli");
    io_shown->running = program ? row->load.processes : row->load.steps;
    io_shown->waiting = program ? row->load.turns_waiting : row->load.steps_waiting;
    if (row->cool.until_ms > 0 && program) {
        io_shown->cooling_until_ms = row->cool.until_ms;
        io_shown->cooling_cause = bytes_of(agent_outcome_name(row->cool.outcome));
    }
}

void agents_now_done(struct agents_now *now) {
    mem_free(now->rows);
    *now = (struct agents_now){.count = 0};
}
