/* provider_wait.c: a call of a model waits before its next try, and is made again.
 *
 *   running ──the try failed──> waiting, until not_before_ms ──the next try, or any end──> running
 *
 * The wait stands in the run's row, so that lists, snapshots and events agree, and a daemon that
 * comes back waits for the rest of it. The run keeps its key, its slot and its clock: the wait is a
 * part of the call (decisions/048). tx_turn_provider and tx_step_provider are its transactions. */
#include "engine/run/rows.h"

struct err runs__provider_wait(struct tx *tx, int64_t resume_at_ms, struct run_row *row) {
    enum run_state from = row->state;
    assert(from == RUN_RUNNING || run_waits_for_provider(row));
    assert(resume_at_ms > 0);
    row->state = RUN_WAITING;
    row->not_before_ms = resume_at_ms;
    return runs__write(tx, from, row);
}

struct err runs__provider_ask(struct tx *tx, struct run_row *row) {
    assert(run_waits_for_provider(row));
    row->state = RUN_RUNNING;
    row->not_before_ms = 0;
    return runs__write(tx, RUN_WAITING, row);
}

bool runs__may_wait(const struct run_row *row) {
    return row->stop == CAUSE_NONE && (row->state == RUN_RUNNING || run_waits_for_provider(row));
}
