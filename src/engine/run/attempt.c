/* attempt.c: an attempt that is under way: how long it has taken, who performs it, its wait for a
 * provider, and how often an end of the daemon has cut off its step.
 *
 * Time. While the daemon lives, time is what its steady clock counts (tx_steady_ms), whatever
 * somebody sets the wall clock to. A row of an earlier daemon's epoch was marked by that one's
 * clock, which is gone: what lies between two marks of it is still true, and all else of it only
 * the wall clock tells, which may have been set by years meanwhile. So that is bounded, and from
 * the commit on that adopts the row its time is measured again.
 *
 * turns.waited_ms is what a turn has waited for a person; while it waits, less the mark at which
 * that began.
 *
 * Wait for a provider.
 *
 *   running ──the try failed──> waiting, until not_before_ms ──the next try, or any end──> running
 *
 * The wait stands in the run's row, so that lists, snapshots and events agree, and a daemon that
 * comes back waits for the rest of it. The run keeps its key, its slot and its clock: the wait is a
 * part of the call (decisions/048). tx_turn_provider and tx_step_provider are its transactions.
 *
 * Steps cut off. A step is a call of a model, or a tool that may be repeated. The next daemon
 * begins a step again that was under way. A step that itself ends the daemon (its answer takes too
 * much memory, say) would be begun, and charged, at each start, and each start would end by it. So
 * the ends in a row are counted in `cut_offs` of the run's row, and its owner ends the run at
 * RUN_CUT_OFF_MAX. A step that finishes sets the count to 0. A step that waits, for its provider or
 * for a budget, is not under way, and not counted.
 *
 * An orderly stop is no work of the step, and is not counted: a daemon that is asked to stop writes
 * its epoch into the row of the node. The row has the first and the last epoch of such stops in a
 * row, because a daemon may be stopped before it takes a run over: a turn that waits for its
 * provider is taken over when the wait ends. Any other end (a crash, a kill, a lost database,
 * another daemon that takes over) is counted, because none of them differs from a crash. */
#include "engine/run/rows.h"

static_assert(RUN_CUT_OFF_MAX == 10, "RUN_CUT_OFF_WORDS has the number");

/* --- Time ------------------------------------------------------------------------------------- */

int64_t runs__took_ms(const struct tx *tx, const struct run_row *row) {
    int64_t took_ms = row->epoch == tx_epoch(tx) ? tx_steady_ms(tx) - row->steady_ms
                                                 : tx_now_ms(tx) - row->started_ms;
    return row->started_ms > 0 && took_ms > 0 ? took_ms : 0;
}

static int64_t unseen_ms(int64_t ms) {
    ms = ms > 0 ? ms : 0;
    return ms < RUN_UNSEEN_MAX_MS ? ms : RUN_UNSEEN_MAX_MS;
}

void runs__write_waited(struct tx *tx, int64_t turn, int64_t waited_ms) {
    tx_do(tx, "UPDATE turns SET waited_ms = $2 WHERE run = $1",
          ARGS(arg_int(turn), arg_int(waited_ms)));
}

/* A wait with an end of its own is a part of the work. */
static bool waits_for_person(const struct run_row *row, enum run_state state) {
    return state == RUN_WAITING && run_kind_is(row->kind, RUN_ASKS) && row->not_before_ms == 0;
}

struct run_time runs__time(struct tx *tx, const struct run_row *row, enum run_state state) {
    bool waits = waits_for_person(row, state);
    int64_t now_ms = tx_steady_ms(tx), wall_ms = tx_now_ms(tx) - row->started_ms, waited_ms = 0;
    struct run_time time;
    if (run_kind_is(row->kind, RUN_ASKS)) {
        waited_ms =
            tx_number(tx, "SELECT waited_ms FROM turns WHERE run = $1", ARGS(arg_int(row->id)));
    }
    if (row->epoch == tx_epoch(tx)) {
        time.waited_ms = waited_ms + (waits ? now_ms : 0);
        time.took_ms = now_ms - row->steady_ms - time.waited_ms;
        time.took_ms = time.took_ms > 0 ? time.took_ms : 0;
    } else if (waits) {
        time.took_ms = unseen_ms(-waited_ms - row->steady_ms);
        time.waited_ms = wall_ms > time.took_ms ? wall_ms - time.took_ms : 0;
    } else {
        time.waited_ms = waited_ms;
        time.took_ms = unseen_ms(wall_ms - waited_ms);
    }
    return time;
}

/* Counts the run by this daemon's clock from here on. A run that waits is adopted when it goes on,
 * or ends. */
struct err runs__adopt(struct tx *tx, struct run_row *row) {
    if (row->epoch == tx_epoch(tx)) {
        return ERR_OK;
    }
    const struct run_time time = runs__time(tx, row, row->state);
    if (waits_for_person(row, row->state)) {
        runs__write_waited(tx, row->id, time.waited_ms - tx_steady_ms(tx));
    }
    row->steady_ms = tx_steady_ms(tx) - time.took_ms - time.waited_ms;
    row->epoch = tx_epoch(tx);
    tx_do(tx, "UPDATE runs SET epoch = $2, steady_ms = $3 WHERE id = $1",
          ARGS(arg_int(row->id), arg_int(row->epoch), arg_int(row->steady_ms)));
    return tx_error(tx);
}

struct err tx_run_adopted(struct tx *tx, const struct run_key *key, int64_t attempt,
                          bool *ret_late) {
    struct run_row row;
    *ret_late = !runs__load(tx, key->run, &row) || !run_lives(&row) || row.attempt != attempt;
    return *ret_late ? tx_error(tx) : runs__adopt(tx, &row);
}

/* --- Wait for a provider ---------------------------------------------------------------------- */

struct err runs__provider_wait(struct tx *tx, const struct provider_wait *wait,
                               struct run_row *row) {
    enum run_state from = row->state;
    assert(from == RUN_RUNNING || run_waits_for_provider(row));
    assert(wait->resume_at_ms > 0);
    row->state = RUN_WAITING;
    row->not_before_ms = wait->resume_at_ms;
    row->note = bytes_of(wait->note);
    return runs__write(tx, from, row);
}

struct err runs__provider_ask(struct tx *tx, struct run_row *row) {
    assert(run_waits_for_provider(row));
    row->state = RUN_RUNNING;
    row->not_before_ms = 0;
    row->note = BYTES("");
    return runs__write(tx, RUN_WAITING, row);
}

bool runs__may_wait(const struct run_row *row) {
    return row->stop == CAUSE_NONE && (row->state == RUN_RUNNING || run_waits_for_provider(row));
}

/* --- Steps cut off ---------------------------------------------------------------------------- */

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

bool runs__cut_off(struct tx *tx, int64_t epoch, struct run_row *row) {
    assert(epoch != tx_epoch(tx));
    assert(!run_kind_is(row->kind, RUN_HAS_PROCESS)); /* The column has its reboots. */
    if (tx_number(tx,
                  "SELECT count(*) FROM nodes WHERE stopped_since <= $1 AND stopped_epoch >= $1",
                  ARGS(arg_int(epoch))) == 0) {
        count_write(tx, row->cut_offs + 1, row);
    }
    return row->cut_offs >= RUN_CUT_OFF_MAX;
}

void runs__step_finished(struct tx *tx, struct run_row *row) {
    if (row->cut_offs > 0) {
        count_write(tx, 0, row);
    }
}
