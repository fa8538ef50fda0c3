/* check.c: what a step wrote is checked, by a run of its own.
 *
 *   wrote ──tx_turn_check_start──> check_run ──its end──> tx_turn_check_end ──> (told) ──> the call
 *     └────── there is no check ──────────────────────────────────────────────────────────────^
 *
 * A crash before the start finds `wrote`, and looks again. From the start on the run is a job like
 * any other: its holder lives on, and the next daemon adopts it. Its result is told in the commit
 * that takes check_run away, so it comes once. */
#include "engine/turn/cards.h"

struct err turns__check_find(struct tx *tx, struct turn *turn, enum turn_check *ret_check,
                             struct run_row *ret_run) {
    bool found = false;
    *ret_check = TURN_CHECK_NONE;
    if (turn->row.check_run == 0) {
        return ERR_OK;
    }
    struct err err = runs__find_id(tx, turn->row.check_run, &found, ret_run);
    if (err_failed(err)) {
        return err;
    }
    if (!found) { /* It was removed with its output: nobody knows any more. */
        turn->row.check_run = 0;
        return ERR_OK;
    }
    *ret_check = run_state_final(ret_run->state) ? TURN_CHECK_ENDED : TURN_CHECK_RUNS;
    return ERR_OK;
}

static struct err start(struct tx *tx, struct turn *turn, const struct turn_check_start *check) {
    struct run_row row;
    struct run_new what = check->run;
    what.owner = turn->run.owner;
    what.project = turn->session.project;
    what.parent = turn->run.run;
    struct err err = tx_run_submit(tx, &what, &row);
    if (!err_failed(err)) {
        turn->row.check_run = row.id;
    }
    return err;
}

struct err tx_turn_check_start(struct tx *tx, const struct turn_check_start *start_with,
                               struct turn_plan *plan) {
    struct turn turn;
    turns__plan_begin(plan);
    struct err err = turns__load(tx, &start_with->key, &plan->late, &turn);
    plan->late = plan->late || (!err_failed(err) &&
                                (!turn.row.wrote || turn.row.check_run != 0 || turn.row.call != 0));
    if (err_failed(err) || plan->late) {
        return err;
    }
    turn.row.wrote = false;
    if (!start_with->none && turn.run.stop == CAUSE_NONE) {
        err = start(tx, &turn, start_with);
    }
    return err_failed(err) ? err : turns__advance(tx, &turn, &start_with->key.bounds, plan);
}

struct err tx_turn_check_end(struct tx *tx, const struct turn_check_end *end,
                             struct turn_plan *plan) {
    struct turn turn;
    turns__plan_begin(plan);
    struct err err = turns__load(tx, &end->key, &plan->late, &turn);
    plan->late =
        plan->late || (!err_failed(err) && (end->check == 0 || turn.row.check_run != end->check));
    if (err_failed(err) || plan->late) {
        return err;
    }
    turn.row.check_run = 0;
    if (end->note.len > 0) {
        turn.row.failed_checks++;
        err = turns__add_notice(tx, &turn, end->note);
    }
    return err_failed(err) ? err : turns__advance(tx, &turn, &end->key.bounds, plan);
}
