/* agent_budget.c: what one agent may spend, where its script says so.
 *
 * Tokens and cost are a budget of the agent's own, below that of its run
 * (engine/workflow/steps.h): calls of its model ask there before they begin. Its time is a
 * deadline like that of every agent, since a turn that holds all of it would leave nothing to its
 * own commands. An agent whose budget is used up is a null, with a cause of its own: what its run
 * may spend is another matter, and throws. */
#include <stdio.h>

#include "dispatch/workflow/flow.h"
#include "engine/budget/budget.h"

static bool read_limits(const json_t *budget, struct amounts *ret_limits) {
    struct budget_limits limits = {.limits = amounts_unlimited()};
    struct why why;
    if (json_is_integer(budget)) {
        limits.limits.of[AMOUNT_OUTPUT_TOKENS] = json_integer_value(budget);
    } else if (budget != NULL && err_failed(budget_limits_read(budget, &limits, &why))) {
        return false;
    }
    *ret_limits = limits.limits;
    return limits.limits.of[AMOUNT_OUTPUT_TOKENS] >= 0;
}

bool call__read_budget(const json_t *message, struct amounts *ret_limits) {
    return read_limits(json_object_get(json_object_get(message, "opts"), "budget"), ret_limits);
}

struct amounts call__own_budget(const struct call *call) {
    struct amounts own = call->limits;
    own.of[AMOUNT_WALL] = AMOUNT_MAX;
    return own;
}

bool call__has_budget(const struct call *call) {
    bool has = false;
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        has = has || (i != AMOUNT_WALL && call->limits.of[i] < AMOUNT_MAX);
    }
    return has;
}

bool call__is_budgeted(const struct call *call) {
    return call->flow->budgeted || call__has_budget(call);
}

/* Nothing may be spent at all: it is not even begun. */
bool call__may_nothing(const struct call *call) {
    bool nothing = false;
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        nothing = nothing || call->limits.of[i] == 0;
    }
    return nothing;
}

/* The stored sum is never below the one that the script was given. */
bool flow__total_is_spent(const struct flow *flow) {
    return flow->total >= 0 && flow->stored >= flow->total;
}

/* agent() throws the same words in the worker, for calls that are made later. This refusal is an
 * outcome with a note like others, so a replay repeats it. */
void call__fail_total(struct call *call) {
    const struct flow *flow = call->flow;
    char words[100];
    (void)snprintf(words, sizeof words, "budget exhausted: %lld of %lld tokens are spent",
                   (long long)flow->stored, (long long)flow->total);
    call->refused = true;
    call__fail(call, CAUSE_TOTAL_SPENT, words);
}

bool call__is_spent(const struct call *call) {
    const struct amounts *limits = &call->limits;
    return call->usage.output >= limits->of[AMOUNT_OUTPUT_TOKENS] ||
           usage_total(&call->usage) >= limits->of[AMOUNT_TOKENS] ||
           (call->cost.known && call->cost.micros >= limits->of[AMOUNT_COST]);
}

struct call__time call__time_of(const struct call *call) {
    int64_t own_ms = call->limits.of[AMOUNT_WALL];
    bool own = own_ms < call->flow->agent_ms;
    return (struct call__time){.ms = own ? own_ms : call->flow->agent_ms,
                               .cause = own ? CAUSE_AGENT_BUDGET : CAUSE_TIMED_OUT};
}
