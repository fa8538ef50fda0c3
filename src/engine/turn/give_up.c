/* give_up.c: the last resort for a turn whose end cannot be stored.
 *
 * The end of a turn reads and writes many rows: its message, cards, approvals, children, notices.
 * If one of them is refused for good, the run would hold its session's key for ever, and no message
 * would follow. So after the last try of that end the run is ended alone, and what belongs to it is
 * closed by statements that read no text. Whoever waits for the run is notified as always; notices
 * that it was to tell are held, since the next turn might fail over the same rows.
 */
#include "engine/turn/rows.h"

#include <string.h>

#include "engine/inbox/rows.h"

/* $1: the run's id, $2: now, $3: the sentence. */
struct closing {
    const char *sql;
    size_t args;
};

static struct err close_rows(struct tx *tx, const struct run_row *run) {
    static const struct closing closings[] = {
        {"UPDATE messages SET status = 'failed', changed_ms = $2, cause = 'history_unreadable',"
         " error = $3 WHERE id = (SELECT answer FROM turns WHERE run = $1)"
         " AND status NOT IN ('removed', 'rolled_back')",
         3},
        {"UPDATE messages SET status = 'interrupted', changed_ms = $2"
         " WHERE id = (SELECT question FROM turns WHERE run = $1) AND status = 'queued'",
         2},
        {"UPDATE parts SET state = 'cancelled' WHERE state IN ('ready', 'asking', 'reviewing',"
         " 'running', 'pending') AND message = (SELECT answer FROM turns WHERE run = $1)",
         1},
        {"UPDATE approvals SET state = 'cancelled', answered_ms = $2"
         " WHERE run = $1 AND answered_ms IS NULL",
         2},
        {"UPDATE inbox SET state = 'held', turn = '', cause = 'history_unreadable'"
         " WHERE settled_ms IS NULL AND turn <> '' AND turn = (SELECT run FROM runs WHERE id = $1)",
         1},
        {"UPDATE sessions SET state = 'idle', changed_ms = $2" /* Others run while it is queued. */
         " WHERE id = (SELECT session FROM turns WHERE run = $1)"
         " AND EXISTS (SELECT 1 FROM runs WHERE runs.id = $1 AND runs.state <> 'queued')",
         2},
    };
    const struct arg args[] = {arg_int(run->id), arg_int(tx_now_ms(tx)), arg_text(run->note)};
    struct err err = ERR_OK;
    for (size_t i = 0; i < COUNT_OF(closings) && !err_failed(err); i++) {
        err = tx_exec(tx, closings[i].sql, args, closings[i].args, NULL /* any number */);
    }
    return err;
}

/* The message is named where its id can be one. */
static struct err tell_end(struct tx *tx, const struct turn *turn) {
    struct turn told = *turn;
    if (told.answer.message.len >= ID_SIZE) {
        told.answer.message = BYTES("");
    }
    struct err err = turns__event_finished(tx, &told);
    return err_failed(err) ? err : sessions__release_events(tx, &told.session);
}

struct err turns__end_alone(struct tx *tx, struct bytes sentence, const struct run_row *run,
                            struct run_freed *freed) {
    const struct run_end end = {
        .from = run->state, .output = BYTES(""), .members = BYTES(""), .alone = true};
    struct turn turn = {.run = *run};
    bool whole = false;
    turn.run.state = RUN_FAILED;
    turn.run.cause = CAUSE_HISTORY_UNREADABLE;
    turn.run.note = sentence;
    struct err err = close_rows(tx, &turn.run);
    if (!err_failed(err)) {
        err = runs__end(tx, &end, &turn.run, freed);
    }
    if (!err_failed(err)) {
        err = runs__ask_children(tx, &turn.run, freed);
    }
    if (!err_failed(err)) {
        err = turns__load_rest(tx, &turn, &whole);
    }
    return err_failed(err) || !whole ? err : tell_end(tx, &turn);
}

static struct err find_turn(struct tx *tx, const struct turn_key *key, bool *ret_found,
                            struct turn *ret_turn) {
    const struct run_key of_run = {.run = key->run};
    bool found = false;
    struct turn turn = {.run = {.id = 0}};
    struct err err = tx_run_find(tx, &of_run, &found, &turn.run);
    *ret_found = found && turn.run.kind == KIND_TURN && turn.run.attempt == key->attempt &&
                 (turn.run.state == RUN_RUNNING || turn.run.state == RUN_WAITING);
    if (!err_failed(err) && *ret_found) {
        *ret_turn = turn;
    }
    return err;
}

struct err tx_turn_give_up(struct tx *tx, const struct turn_failure *failure,
                           struct turn_plan *plan) {
    bool found = false;
    struct turn turn;
    turns__plan_begin(plan);
    plan->next = TURN_NEXT_END;
    struct err err = find_turn(tx, &failure->key, &found, &turn);
    plan->late = !found;
    if (err_failed(err) || !found) {
        return err;
    }
    struct run_freed freed = {.kinds = 0};
    err = turns__end_alone(tx, failure->sentence, &turn.run, &freed);
    return err_failed(err) ? err : runs__admit_freed(tx, &freed, &failure->key.bounds);
}
