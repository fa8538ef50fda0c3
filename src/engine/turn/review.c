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
#include "engine/turn/cards.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "engine/trace/usage_totals.h"

/* --- The begin -------------------------------------------------------------------------------- */

/* A turn that is asked to end begins no review, and needs no reserve: its end is on its way. */
static struct err admit(struct tx *tx, struct turn *turn, const struct card *card,
                        const struct turn_review_begin *begin, struct turn_review_begun *begun) {
    struct err err = turns__budget_ask_review(tx, turn, begin, begun);
    if (!err_failed(err)) {
        err = turns__write(tx, &turn->row);
    }
    bool goes = !err_failed(err) && begun->verdict == BUDGET_ADMITTED;
    return goes ? turns__span_review(tx, turn, card, begin->model) : err;
}

struct err tx_turn_review_begin(struct tx *tx, const struct turn_review_begin *begin,
                                struct turn_review_begun *ret_begun) {
    struct turn turn;
    struct card card;
    bool found = false;
    struct turn_review_begun begun = {.verdict = BUDGET_ADMITTED, .why = {"", 0}};
    struct err err = turns__load(tx, &begin->key, &begun.late, &turn);
    if (!err_failed(err) && !begun.late) {
        err = cards__find(tx, turn.row.answer, begin->part, &found, &card);
        begun.late = !found || card.state != PART_STATE_REVIEWING;
    }
    if (!err_failed(err) && !begun.late && turn.run.stop == CAUSE_NONE) {
        err = admit(tx, &turn, &card, begin, &begun);
    }
    if (!err_failed(err)) {
        *ret_begun = begun;
    }
    return err;
}

/* --- The end ---------------------------------------------------------------------------------- */

/* Whoever is asked now sees why nobody else would say. */
static struct err add_reason(struct tx *tx, const struct turn_review_end *end, struct card *card) {
    AUTO(text_done) struct text about;
    text_init(&about, (size_t)8 << 20);
    if (card->about.len < 2 || card->about.data[card->about.len - 1] != '}') {
        return ERR_OK;
    }
    text_add(&about, card->about.data, card->about.len - 1);
    text_add_str(&about, ",\"review\":");
    text_add_json(&about, end->reason.data, end->reason.len);
    text_add_char(&about, '}');
    const char *copy =
        text_failed(&about) ? NULL : arena_try_copy(tx_arena(tx), about.data, about.len);
    card->about = (struct bytes){copy, about.len};
    return copy == NULL ? text_error(&about, "turns: review") : ERR_OK;
}

static struct err deny(struct tx *tx, struct turn *turn, struct card *card,
                       const struct turn_review_end *end) {
    AUTO(text_done) struct text words;
    text_init(&words, (size_t)16 << 10);
    text_add_str(&words, "The review of this call denied it");
    text_add_str(&words, end->reason.len > 0 ? ": " : ".");
    text_add(&words, end->reason.data, end->reason.len);
    cards__end(card, CARD_REVIEW);
    return text_failed(&words)
               ? text_error(&words, "turns: review")
               : turns__close_card(tx, turn, card, (struct bytes){words.data, words.len});
}

static struct err move_card(struct tx *tx, struct turn *turn, struct card *card,
                            const struct turn_review_end *end) {
    const struct bytes as_it_is = {NULL, 0};
    struct err err = ERR_OK;
    switch (end->review) {
    case TURN_REVIEW_DENIES:
        return deny(tx, turn, card, end);
    case TURN_REVIEW_ALLOWS:
        card->state = PART_STATE_READY;
        return cards__write(tx, turn->row.answer, card, as_it_is);
    case TURN_REVIEW_ASKS:
        break;
    }
    card->state = PART_STATE_ASKING;
    err = cards__write(tx, turn->row.answer, card, as_it_is);
    if (!err_failed(err)) {
        err = add_reason(tx, end, card);
    }
    return err_failed(err) ? err : turns__ask(tx, turn, card, TURN_ASKS_LEAVE);
}

/* The context is the turn's own, and stays as it is. */
static struct err add_usage(struct tx *tx, struct turn *turn, const struct card *card,
                            const struct turn_review_end *end) {
    const struct usage *usage = &end->usage;
    const struct session_usage sums = sessions__sums_of(usage, &end->cost);
    if (!end->asked) {
        return ERR_OK;
    }
    struct err err = sessions__add_usage(tx, &sums, &turn->session);
    struct usage_add add = {.session = &turn->session, .category = USAGE_REVIEW, .usage = sums};
    if (!err_failed(err)) {
        err = turns__span_review_model(tx, turn, card, &add.model);
    }
    if (!err_failed(err)) {
        err = tx_usage_add(tx, &add);
    }
    return err_failed(err) ? err : turns__event_review_usage(tx, turn, end);
}

static struct err settle(struct tx *tx, struct turn *turn, struct card *card,
                         const struct turn_review_end *end) {
    struct err err = turns__span_review_end(tx, turn, card, end);
    if (!err_failed(err)) {
        err = turns__budget_end_review(tx, turn, end);
    }
    if (!err_failed(err)) {
        err = add_usage(tx, turn, card, end);
    }
    if (err_failed(err) || turn->run.stop != CAUSE_NONE) {
        return err; /* It ends now, and its cards with it. */
    }
    err = turns__event_card_reviewed(tx, turn, card, end);
    return err_failed(err) ? err : move_card(tx, turn, card, end);
}

struct err tx_turn_review_end(struct tx *tx, const struct turn_review_end *end,
                              struct turn_plan *plan) {
    struct turn turn;
    struct card card;
    bool found = false;
    turns__plan_begin(plan);
    struct err err = turns__load(tx, &end->key, &plan->late, &turn);
    if (err_failed(err) || plan->late) {
        return err;
    }
    err = cards__find(tx, turn.row.answer, end->part, &found, &card);
    plan->late = !found || card.state != PART_STATE_REVIEWING;
    if (err_failed(err) || plan->late) {
        return err;
    }
    err = settle(tx, &turn, &card, end);
    if (!err_failed(err)) {
        err = runs__step_finished(tx, &turn.run);
    }
    return err_failed(err) ? err : turns__advance(tx, &turn, &end->key.bounds, plan);
}

struct err tx_turn_request(struct tx *tx, const struct turn_key *key, struct text *text) {
    static const char sql[] =
        "SELECT p.text FROM messages m JOIN parts p ON p.message = m.id WHERE m.session ="
        " (SELECT t.session FROM turns t JOIN runs r ON r.id = t.run WHERE r.run = $1)"
        " AND m.role = 'user' AND m.active = 1 AND m.status IN ('completed', 'joined')"
        " AND p.kind = 'text' ORDER BY m.id DESC, p.number LIMIT 1";
    const struct arg args[] = {arg_text(key->run)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    text_clear(text);
    if (!err_failed(err) && rows != NULL) {
        struct bytes said = rows_text(rows, 0);
        text_add(text, said.data, utf8_cut(said, text->size_max - 1));
    }
    return err;
}
