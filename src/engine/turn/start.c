/* start.c: the begin of a turn, and its recovery by the next daemon.
 *
 * A daemon that ended left a call, reviews or tools under way. Each of them that may be repeated is
 * begun again; how often is limited by run_cut_off.c. The transaction ends with the question what
 * is next (turns__advance). */
#include "engine/turn/cards.h"

#include <string.h>

static const char unknown_words[] = "{\"error\":\"outcome_unknown\",\"message\":\"drover was "
                                    "restarted while this ran: it may or may "
                                    "not have happened. Look before you do it again.\"}";

static struct bytes words(const char *text) {
    return bytes_of(text);
}

/* --- The first begin -------------------------------------------------------------------------- */

static struct err begin_question(struct tx *tx, const struct turn *turn, struct bytes *ret_id) {
    struct message_row question;
    bool found = false;
    *ret_id = (struct bytes){"", 0};
    struct err err = messages__find_id(tx, turn->row.question, &found, &question);
    if (err_failed(err) || !found) {
        return err;
    }
    *ret_id = question.message;
    if (question.status != MESSAGE_QUEUED) {
        return ERR_OK;
    }
    err = messages__write_status(tx, MESSAGE_COMPLETED, &question);
    return err_failed(err) ? err : messages__tell_queue(tx, &turn->session);
}

/* The place of the answer was kept when its question came, so that the order of messages is that of
 * the conversation, whatever came meanwhile. */
static struct err open_answer(struct tx *tx, struct turn *turn) {
    struct bytes question = {"", 0};
    struct err err = sessions__hold_events(tx, &turn->session);
    if (!err_failed(err)) {
        err = begin_question(tx, turn, &question);
    }
    if (!err_failed(err)) {
        err = messages__write_status(tx, MESSAGE_RUNNING, &turn->answer);
    }
    if (!err_failed(err) && turn->row.trigger == TRIGGER_AGAIN) {
        err = turns__take_place(tx, turn);
    }
    if (!err_failed(err)) {
        bool compacts = turns__compacts(&turn->row);
        err = sessions__set_state(tx, compacts ? SESSION_COMPACTING : SESSION_RUNNING,
                                  &turn->session);
    }
    if (!err_failed(err)) {
        err = messages__tell_added(tx, &turn->session, &turn->answer);
    }
    turn->row.begun = true;
    return err_failed(err) ? err : turns__event_started(tx, turn, question);
}

/* --- Recovery --------------------------------------------------------------------------------- */

/* A call that a crash cut off is asked again, and what was said of it is void; unless somebody has
 * asked the turn to end: then it is kept. */
static struct err settle_call(struct tx *tx, struct turn *turn, const struct run_bounds *bounds) {
    if (turn->row.call == 0) { /* What is held then is the reserve of reviews that were out. */
        bool out = amounts_any(&turn->row.granted);
        return out ? turns__budget_spend(tx, turn, bounds, NULL /* as below */) : ERR_OK;
    }
    bool compacts = turns__compacts(&turn->row); /* Nothing was told of it yet. */
    struct err err = compacts ? ERR_OK : turns__span_cut_off(tx, turn);
    if (!err_failed(err)) {
        err = turns__budget_spend(tx, turn, bounds, NULL /* nobody knows what it took */);
    }
    if (!err_failed(err) && !compacts && !turns__is_cleared(turn)) {
        err = turn->run.stop == CAUSE_NONE ? turns__event_cut_off(tx, turn)
                                           : turns__keep_said(tx, turn);
    }
    turn->cut_off = true;
    turn->row.call = 0;
    turn->row.answered = false;
    turn->row.last_call = false; /* It had no answer: the next one is the last once more. */
    turn->row.calls--;
    return err;
}

static struct err settle_card(struct tx *tx, struct turn *turn, struct card *card) {
    const struct bytes as_it_is = {NULL, 0};
    if (card->state != PART_STATE_RUNNING || card->child != 0) {
        return ERR_OK;
    }
    if (card->repeatable) {
        card->state = PART_STATE_READY;
        return cards__write(tx, turn->row.answer, card, as_it_is);
    }
    cards__end(card, CARD_DAEMON_RESTARTED);
    return turns__close_card(tx, turn, card, words(unknown_words));
}

/* Steps that were under way, and are begun again. */
struct repeats {
    bool call, tool, review;
};

static struct err settle_cards(struct tx *tx, struct turn *turn, struct repeats *io_repeats) {
    struct cards cards = {.count = 0};
    struct err err = cards__open(tx, turn->row.answer, &cards);
    for (size_t i = 0; i < cards.count && !err_failed(err); i++) {
        bool reviewed = cards.at[i].state == PART_STATE_REVIEWING;
        bool ran = cards.at[i].state == PART_STATE_RUNNING;
        err = settle_card(tx, turn, &cards.at[i]);
        io_repeats->review = io_repeats->review || reviewed;
        io_repeats->tool = io_repeats->tool || (ran && cards.at[i].state == PART_STATE_READY);
    }
    return err;
}

/* Of another daemon's epoch: what was in its hands is in nobody's. *ret_over: no step of it is to
 * be begun again. */
static struct err take_over(struct tx *tx, const struct turn_key *key, struct turn *turn,
                            bool *ret_over) {
    bool over = false;
    struct repeats repeats = {.call = false};
    const int64_t epoch = turn->run.epoch;
    /* A step that waits is not under way: the end of the daemon is no work of it. */
    const bool for_provider = run_waits_for_provider(&turn->run);
    const bool for_budget = turn->run.lane != 0 && !amounts_any(&turn->row.granted);
    struct err err = runs__adopt(tx, &turn->run);
    if (!err_failed(err)) {
        err = settle_call(tx, turn, &key->bounds);
    }
    if (!err_failed(err)) {
        err = settle_cards(tx, turn, &repeats);
    }
    repeats.call = turn->cut_off && !for_provider;
    repeats.review = repeats.review && !for_budget;
    if (!err_failed(err) && (repeats.call || repeats.tool || repeats.review)) {
        err = runs__cut_off(tx, epoch, &turn->run, &over);
    }
    *ret_over = over && turn->run.stop == CAUSE_NONE; /* A stop ends the turn, too. */
    return err;
}

/* --- The transaction -------------------------------------------------------------------------- */

/* Its message was taken out of the queue after the run began: no answer is shown to a message that
 * is not there, so the turn ends as one that never began. */
static struct err end_unasked(struct tx *tx, struct turn *turn, const struct run_bounds *bounds,
                              bool *ret_ended) {
    const struct bytes none = {"", 0};
    struct message_row question;
    bool found = false;
    struct err err = messages__find_id(tx, turn->row.question, &found, &question);
    if (err_failed(err) || !found || question.status != MESSAGE_REMOVED) {
        return err;
    }
    *ret_ended = true;
    enum run_cause stop = turn->run.stop;
    return turns__end(tx, turn, stop == CAUSE_NONE ? CAUSE_STOPPED : stop, none, bounds);
}

struct err tx_turn_begin(struct tx *tx, const struct turn_key *key, struct turn_plan *plan) {
    bool ended = false, over = false;
    struct turn turn;
    turns__plan_begin(plan);
    struct err err = turns__load(tx, key, &plan->late, &turn);
    if (err_failed(err) || plan->late) {
        return err;
    }
    if (!turn.row.begun) {
        err = end_unasked(tx, &turn, &key->bounds, &ended);
    }
    if (err_failed(err) || ended) {
        plan->next = TURN_NEXT_END;
        return err;
    }
    if (!turn.row.begun) {
        err = open_answer(tx, &turn);
    }
    if (!err_failed(err) && turn.run.epoch != tx_epoch(tx)) {
        err = take_over(tx, key, &turn, &over);
    }
    if (!err_failed(err) && over) {
        plan->next = TURN_NEXT_END;
        return turns__end(tx, &turn, CAUSE_CUT_OFF, BYTES(RUN_CUT_OFF_WORDS), &key->bounds);
    }
    if (!err_failed(err) && turn.row.call != 0) {
        plan->late = true; /* It is being asked already. */
        return ERR_OK;
    }
    return err_failed(err) ? err : turns__advance(tx, &turn, &key->bounds, plan);
}
