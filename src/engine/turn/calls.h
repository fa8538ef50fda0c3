/* calls.h: the engine's half of a call of a model, for a turn, a review, a summary or a title: its
 * budget, its usage and its span; and the spans of calls of tools. Only the engine includes it.
 *
 * Failure    the transaction keeps every error.
 */
#ifndef DROVER_ENGINE_TURN_CALLS_H
#define DROVER_ENGINE_TURN_CALLS_H

#include "engine/budget/budget.h"
#include "engine/trace/spans.h"
#include "engine/trace/usage_totals.h"
#include "engine/turn/turns.h"

struct card;
struct turn;

/* --- Budgets ---------------------------------------------------------------------------------- */

/* Before the call begins, budgets hold back what it may spend. BUDGET_WAITS: the turn is notified
 * when it may ask again. *ret_why: of the other two, in the arena. */
MUST_CHECK enum budget_verdict turns__budget_ask(struct tx *tx, struct turn *turn,
                                                 const struct run_bounds *bounds,
                                                 struct bytes *ret_why);
/* In the commit of its end. */
enum call_end {
    CALL_ANSWERED, /* The next one may take as much. */
    CALL_FAILED,   /* Says nothing about the next one. */
    CALL_CUT_OFF,  /* By a crash: its grant is charged, and `took` may be NULL. */
    CALL_BESIDE,   /* A summary beside the turn's own call, held back by nobody. */
};
void turns__budget_settle(struct tx *tx, struct turn *turn, const struct run_bounds *bounds,
                          enum call_end end, const struct amounts *took);
/* Both for a review, which other reviews of the turn may be out beside. */
void turns__budget_ask_review(struct tx *tx, struct turn *turn,
                              const struct turn_review_begin *begin,
                              struct turn_review_begun *begun);
void turns__budget_end_review(struct tx *tx, struct turn *turn, const struct turn_review_end *end);
struct amounts turns__amounts(const struct usage *usage, const struct usage_cost *cost);

/* --- Sums ------------------------------------------------------------------------------------- */

struct model_use {
    enum usage_category category;
    struct bytes model;
    const struct usage *usage;     /* Borrowed. */
    const struct usage_cost *cost; /* Borrowed. */
    int64_t calls;                 /* 0: one. */
};
/* Into the sums of the session, of the row, too, and of the day. */
void calls__count(struct tx *tx, struct session_row *session, const struct model_use *use);

/* --- Spans ------------------------------------------------------------------------------------ */

/* A call from its begin to its end: written when the call is over, so a crash leaves nothing. */
struct call_span {
    const struct run_row *run; /* Borrowed. */
    int64_t step;
    enum span_kind kind;
    struct model_use use;
    enum run_cause cause;
    struct bytes sentence, output;
    int64_t tries;
};
void calls__span(struct tx *tx, const struct call_span *call);

void turns__span_call(struct tx *tx, const struct turn *turn);
void turns__span_call_end(struct tx *tx, const struct turn *turn, const struct turn_answer *answer);
/* The call that a crash cut off: what it was given is charged, and marked as estimated. */
void turns__span_cut_off(struct tx *tx, const struct turn *turn);
void turns__span_card(struct tx *tx, const struct turn *turn, const struct card *card);
void turns__span_card_end(struct tx *tx, const struct turn *turn, const struct card *card,
                          struct bytes result);
/* The card's review: begun once, however often it is asked; ended as the cause says. */
void turns__span_review(struct tx *tx, const struct turn *turn, const struct card *card,
                        struct bytes model);
/* Model of the review, in the arena. */
struct bytes turns__span_review_model(struct tx *tx, const struct turn *turn,
                                      const struct card *card);
void turns__span_review_end(struct tx *tx, const struct turn *turn, const struct card *card,
                            const struct turn_review_end *end);

#endif
