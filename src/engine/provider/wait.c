/* wait.c: a call of a model waits before its next try, and is made again.
 *
 *   running ──the try failed──> waiting, until not_before_ms ──the next try, or any end──> running
 *
 * The wait stands in the run's row, so that lists, snapshots and events agree, and a daemon that
 * comes back waits for the rest of it. The run keeps its key, its slot and its clock: the wait is a
 * part of the call (decisions/048).
 *
 * Whatever is stored of a turn next ends the wait, too (turns__advance, turns__end): the end of a
 * wait that was lost on its way leaves no run `waiting` that goes on. */
#include <string.h>

#include "engine/turn/cards.h"
#include "engine/workflow/rows.h"

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

/* Whether the wait is news: who was asked to end goes on with that, and waits for nobody. */
static bool may_wait(const struct run_row *row) {
    return row->stop == CAUSE_NONE && (row->state == RUN_RUNNING || run_waits_for_provider(row));
}

/* --- Turns ------------------------------------------------------------------------------------ */

static struct err turn_waits(struct tx *tx, const struct provider_wait *wait, struct turn *turn) {
    struct err err = runs__provider_wait(tx, wait->resume_at_ms, &turn->run);
    if (!err_failed(err)) {
        err = sessions__set_state(tx, SESSION_WAITING, &turn->session);
    }
    return err_failed(err) ? err : turns__event_provider_waiting(tx, turn, wait);
}

struct err turns__provider_ask(struct tx *tx, struct turn *turn) {
    if (!run_waits_for_provider(&turn->run)) {
        return ERR_OK;
    }
    bool compacts = turns__compacts(&turn->row);
    struct err err = runs__provider_ask(tx, &turn->run);
    if (!err_failed(err)) {
        err = sessions__set_state(tx, compacts ? SESSION_COMPACTING : SESSION_RUNNING,
                                  &turn->session);
    }
    return err_failed(err) ? err : turns__event_resumed(tx, turn);
}

struct err tx_turn_provider(struct tx *tx, struct bytes run, int64_t step,
                            const struct provider_wait *wait) {
    const struct run_key key = {.run = run};
    struct turn turn = {.run = {.id = 0}};
    bool found = false;
    struct err err = tx_run_find(tx, &key, &found, &turn.run);
    if (!err_failed(err) && found) {
        err = turns__load_rest(tx, &turn, &found);
    }
    if (err_failed(err) || !found || turn.row.call != step || turns__is_cleared(&turn)) {
        return err;
    }
    if (wait->resume_at_ms == 0) {
        return turns__provider_ask(tx, &turn);
    }
    return may_wait(&turn.run) ? turn_waits(tx, wait, &turn) : ERR_OK;
}

/* --- Agents of workflows ---------------------------------------------------------------------- */

struct err tx_step_provider(struct tx *tx, struct bytes run, int64_t attempt,
                            const struct provider_wait *wait) {
    const struct run_key key = {.run = run};
    struct run_row row;
    bool found = false;
    struct err err = tx_run_find(tx, &key, &found, &row);
    if (err_failed(err) || !found || row.attempt != attempt) {
        return err;
    }
    bool waits = wait->resume_at_ms != 0;
    if (waits ? !may_wait(&row) : !run_waits_for_provider(&row)) {
        return ERR_OK;
    }
    err = waits ? runs__provider_wait(tx, wait->resume_at_ms, &row) : runs__provider_ask(tx, &row);
    return err_failed(err) ? err : steps__event_provider(tx, &row, wait);
}
