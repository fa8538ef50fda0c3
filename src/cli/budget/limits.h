/* limits.h: limits of a budget as people write them, made the JSON that the daemon reads.
 *
 *   wall=90m   agents=5   tokens=200000   output-tokens=50000   cost=2.50   wall=none
 *
 * Promise    a time has a unit (none: seconds), cost is in dollars with at most six places.
 * Threads    any; pure.
 * Failure    ERR_USAGE, and `why` says what was wrong; begun text may stay in the builder.
 */
#ifndef DROVER_CLI_BUDGET_LIMITS_H
#define DROVER_CLI_BUDGET_LIMITS_H

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"
#include "cli/base/args.h"
#include "rules/budget/amounts.h"

/* Adds "wall_ms":5400000, with a comma before it unless it is the first of an object or of the
 * text. `name` is wall, agents, tokens, output-tokens or cost. */
MUST_CHECK struct err budget_limit_add(struct text *json, struct bytes name, struct bytes value,
                                       struct why *why);
/* The same from one word: "wall=90m". */
MUST_CHECK struct err budget_words_add(struct text *json, const char *word, struct why *why);
/* The whole object of the values of --budget; nothing is added where none was given. */
MUST_CHECK struct err budget_flag_add(struct text *json, const struct args *args, struct why *why);
/* The same from several with commas between: "cost=2.50,agents=5". */
MUST_CHECK struct err budget_words_list(struct text *json, const char *list, struct why *why);

/* A cost that is known in part: "$2.5000", "$2.5000+?", "unknown". `unknown` is the number of calls
 * of unknown cost; where all known ones cost nothing, the sum is unknown, and never 0. */
struct amount_shown budget_show_cost(int64_t known_micros, int64_t unknown);

#endif
