/* amounts.h: the five things that a budget counts. Pure.
 *
 * Promise    none is ever negative or above AMOUNT_MAX: sums stop there instead of running over.
 * Threads    any.
 */
#ifndef DROVER_RULES_BUDGET_AMOUNTS_H
#define DROVER_RULES_BUDGET_AMOUNTS_H

#include "base/base.h"

/* Name in the database and the API; title for people. */
#define AMOUNTS(X)                                                                                 \
    X(OUTPUT_TOKENS, "output_tokens", "output tokens") /* Written by models. */                    \
    X(TOKENS, "tokens", "tokens")                      /* Read and written by models. */           \
    X(COST, "cost_micros", "cost")                     /* Micro-dollars. */                        \
    X(AGENTS, "agents", "agents")                      /* Agents and turns that were started. */   \
    X(WALL, "wall_ms", "wall time")                    /* Time of attempts, each by itself. */

enum amount {
#define X(amount, name, title) AMOUNT_##amount,
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
const char *amount_title(enum amount amount);
/* The amount of that name; AMOUNT_COUNT: there is none. */
enum amount amount_find(const char *name);

/* An amount with its unit, for people: "1h 30m", "$2.5000", "200000". */
struct amount_shown {
    char text[40];
};
struct amount_shown amount_show(enum amount amount, int64_t value);
struct amounts amounts_none(void);      /* All 0. */
struct amounts amounts_unlimited(void); /* All AMOUNT_MAX. */
bool amounts_any(const struct amounts *amounts);
void amounts_add(struct amounts *sum, const struct amounts *more);
void amounts_subtract(struct amounts *sum, const struct amounts *less); /* Not below 0. */

#endif
