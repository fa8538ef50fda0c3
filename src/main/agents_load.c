/* agents_load.c: see agents_load.h. Agents are put where they belong while they are read, since
 * nothing looks at them yet; cool-downs are collected, and given to the turns on the loop. */
#include "main/agents_load.h"

#include <string.h>

#include "base/memory.h"
#include "engine/agent/cools.h"
#include "engine/base/resource.h"
#include "rules/agent/resource.h"

struct agents_read {
    struct agent_rows *agents;
    struct turns *turns;
    void (*done)(void *ctx, struct err err);
    void *ctx;
    struct agent_cool_row rows[AGENT_COOLS_MAX]; /* Names are those beside. */
    struct agent_name names[AGENT_COOLS_MAX];
    size_t count;
};

static struct err agent_take(void *ctx, const void *of) {
    const struct agent_row *row = of;
    agent_rows_put(ctx, row->name, row->definition);
    return ERR_OK;
}

static struct err cool_take(void *ctx, const struct agent_cool_row *row) {
    struct agents_read *read = ctx;
    if (row->agent.len <= AGENT_NAME_MAX) { /* Else it is damaged. */
        struct agent_name *name = &read->names[read->count];
        memcpy(name->text, row->agent.data, row->agent.len);
        read->rows[read->count] = *row;
        read->rows[read->count++].agent = (struct bytes){name->text, row->agent.len};
    }
    return ERR_OK;
}

static struct err agents_read_tx(struct tx *tx, void *ctx) {
    struct agents_read *read = ctx;
    const struct resource_page all = {.after = BYTES(""), .limit = AGENT_ROWS_MAX};
    const struct err err = tx_resource_list(tx, &agent_resource, &all, agent_take, read->agents);
    read->count = 0;
    return err_failed(err) ? err : tx_agent_cools(tx, cool_take, read);
}

static void agents_read_done(struct err err, void *ctx) {
    AUTO(mem_release) struct agents_read *read = ctx;
    for (size_t i = 0; i < read->count && !err_failed(err); i++) {
        turns_restore_cool(read->turns, &read->rows[i]);
    }
    read->done(read->ctx, err);
}

void agents_load(struct store *store, struct agent_rows *agents, struct turns *turns,
                 void (*done)(void *ctx, struct err err), void *ctx) {
    struct agents_read *read = mem_new(sizeof *read);
    read->agents = agents;
    read->turns = turns;
    read->done = done;
    read->ctx = ctx;
    store_write(store, agents_read_tx, agents_read_done, read);
}
