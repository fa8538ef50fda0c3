/* turn_budget.c: what calls of models may spend, and did.
 *
 * A call is admitted before its row says that it is out: what such a call took lately is held
 * back, at most what is left, and given back with its end. So what is spent beyond a limit is at
 * most what the calls that were out took more than they were granted. */
#include "engine/budget.h"
#include "engine/turn_cards.h"

#include <stdio.h>

#include "base/utf8.h"

/* Where no call of that model has been seen. A cost that nobody knows is charged as nothing. */
enum { FIRST_OUTPUT = 1000, FIRST_TOKENS = 8000, FIRST_COST = 10000 };

static struct bytes what_of(const struct turn *turn, char name[BUDGET_WHAT_MAX]) {
    static const char prefix[] = "model:";
    size_t room = BUDGET_WHAT_MAX - (sizeof prefix - 1) - 1;
    int len = snprintf(name, BUDGET_WHAT_MAX, "%s%.*s", prefix,
                       (int)utf8_cut(turn->row.model, room), turn->row.model.data);
    return (struct bytes){name, (size_t)len};
}

struct err turns__budget_ask(struct tx *tx, struct turn *turn, const struct run_bounds *bounds,
                             enum budget_verdict *ret_verdict, struct bytes *ret_why) {
    char name[BUDGET_WHAT_MAX];
    struct budget_answer answer;
    struct budget_ask ask = {.what = what_of(turn, name), .first = amounts_none()};
    ask.first.of[AMOUNT_OUTPUT_TOKENS] = FIRST_OUTPUT;
    ask.first.of[AMOUNT_TOKENS] = FIRST_TOKENS;
    ask.first.of[AMOUNT_COST] = FIRST_COST;
    struct err err = tx_budget_reserve(tx, &ask, bounds, &turn->run, &answer);
    if (!err_failed(err)) {
        turn->row.granted = answer.granted;
        *ret_verdict = answer.verdict;
        *ret_why = answer.why;
    }
    return err;
}

struct err turns__budget_spend(struct tx *tx, struct turn *turn, const struct run_bounds *bounds,
                               const struct amounts *took) {
    char name[BUDGET_WHAT_MAX];
    const struct budget_spend spend = {.what = what_of(turn, name),
                                       .granted = turn->row.granted,
                                       .spent = took != NULL ? *took : turn->row.granted,
                                       .learn = took != NULL};
    turn->row.granted = amounts_none();
    return tx_budget_spend(tx, &spend, bounds, &turn->run);
}

struct err turns__budget_return(struct tx *tx, struct turn *turn, const struct run_bounds *bounds,
                                const struct amounts *took) {
    char name[BUDGET_WHAT_MAX];
    const struct budget_spend spend = {
        .what = what_of(turn, name), .granted = turn->row.granted, .spent = *took};
    turn->row.granted = amounts_none();
    return tx_budget_spend(tx, &spend, bounds, &turn->run);
}

struct err turns__budget_charge(struct tx *tx, struct turn *turn, const struct run_bounds *bounds,
                                const struct amounts *took) {
    const struct budget_spend spend = {
        .what = BYTES("review"), .granted = amounts_none(), .spent = *took};
    return tx_budget_spend(tx, &spend, bounds, &turn->run);
}

struct amounts turns__amounts(const struct usage *usage, const struct usage_cost *cost) {
    struct amounts took = amounts_none();
    took.of[AMOUNT_OUTPUT_TOKENS] = usage->output;
    took.of[AMOUNT_TOKENS] = usage_input(usage) + usage->output;
    took.of[AMOUNT_COST] = cost->known ? cost->micros : 0;
    return took;
}

/* --- Wall time -------------------------------------------------------------------------------- */

struct err turns__write_waited(struct tx *tx, int64_t run, int64_t waited_ms) {
    const struct arg args[] = {arg_int(run), arg_int(waited_ms)};
    return tx_exec(tx, "UPDATE turns SET waited_ms = $2 WHERE run = $1", args, COUNT_OF(args),
                   NULL /* one row, always */);
}

struct err turns__wait(struct tx *tx, const struct turn *turn, enum turn_wait wait) {
    enum run_state before = wait == TURN_WAIT_BEGINS ? RUN_RUNNING : RUN_WAITING;
    struct run_time time;
    struct err err = runs__time(tx, &turn->run, before, &time);
    int64_t mark_ms = wait == TURN_WAIT_BEGINS ? tx_steady_ms(tx) : 0;
    return err_failed(err) ? err : turns__write_waited(tx, turn->run.id, time.waited_ms - mark_ms);
}
