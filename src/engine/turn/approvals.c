/* approvals.c: a person is asked about a call. The answer, the card that waited for it, and the
 * turn that goes on are one commit. */
#include "engine/approval/rows.h"
#include "engine/session/roots.h"
#include "engine/turn/cards.h"

void turns__ask(struct tx *tx, const struct turn *turn, const struct card *card,
                enum turn_asks asks) {
    const struct approval_new what = {.session = &turn->session,
                                      .run = &turn->run,
                                      .message = &turn->answer,
                                      .part = card->number,
                                      .kind = asks == TURN_ASKS_LEAVE ? BYTES("leave")
                                                                      : BYTES("answer"),
                                      .tool = card->tool,
                                      .digest = card->digest,
                                      .arguments = card->arguments,
                                      .about = card->about};
    tx_fail(tx, approvals__ask(tx, &what));
}

static struct err answer_check(const struct approval_row *row, const struct approval_answer *answer,
                               struct why *why) {
    bool question = bytes_is(row->kind, "answer");
    if (row->state != APPROVAL_OPEN) {
        return err_why(why, ERR_CONFLICT, "it was %s already", approval_state_name(row->state));
    }
    if (question && answer->verb == APPROVAL_ALLOW) {
        return err_why(why, ERR_BAD_FIELD, "this is a question: it wants an answer, or deny");
    }
    if (!question && answer->verb == APPROVAL_ANSWER) {
        return err_why(why, ERR_BAD_FIELD, "this is no question: it wants allow or deny");
    }
    return ERR_OK;
}

static void card_deny(struct tx *tx, struct turn *turn, struct card *card,
                      const struct approval_row *row) {
    AUTO(text_done) struct text words = {.size_max = APPROVAL_ANSWER_MAX + 256};
    text_addf(&words, "%.*s said no to this call%s", (int)row->by.len, row->by.data,
              row->answer.len > 0 ? ": " : ".");
    text_add(&words, row->answer.data, row->answer.len);
    cards__end(card, CARD_PERSON);
    turns__close_card(tx, turn, card, tx_copy_text(tx, &words, "approvals: words"));
}

/* A folder that was asked for is granted in this commit, and that is all there is to do; any other
 * call is ready. */
static struct err card_allow(struct tx *tx, struct turn *turn, struct card *card,
                             const struct approval_row *row) {
    static const char too_many[] = "This session has as many folders as it may have; one of them "
                                   "must be given back first.";
    struct bytes result = BYTES("");
    bool grant = false;
    struct err err = roots__grant(tx, &turn->session, card->about, row->by, &grant, &result);
    const bool full = err.code == ERR_TOO_MANY;
    if (err_failed(err) && !full) {
        return err;
    }
    if (grant) {
        cards__end(card, full ? CARD_TOO_MANY : CARD_DONE);
        turns__close_card(tx, turn, card, full ? BYTES(too_many) : result);
    } else {
        card->state = PART_STATE_READY;
        cards__write(tx, turn->row.answer, card, CARD_RESULT_STAYS);
    }
    return ERR_OK;
}

/* A turn that waits goes on; one that runs (other tools of it) is notified. */
static struct err turn_answer(struct tx *tx, const struct approval_row *row) {
    struct turn turn;
    struct card card;
    bool found = false;
    struct err err = turns__load_run(tx, row->run, &found, &turn);
    if (err_failed(err) || !found || !cards__find(tx, turn.row.answer, row->part, &card) ||
        card.state != PART_STATE_ASKING) {
        return err_failed(err) ? err : tx_error(tx);
    }
    const struct approval_change change = {
        .session = &turn.session, .run = &turn.run, .row = row, .answered = true};
    tx_fail(tx, approvals__event(tx, &change));
    if (row->state == APPROVAL_ALLOWED) {
        tx_fail(tx, card_allow(tx, &turn, &card, row));
    } else if (row->state == APPROVAL_ANSWERED) {
        cards__end(&card, CARD_DONE);
        turns__close_card(tx, &turn, &card, row->answer);
    } else {
        card_deny(tx, &turn, &card, row);
    }
    turns__write(tx, &turn.row);
    if (turn.run.state == RUN_RUNNING || run_waits_for_provider(&turn.run)) {
        tx_fail(tx, runs__tell(tx, &turn.run));
        return tx_error(tx);
    }
    const enum run_state from = turn.run.state;
    turn.run.state = RUN_RUNNING;
    tx_fail(tx, runs__write(tx, from, &turn.run));
    turns__wait_ends(tx, &turn);
    return sessions__set_state(tx, SESSION_RUNNING, &turn.session);
}

struct err tx_approval_answer(struct tx *tx, const struct approval_answer *answer,
                              struct approval_row *ret_row, struct why *why) {
    static const enum approval_state states[] = {[APPROVAL_ALLOW] = APPROVAL_ALLOWED,
                                                 [APPROVAL_DENY] = APPROVAL_DENIED,
                                                 [APPROVAL_ANSWER] = APPROVAL_ANSWERED};
    struct approval_row row;
    bool found = false;
    struct err err = tx_approval_find(tx, &answer->key, &found, &row);
    if (err_failed(err) || !found) {
        return err_failed(err) ? err : err_make(ERR_NOT_FOUND, "approvals: answer");
    }
    err = answer_check(&row, answer, why);
    if (err_failed(err)) {
        if (err.code == ERR_CONFLICT) {
            *ret_row = row;
        }
        return err;
    }
    row.state = states[answer->verb];
    row.answer = answer->text;
    row.by = answer->by;
    row.answered_ms = tx_now_ms(tx);
    tx_do(tx,
          "UPDATE approvals SET state = $2, answer = $3, answered_by = $4, answered_ms = $5"
          " WHERE id = $1",
          ARGS(arg_int(row.id), arg_str(approval_state_name(row.state)), arg_text(row.answer),
               arg_text(row.by), arg_int(row.answered_ms)));
    err = turn_answer(tx, &row);
    if (!err_failed(err)) {
        *ret_row = row;
    }
    return err;
}
