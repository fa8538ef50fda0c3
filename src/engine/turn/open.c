/* open.c: a turn that goes on is opened. */
#include "engine/run/runs.h"
#include "engine/session/checkpoints.h"
#include "engine/turn/record.h"

enum { ACTIVE_MAX = 2 /* Answers to one question: one is active; the other may just begin. */ };

/* Two turns are ended where something is brought to them. One whose session was deleted: there is
 * nowhere to put what it says, and of its messages some, or all, may be gone. And one whose
 * conversation was cleared under it: its place is gone; but what a call of the model took is
 * counted first, where one is out. */
bool turns__load(struct tx *tx, const struct turn_key *key, struct turn *ret_turn) {
    struct run_row *run = &ret_turn->run;
    *ret_turn = (struct turn){.run = {.id = 0}};
    if (!runs__load(tx, key->run, run) || run->kind != KIND_TURN || run->attempt != key->attempt ||
        (run->state != RUN_RUNNING && run->state != RUN_WAITING)) {
        return false;
    }
    const bool found = turns__load_rest(tx, ret_turn);
    if (err_failed(tx_error(tx))) {
        return false;
    }
    if (!found) {
        ret_turn->row.last = BYTES(""); /* Nobody compares with it any more. */
    } else if (!turns__is_cleared(ret_turn)) {
        return true;
    } else {
        run->stop = run->stop == CAUSE_NONE ? CAUSE_CLEARED : run->stop;
        if (ret_turn->row.call != 0) {
            return true;
        }
    }
    tx_fail(tx, turns__end(tx, ret_turn, run->stop == CAUSE_NONE ? CAUSE_STOPPED : run->stop,
                           BYTES(""), &key->bounds));
    return false;
}

bool turns__open(struct tx *tx, const struct turn_key *key, struct turn_plan *plan,
                 struct turn *ret_turn) {
    turns__plan_begin(plan);
    plan->late = !turns__load(tx, key, ret_turn);
    return !plan->late;
}

bool turns__load_card(struct tx *tx, const struct turn_key *key, int64_t part,
                      enum part_state state, struct turn *ret_turn, struct card *ret_card) {
    return turns__load(tx, key, ret_turn) &&
           cards__find(tx, ret_turn->row.answer, part, ret_card) && ret_card->state == state;
}

/* --- The place of an answer ------------------------------------------------------------------- */

void turns__make_place(struct tx *tx, const struct session_row *session, int64_t question,
                       int64_t answer) {
    struct message_rows rows = messages__many(
        tx,
        MESSAGE_SELECT "m.session = $1 AND m.reply_to = $2 AND m.id <> $3 AND m.active = 1"
                       " AND m.status NOT IN ('removed', 'reserved') ORDER BY m.id LIMIT $4",
        ARGS(arg_int(session->id), arg_int(question), arg_int(answer), arg_int(ACTIVE_MAX)),
        ACTIVE_MAX);
    for (size_t i = 0; i < rows.count; i++) {
        rows.rows[i].active = false;
        messages__move(tx, session, rows.rows[i].status, &rows.rows[i]);
    }
    if (rows.count > 0) {
        programs__forget(tx, session);
    }
    tx_checkpoint_void_from(tx, session, question);
}

void turns__take_place(struct tx *tx, const struct turn *turn) {
    turns__make_place(tx, &turn->session, turn->row.question, turn->row.answer);
}
