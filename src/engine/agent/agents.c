/* agents.c: the rows of agents. */
#include "engine/agent/agents.h"

#include "store/mapper.h"

static const struct map_column columns[] = {
    {"definition", MAP_TEXT, MAP_INSERT | MAP_SET, offsetof(struct agent_row, definition)},
    {"made_ms", MAP_INT, MAP_INSERT, offsetof(struct agent_row, made_ms)},
    {"changed_ms", MAP_INT, MAP_INSERT | MAP_SET, offsetof(struct agent_row, changed_ms)},
};
static const struct map agent_map = {.table = "agents",
                                     .key = "name",
                                     .key_kind = MAP_TEXT,
                                     .key_offset = offsetof(struct agent_row, name),
                                     .columns = columns,
                                     .count = COUNT_OF(columns)};

struct err tx_agent_each(struct tx *tx, struct err (*each)(void *ctx, const struct agent_row *row),
                         void *ctx) {
    AUTO(rows_release)
    struct rows *rows = tx_rows(
        tx, "SELECT name, definition, made_ms, changed_ms FROM agents ORDER BY name LIMIT $1",
        ARGS(arg_int(AGENT_ROWS_STORED_MAX)));
    struct err err = ERR_OK;
    struct agent_row row;
    while (!err_failed(err) && rows_step(rows) && map_read(&agent_map, rows, &row)) {
        err = each(ctx, &row);
    }
    return err_failed(err) ? err : tx_error(tx);
}

static bool row_exists(struct tx *tx, struct bytes name) {
    return tx_number(tx, "SELECT count(*) FROM agents WHERE name = $1", ARGS(arg_text(name)), 0) >
           0;
}

struct err tx_agent_add(struct tx *tx, const struct agent_row *row) {
    if (row_exists(tx, row->name)) {
        return err_make(ERR_CONFLICT, "agents: add");
    }
    if (tx_number(tx, "SELECT count(*) FROM agents", NO_ARGS, 0) >= AGENT_ROWS_STORED_MAX) {
        return err_make(ERR_TOO_MANY, "agents: count");
    }
    map_insert(tx, &agent_map, row);
    return tx_error(tx);
}

struct err tx_agent_put(struct tx *tx, const struct agent_row *row) {
    if (!row_exists(tx, row->name)) {
        return tx_agent_add(tx, row);
    }
    map_update(tx, &agent_map, MAP_SET, row);
    return tx_error(tx);
}

struct err tx_agent_remove(struct tx *tx, struct bytes name, bool *ret_found) {
    *ret_found = tx_change(tx, "DELETE FROM agents WHERE name = $1", ARGS(arg_text(name))) > 0;
    return tx_error(tx);
}
