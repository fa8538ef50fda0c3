/* limits.h: limits of a budget, as they come from outside: {"wall_ms": 60000, "agents": null, …}.
 * Pure.
 */
#ifndef DROVER_RULES_BUDGET_LIMITS_H
#define DROVER_RULES_BUDGET_LIMITS_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "rules/budget/amounts.h"

#define BUDGET_LIMIT_MAX INT64_C(1000000000000000) /* Some thirty thousand years of wall_ms. */

struct budget_limits {
    bool named[AMOUNT_COUNT];
    struct amounts limits; /* AMOUNT_MAX: null, no limit. */
};
/* Unknown names, and values that are neither null nor 0 … BUDGET_LIMIT_MAX, are refused. */
MUST_CHECK struct err budget_limits_read(const json_t *json, struct budget_limits *ret_limits,
                                         struct why *why);

#endif
