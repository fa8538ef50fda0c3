/* budget.c: what calls of models may spend, and did.
 *
 * A call is admitted before its row says that it is out: what such a call took lately is held
 * back, at most what is left, and given back with its end. So what is spent beyond a limit is at
 * most what the calls that were out took more than they were granted. Reviews are such calls, too:
 * several are out at once, and only while the turn's own is not, so the row has their sum. */
#include "engine/budget/budget.h"
#include "engine/turn/cards.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

/* Where no call of that model has been seen. A cost that nobody knows is charged as nothing. */
enum { FIRST_OUTPUT = 1000, FIRST_TOKENS = 8000, FIRST_COST = 10000 };

/* A kind of calls whose recent mean is the reserve of the next: calls of the turn's model, or its
 * reviews, which have another prompt than the conversation, and so a mean of their own. */
static struct bytes what_of(const char *prefix, struct bytes model, char name[BUDGET_WHAT_MAX]) {
    size_t room = BUDGET_WHAT_MAX - strlen(prefix) - 1;
    int len =
        snprintf(name, BUDGET_WHAT_MAX, "%s%.*s", prefix, (int)utf8_cut(model, room), model.data);
    return (struct bytes){name, (size_t)len};
}

static struct err call_reserve(struct tx *tx, struct turn *turn, struct bytes what,
                               const struct run_bounds *bounds, struct budget_answer *ret_answer) {
    struct budget_ask ask = {.what = what, .first = amounts_none()};
    ask.first.of[AMOUNT_OUTPUT_TOKENS] = FIRST_OUTPUT;
    ask.first.of[AMOUNT_TOKENS] = FIRST_TOKENS;
    ask.first.of[AMOUNT_COST] = FIRST_COST;
    return tx_budget_reserve(tx, &ask, bounds, &turn->run, ret_answer);
}

struct err turns__budget_ask(struct tx *tx, struct turn *turn, const struct run_bounds *bounds,
                             enum budget_verdict *ret_verdict, struct bytes *ret_why) {
    char name[BUDGET_WHAT_MAX];
    struct budget_answer answer;
    struct err err =
        call_reserve(tx, turn, what_of("model:", turn->row.model, name), bounds, &answer);
    if (!err_failed(err)) {
        turn->row.granted = answer.granted;
        *ret_verdict = answer.verdict;
        *ret_why = answer.why;
    }
    return err;
}

static struct err call_settle(struct tx *tx, struct turn *turn, const struct run_bounds *bounds,
                              const struct amounts *took, bool learn) {
    char name[BUDGET_WHAT_MAX];
    const struct budget_spend spend = {.what = what_of("model:", turn->row.model, name),
                                       .granted = turn->row.granted,
                                       .spent = *took,
                                       .learn = learn};
    turn->row.granted = amounts_none();
    return tx_budget_spend(tx, &spend, bounds, &turn->run);
}

struct err turns__budget_spend(struct tx *tx, struct turn *turn, const struct run_bounds *bounds,
                               const struct amounts *took) {
    const struct amounts granted = turn->row.granted;
    return call_settle(tx, turn, bounds, took != NULL ? took : &granted, /* learn */ took != NULL);
}

struct err turns__budget_return(struct tx *tx, struct turn *turn, const struct run_bounds *bounds,
                                const struct amounts *took) {
    return call_settle(tx, turn, bounds, took, /* learn */ false);
}

struct err turns__budget_charge(struct tx *tx, struct turn *turn, const struct run_bounds *bounds,
                                const struct amounts *took) {
    const struct budget_spend spend = {
        .what = BYTES("summary"), .granted = amounts_none(), .spent = *took};
    return tx_budget_spend(tx, &spend, bounds, &turn->run);
}

struct err turns__budget_ask_review(struct tx *tx, struct turn *turn,
                                    const struct turn_review_begin *begin,
                                    struct turn_review_begun *begun) {
    char name[BUDGET_WHAT_MAX];
    struct budget_answer answer;
    struct err err =
        call_reserve(tx, turn, what_of("review:", begin->model, name), &begin->key.bounds, &answer);
    if (!err_failed(err)) {
        amounts_add(&turn->row.granted, &answer.granted);
        begun->granted = answer.granted;
        begun->verdict = answer.verdict;
        begun->why = answer.why;
    }
    return err;
}

/* A review that no model was asked for is free; only an answer says what the next may cost. */
struct err turns__budget_end_review(struct tx *tx, struct turn *turn,
                                    const struct turn_review_end *end) {
    char name[BUDGET_WHAT_MAX];
    const struct budget_spend spend = {.what = what_of("review:", end->model, name),
                                       .granted = end->granted,
                                       .spent = end->asked ? turns__amounts(&end->usage, &end->cost)
                                                           : amounts_none(),
                                       .learn = end->asked && end->failure == CAUSE_NONE};
    amounts_subtract(&turn->row.granted, &end->granted);
    return tx_budget_spend(tx, &spend, &end->key.bounds, &turn->run);
}

struct amounts turns__amounts(const struct usage *usage, const struct usage_cost *cost) {
    struct amounts took = amounts_none();
    took.of[AMOUNT_OUTPUT_TOKENS] = usage->output;
    took.of[AMOUNT_TOKENS] = usage_input(usage) + usage->output;
    took.of[AMOUNT_COST] = cost->known ? cost->micros : 0;
    return took;
}

/* --- Wall time -------------------------------------------------------------------------------- */

struct err turns__wait(struct tx *tx, const struct turn *turn, enum turn_wait wait) {
    enum run_state before = wait == TURN_WAIT_BEGINS ? RUN_RUNNING : RUN_WAITING;
    struct run_time time;
    struct err err = runs__time(tx, &turn->run, before, &time);
    int64_t mark_ms = wait == TURN_WAIT_BEGINS ? tx_steady_ms(tx) : 0;
    return err_failed(err) ? err : runs__write_waited(tx, turn->run.id, time.waited_ms - mark_ms);
}
