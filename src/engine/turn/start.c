/* start.c: the begin of a turn, and its recovery by the next daemon.
 *
 * A daemon that ended left a call, reviews or tools under way. Each of them that may be repeated is
 * begun again; how often is limited by run/crash_limit.c. The transaction ends with the question
 * what is next (turns__advance). */
#include "engine/turn/events.h"

/* --- The first begin -------------------------------------------------------------------------- */

/* The place of the answer was kept when its question came, so that the order of messages is that of
 * the conversation, whatever came meanwhile.
 *
 * *ret_removed: the message was taken out of the queue after the run began. No answer is shown to a
 * message that is not there, so the turn ends as one that never began. */
static void turn_open(struct tx *tx, struct turn *turn, bool *ret_removed) {
    const bool compacts = turns__compacts(&turn->row);
    struct message_row question;
    bool found = false;
    tx_fail(tx, messages__find_id(tx, turn->row.question, &found, &question));
    *ret_removed = found && question.status == MESSAGE_REMOVED;
    if (*ret_removed) {
        return;
    }
    tx_fail(tx, sessions__hold_events(tx, &turn->session));
    if (found && question.status == MESSAGE_QUEUED) {
        messages__write_status(tx, MESSAGE_COMPLETED, &question);
        tx_fail(tx, messages__tell_queue(tx, &turn->session));
    }
    messages__write_status(tx, MESSAGE_RUNNING, &turn->answer);
    if (turn->row.trigger == TRIGGER_AGAIN) {
        turns__take_place(tx, turn);
    }
    sessions__set_state(tx, compacts ? SESSION_COMPACTING : SESSION_RUNNING, &turn->session);
    tx_fail(tx, messages__tell_added(tx, &turn->session, &turn->answer));
    turn->row.begun = true;
    tx_fail(tx, turns__event_started(tx, turn, found ? question.message : BYTES("")));
}

/* --- Recovery --------------------------------------------------------------------------------- */

/* A dead daemon had stored the output in events alone: it becomes a part of the message. */
static struct err said_keep(struct tx *tx, const struct turn *turn) {
    AUTO(turns__said_done) struct turn_said said;
    struct err err = turns__hear(tx, &turn->session, &turn->row, &said);
    const struct message_part parts[] = {
        {.kind = PART_THINKING, .text = text_bytes(&said.thinking)},
        {.kind = PART_TEXT, .text = text_bytes(&said.text)}};
    for (size_t i = 0; i < COUNT_OF(parts) && !err_failed(err); i++) {
        struct message_part part = parts[i];
        part.message = turn->row.answer;
        part.step = turn->row.call;
        if (part.text.len > 0) {
            cards__add_plain(tx, &part);
        }
    }
    return err;
}

/* A call that a crash cut off is asked again, and what was said of it is void; unless somebody has
 * asked the turn to end: then it is kept. What is held while no call is out is the reserve of
 * reviews. Nobody knows what a call that was cut off took. */
static void call_settle(struct tx *tx, struct turn *turn, const struct run_bounds *bounds) {
    bool compacts = turns__compacts(&turn->row); /* Nothing was told of it yet. */
    if (turn->row.call == 0) {
        if (amounts_any(&turn->row.granted)) {
            turns__budget_settle(tx, turn, bounds, CALL_CUT_OFF, NULL);
        }
        return;
    }
    if (!compacts) {
        turns__span_cut_off(tx, turn);
    }
    turns__budget_settle(tx, turn, bounds, CALL_CUT_OFF, NULL);
    if (!compacts && !turns__is_cleared(turn)) {
        tx_fail(tx, turn->run.stop == CAUSE_NONE ? turns__event_cut_off(tx, turn)
                                                 : said_keep(tx, turn));
    }
    turn->cut_off = true;
    turn->row.call = 0;
    turn->row.answered = false;
    turn->row.last_call = false; /* It had no answer: the next one is the last once more. */
    turn->row.calls--;
}

/* Tools that were running: those that may be repeated begin again. *ret_tool, *ret_review: some
 * tool, or review, does. */
static void cards_settle(struct tx *tx, struct turn *turn, bool *ret_tool, bool *ret_review) {
    static const char unknown[] = "{\"error\":\"outcome_unknown\",\"message\":\"drover was "
                                  "restarted while this ran: it may or may "
                                  "not have happened. Look before you do it again.\"}";
    const struct cards cards = cards__open(tx, turn->row.answer);
    for (size_t i = 0; i < cards.count; i++) {
        struct card *card = &cards.at[i];
        *ret_review = *ret_review || card->state == PART_STATE_REVIEWING;
        if (card->state != PART_STATE_RUNNING || card->child.id != 0) {
            continue;
        }
        if (card->repeatable) {
            *ret_tool = true;
            card->state = PART_STATE_READY;
            cards__write(tx, turn->row.answer, card, CARD_RESULT_STAYS);
        } else {
            cards__end(card, CARD_DAEMON_RESTARTED);
            turns__close_card(tx, turn, card, BYTES(unknown));
        }
    }
}

/* The turn was of another daemon's epoch: what was in its hands is in nobody's. *ret_over: no step
 * of it is to be begun again. A step that waits is not under way: the end of the daemon is no work
 * of it. */
static void turn_take_over(struct tx *tx, const struct turn_key *key, struct turn *turn,
                           bool *ret_over) {
    const int64_t epoch = turn->run.epoch;
    const bool for_provider = run_waits_for_provider(&turn->run);
    const bool for_budget = turn->run.lane != 0 && !amounts_any(&turn->row.granted);
    bool tool = false, review = false;
    tx_fail(tx, runs__adopt(tx, &turn->run));
    call_settle(tx, turn, &key->bounds);
    cards_settle(tx, turn, &tool, &review);
    if (tool || (turn->cut_off && !for_provider) || (review && !for_budget)) {
        tx_fail(tx, runs__cut_off(tx, epoch, &turn->run, ret_over));
    }
    *ret_over = *ret_over && turn->run.stop == CAUSE_NONE; /* A stop ends the turn, too. */
}

/* --- The transaction -------------------------------------------------------------------------- */

struct err tx_turn_begin(struct tx *tx, const struct turn_key *key, struct turn_plan *plan) {
    const struct run_bounds *bounds = &key->bounds;
    bool removed = false, over = false;
    struct turn turn;
    if (!turns__open(tx, key, plan, &turn)) {
        return tx_error(tx);
    }
    if (!turn.row.begun) {
        turn_open(tx, &turn, &removed);
    }
    if (!removed && turn.run.epoch != tx_epoch(tx)) {
        turn_take_over(tx, key, &turn, &over);
    }
    if (err_failed(tx_error(tx))) {
        return tx_error(tx);
    }
    if (removed || over) {
        const enum run_cause stop = turn.run.stop == CAUSE_NONE ? CAUSE_STOPPED : turn.run.stop;
        plan->next = TURN_NEXT_END;
        return removed ? turns__end(tx, &turn, stop, BYTES(""), bounds)
                       : turns__end(tx, &turn, CAUSE_CUT_OFF, BYTES(RUN_CUT_OFF_WORDS), bounds);
    }
    plan->late = turn.row.call != 0; /* It is being asked already. */
    return plan->late ? ERR_OK : turns__advance(tx, &turn, bounds, plan);
}
