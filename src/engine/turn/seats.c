/* seats.c: the subagents of one parent that live, and how many of them go on at once. */
#include "engine/turn/subagents.h"

#include "engine/run/runs.h"
#include "engine/turn/rows.h"

#define SIBLINGS                                                                                   \
    " FROM sessions s JOIN turns t ON t.session = s.id JOIN runs r ON r.id = t.run"                \
    " WHERE s.parent = $1 AND r.ended_ms IS NULL"

int64_t subagents__count(struct tx *tx, int64_t parent) {
    return tx_number(tx, "SELECT count(*)" SIBLINGS, ARGS(arg_int(parent)));
}

int64_t subagents__count_busy(struct tx *tx, int64_t parent) {
    return tx_number(tx, "SELECT count(*)" SIBLINGS " AND r.gate <> 'time'", ARGS(arg_int(parent)));
}

/* Also of a session that is being deleted: a turn that waits beside it has no other to wake it. An
 * error of a damaged row is returned, and not kept: see turns__ended. */
struct err subagents__ended(struct tx *tx, int64_t session, struct run_freed *freed) {
    const int64_t parent =
        tx_number(tx, "SELECT parent FROM sessions WHERE id = $1", ARGS(arg_int(session)));
    if (parent == 0 || subagents__count_busy(tx, parent) >= SUBAGENTS_AT_ONCE) {
        return tx_error(tx);
    }
    const int64_t oldest =
        tx_number(tx, "SELECT r.id" SIBLINGS " AND r.gate = 'time' ORDER BY r.id LIMIT 1",
                  ARGS(arg_int(parent)));
    struct run_row row;
    bool found = false;
    struct err err = oldest == 0 ? tx_error(tx) : runs__find_id(tx, oldest, &found, &row);
    if (err_failed(err) || !found || row.stop != CAUSE_NONE) {
        return err;
    }
    row.not_before_ms = 0;
    row.gate = GATE_KEY;
    err = runs__write(tx, RUN_QUEUED, &row);
    return err_failed(err) ? err : runs__free(tx, &row, freed);
}
