/* load.c: see load.h. */
#include "engine/agent/load.h"

/* The process of a turn that was stopped lives on for its grace: it takes a slot, and it is no
 * answer of any turn that has not ended. So turns are joined, not subtracted. */
struct err tx_agent_loads(struct tx *tx, struct bytes owner,
                          struct err (*each)(void *ctx, const struct agent_load *load), void *ctx) {
    static const char sql[] =
        "SELECT r.agent, count(CASE WHEN r.kind = 'job' AND r.gate = '' THEN 1 END),"
        " count(CASE WHEN r.kind = 'turn' THEN 1 END) - count(t.id),"
        " count(CASE WHEN r.kind = 'agent' AND r.gate = '' THEN 1 END),"
        " count(CASE WHEN r.kind = 'agent' AND r.gate <> '' THEN 1 END)"
        " FROM runs r LEFT JOIN runs t ON t.id = r.parent AND t.kind = 'turn'"
        " AND t.ended_ms IS NULL AND r.kind = 'job' AND r.gate = ''"
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
