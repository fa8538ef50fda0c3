/* load.c: see load.h. */
#include "engine/agent/load.h"

/* A turn has a row of its own, and a step its key; all other runs of an agent are processes. That
 * of a turn that was stopped lives on for its grace: it takes a slot, and no turn has it. */
struct err tx_agent_loads(struct tx *tx, struct bytes owner,
                          struct err (*each)(void *ctx, const struct agent_load *load), void *ctx) {
    static const char sql[] =
        "SELECT r.agent,"
        " count(CASE WHEN t.run IS NULL AND r.step_key = '' AND r.gate = '' THEN 1 END),"
        " count(CASE WHEN t.run IS NOT NULL AND c.id IS NULL THEN 1 END),"
        " count(CASE WHEN t.run IS NULL AND r.step_key <> '' AND r.gate = '' THEN 1 END),"
        " count(CASE WHEN t.run IS NULL AND r.step_key <> '' AND r.gate <> '' THEN 1 END)"
        " FROM runs r LEFT JOIN turns t ON t.run = r.id"
        " LEFT JOIN runs c ON c.id = t.program_child AND c.gate = '' AND c.ended_ms IS NULL"
        " WHERE r.owner = $1 AND r.agent <> '' AND r.ended_ms IS NULL"
        " GROUP BY r.agent ORDER BY r.agent LIMIT $2";
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx, sql, ARGS(arg_text(owner), arg_int(AGENT_LOADS_MAX)));
    struct err err = ERR_OK;
    while (!err_failed(err) && rows_step(rows)) {
        const struct agent_load load = {.agent = rows_text(rows, 0),
                                        .processes = rows_int(rows, 1),
                                        .turns_waiting = rows_int(rows, 2),
                                        .steps = rows_int(rows, 3),
                                        .steps_waiting = rows_int(rows, 4)};
        err = each(ctx, &load);
    }
    return err_failed(err) ? err : tx_error(tx);
}
