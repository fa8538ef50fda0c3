/* crash_limit.c: limit of the ends of the daemon that cut off the same step of a run.
 *
 * A step is a call of a model, or a tool that may be repeated. The next daemon begins a step again
 * that was under way. A step that itself ends the daemon (its answer takes too much memory, say)
 * would be begun, and charged, at each start, and each start would end by it. So the ends in a row
 * are counted in `cut_offs` of the run's row, and its owner ends the run at RUN_CUT_OFF_MAX. A step
 * that finishes sets the count to 0.
 *
 * A step that waits, for its provider or for a budget, is not under way, and not counted.
 *
 * An orderly stop is no work of the step, and is not counted: a daemon that is asked to stop writes
 * its epoch into the row of the node. The row has the first and the last epoch of such stops in a
 * row, because a daemon may be stopped before it takes a run over: a turn that waits for its
 * provider is taken over when the wait ends. Any other end (a crash, a kill, a lost database,
 * another daemon that takes over) is counted, because none of them can be told from a crash. */
#include "engine/run/rows.h"

static_assert(RUN_CUT_OFF_MAX == 10, "RUN_CUT_OFF_WORDS has the number");

/* A server that is silent must not get the commit: nobody would know its outcome, and the stop
 * would end as the loss of the database does. So the number of rows is asked for, and with it an
 * answer. */
struct err tx_run_note_stop(struct tx *tx) {
    int64_t changed = 0;
    const struct arg args[] = {arg_int(tx_epoch(tx)), arg_int(tx_epoch(tx) - 1)};
    return tx_exec(tx,
                   "UPDATE nodes SET stopped_since = CASE WHEN stopped_epoch = $2"
                   " THEN stopped_since ELSE $1 END, stopped_epoch = $1",
                   args, COUNT_OF(args), &changed);
}

static void count_write(struct tx *tx, int64_t count, struct run_row *row) {
    row->cut_offs = count;
    tx_do(tx, "UPDATE runs SET reboots = $2 WHERE id = $1", ARGS(arg_int(row->id), arg_int(count)));
}

struct err runs__cut_off(struct tx *tx, int64_t epoch, struct run_row *row, bool *ret_over) {
    assert(epoch != tx_epoch(tx));
    assert(row->kind != KIND_JOB); /* The column has its reboots. */
    if (tx_number(tx,
                  "SELECT count(*) FROM nodes WHERE stopped_since <= $1 AND stopped_epoch >= $1",
                  ARGS(arg_int(epoch)), /* absent */ 0) == 0) {
        count_write(tx, row->cut_offs + 1, row);
    }
    *ret_over = row->cut_offs >= RUN_CUT_OFF_MAX;
    return tx_error(tx);
}

struct err runs__step_finished(struct tx *tx, struct run_row *row) {
    if (row->cut_offs > 0) {
        count_write(tx, 0, row);
    }
    return tx_error(tx);
}
