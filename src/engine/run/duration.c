/* duration.c: how long an attempt has taken.
 *
 * While the daemon lives, time is what its steady clock counts (tx_steady_ms), whatever somebody
 * sets the wall clock to. A row of an earlier daemon's epoch was marked by that one's clock, which
 * is gone: what lies between two marks of it is still true, and all else of it only the wall clock
 * tells, which may have been set by years meanwhile. So that is bounded, and from the commit on
 * that adopts the row its time is measured again.
 *
 * turns.waited_ms is what a turn has waited for a person; while it waits, less the mark at which
 * that began. */
#include "engine/run/rows.h"

int64_t runs__took_ms(const struct tx *tx, const struct run_row *row) {
    int64_t took_ms = row->epoch == tx_epoch(tx) ? tx_steady_ms(tx) - row->steady_ms
                                                 : tx_now_ms(tx) - row->started_ms;
    return row->started_ms > 0 && took_ms > 0 ? took_ms : 0;
}

static int64_t unseen_ms(int64_t ms) {
    ms = ms > 0 ? ms : 0;
    return ms < RUN_UNSEEN_MAX_MS ? ms : RUN_UNSEEN_MAX_MS;
}

struct err runs__write_waited(struct tx *tx, int64_t turn, int64_t waited_ms) {
    tx_do(tx, "UPDATE turns SET waited_ms = $2 WHERE run = $1",
          ARGS(arg_int(turn), arg_int(waited_ms)));
    return tx_error(tx);
}

/* A wait with an end of its own is a part of the work. */
static bool waits_for_person(const struct run_row *row, enum run_state state) {
    return state == RUN_WAITING && row->kind == KIND_TURN && row->not_before_ms == 0;
}

struct err runs__time(struct tx *tx, const struct run_row *row, enum run_state state,
                      struct run_time *ret_time) {
    bool waits = waits_for_person(row, state);
    int64_t now_ms = tx_steady_ms(tx), wall_ms = tx_now_ms(tx) - row->started_ms, waited_ms = 0;
    struct run_time time;
    if (row->kind == KIND_TURN) {
        waited_ms = tx_number(tx, "SELECT waited_ms FROM turns WHERE run = $1",
                              ARGS(arg_int(row->id)), /* absent */ 0);
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
    *ret_time = time;
    return tx_error(tx);
}

/* Counts the run by this daemon's clock from here on. A run that waits is adopted when it goes on,
 * or ends. */
struct err runs__adopt(struct tx *tx, struct run_row *row) {
    struct run_time time;
    if (row->epoch == tx_epoch(tx)) {
        return ERR_OK;
    }
    tx_fail(tx, runs__time(tx, row, row->state, &time));
    if (waits_for_person(row, row->state)) {
        tx_fail(tx, runs__write_waited(tx, row->id, time.waited_ms - tx_steady_ms(tx)));
    }
    row->steady_ms = tx_steady_ms(tx) - time.took_ms - time.waited_ms;
    row->epoch = tx_epoch(tx);
    tx_do(tx, "UPDATE runs SET epoch = $2, steady_ms = $3 WHERE id = $1",
          ARGS(arg_int(row->id), arg_int(row->epoch), arg_int(row->steady_ms)));
    return tx_error(tx);
}
