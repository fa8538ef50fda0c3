/* review.c: a model has looked at a call of another one.
 *
 *   reviewing ──allows──> ready      ──denies──> denied      ──asks──> asking
 *
 * The card's state says that it is to be looked at: after a crash the next daemon has it looked at
 * again. The end is fenced by that state, so only the first one counts.
 *
 * Before the model is asked, the budgets above the turn hold back what such a call takes, in a
 * commit of its own: the plan that names the reviews does not know which of them are out already.
 * What is held is charged where nobody reports what was used: after a crash, or when the turn ends
 * before its review. */
#include "base/utf8.h"
#include "engine/turn/events.h"

/* --- The begin -------------------------------------------------------------------------------- */

struct err tx_turn_review_begin(struct tx *tx, const struct turn_review_begin *begin,
                                struct turn_review_begun *ret_begun) {
    const struct turn_card_key of = {
        .key = &begin->key, .part = begin->part, .state = PART_STATE_REVIEWING};
    struct turn_review_begun begun = {.verdict = BUDGET_ADMITTED, .why = {"", 0}};
    struct turn turn;
    struct card card;
    begun.late = !turns__load_card(tx, &of, &turn, &card);
    /* A turn that is asked to end begins no review, and needs no reserve: its end is on its way. */
    if (!begun.late && turn.run.stop == CAUSE_NONE) {
        turns__budget_ask_review(tx, &turn, begin, &begun);
        turns__write(tx, &turn.row);
        if (begun.verdict == BUDGET_ADMITTED) {
            turns__span_review(tx, &turn, &card, begin->model);
        }
    }
    *ret_begun = begun;
    return tx_error(tx);
}

/* --- The end ---------------------------------------------------------------------------------- */

static void card_deny(struct tx *tx, struct turn *turn, struct card *card, struct bytes reason) {
    AUTO(text_done) struct text words = {.size_max = (size_t)16 << 10};
    text_add_str(&words, "The review of this call denied it");
    text_add_str(&words, reason.len > 0 ? ": " : ".");
    text_add(&words, reason.data, reason.len);
    cards__end(card, CARD_REVIEW);
    turns__close_card(tx, turn, card, tx_copy_text(tx, &words, "turns: review"));
}

/* A person is asked, who sees why the model would not say. */
static void card_ask(struct tx *tx, struct turn *turn, struct card *card, struct bytes reason) {
    AUTO(text_done) struct text about = {.size_max = (size_t)8 << 20};
    card->state = PART_STATE_ASKING;
    cards__write(tx, turn->row.answer, card, CARD_RESULT_STAYS);
    if (card->about.len >= 2 && card->about.data[card->about.len - 1] == '}') {
        text_add(&about, card->about.data, card->about.len - 1);
        text_add_str(&about, ",\"review\":");
        text_add_json(&about, reason.data, reason.len);
        text_add_char(&about, '}');
        card->about = tx_copy_text(tx, &about, "turns: review");
    }
    turns__ask(tx, turn, card, TURN_ASKS_LEAVE);
}

/* Of a turn that was asked to end only the usage counts: it ends now, and its cards with it. */
struct err tx_turn_review_end(struct tx *tx, const struct turn_review_end *end,
                              struct turn_plan *plan) {
    const struct turn_card_key of = {
        .key = &end->key, .part = end->part, .state = PART_STATE_REVIEWING};
    struct turn turn;
    struct card card;
    if (!turns__open_card(tx, &of, plan, &turn, &card)) {
        return tx_error(tx);
    }
    turns__span_review_end(tx, &turn, &card, end);
    turns__budget_end_review(tx, &turn, end);
    if (end->asked) { /* The context is the turn's own, and stays as it is. */
        const struct model_use use = {.category = USAGE_REVIEW,
                                      .model = turns__span_review_model(tx, &turn, &card),
                                      .usage = &end->usage,
                                      .cost = &end->cost};
        calls__count(tx, &turn.session, &use);
        tx_fail(tx, turns__event_review_usage(tx, &turn, end));
    }
    if (turn.run.stop == CAUSE_NONE) {
        tx_fail(tx, turns__event_card_reviewed(tx, &turn, &card, end));
        switch (end->review) {
        case TURN_REVIEW_DENIES:
            card_deny(tx, &turn, &card, end->reason);
            break;
        case TURN_REVIEW_ALLOWS:
            card.state = PART_STATE_READY;
            cards__write(tx, turn.row.answer, &card, CARD_RESULT_STAYS);
            break;
        case TURN_REVIEW_ASKS:
            card_ask(tx, &turn, &card, end->reason);
            break;
        }
    }
    tx_fail(tx, runs__step_finished(tx, &turn.run));
    return turns__advance(tx, &turn, &end->key.bounds, plan);
}

struct err tx_turn_request(struct tx *tx, const struct turn_key *key, struct text *text) {
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx,
               "SELECT p.text FROM messages m JOIN parts p ON p.message = m.id WHERE m.session ="
               " (SELECT t.session FROM turns t JOIN runs r ON r.id = t.run WHERE r.run = $1)"
               " AND m.role = 'user' AND m.active = 1 AND m.status IN ('completed', 'joined')"
               " AND p.kind = 'text' ORDER BY m.id DESC, p.number LIMIT 1",
               ARGS(arg_text(key->run)));
    text_clear(text);
    if (rows != NULL) {
        struct bytes said = rows_text(rows, 0);
        text_add(text, said.data, utf8_cut(said, text->size_max - 1));
    }
    return tx_error(tx);
}
