/* amounts.h: the five things that a budget counts. Pure.
 *
 * Promise    none is ever negative or above AMOUNT_MAX: sums stop there instead of running over.
 * Threads    any.
 */
#ifndef DROVER_RULES_BUDGET_AMOUNTS_H
#define DROVER_RULES_BUDGET_AMOUNTS_H

#include "base/base.h"

/* Name in the database, the API and the docs. */
#define AMOUNTS(X)                                                                                 \
    X(OUTPUT_TOKENS, "output_tokens") /* What models wrote. */                                     \
    X(TOKENS, "tokens")               /* What they read and wrote. */                              \
    X(COST, "cost_micros")            /* Micro-dollars. */                                         \
    X(AGENTS, "agents")               /* Agents and turns that were begun. */                      \
    X(WALL, "wall_ms")                /* Time that attempts took, each by itself. */

enum amount {
#define X(amount, name) AMOUNT_##amount,
    AMOUNTS(X)
#undef X
        AMOUNT_COUNT
};

/* What every JSON client can count to; as a limit: none. */
#define AMOUNT_MAX (INT64_C(1) << 53)

struct amounts {
    int64_t of[AMOUNT_COUNT];
    int64_t cost_unknown; /* Number of calls of unknown cost, where these were spent. */
};

const char *amount_name(enum amount amount);
struct amounts amounts_none(void);      /* All 0. */
struct amounts amounts_unlimited(void); /* All AMOUNT_MAX. */
bool amounts_any(const struct amounts *amounts);
void amounts_add(struct amounts *sum, const struct amounts *more);
void amounts_subtract(struct amounts *sum, const struct amounts *less); /* Not below 0. */

#endif
