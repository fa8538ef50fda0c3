/* price.h: what is known of models without asking: window, longest answer, abilities, prices.
 *
 * A small table is built in. A file may add to it and overrule it (docs/models.md):
 *
 *   {"models": {"openai/gpt-…": {"window": 128000, "max_output": 16384, "vision": true,
 *     "tools": true, "input": 2500000, "cache_read": 1250000, "cache_write": 2500000,
 *     "output": 10000000, "search": 10000000}}}
 *
 * Prices are micro-dollars for a million tokens, and for a thousand searches of the provider. A key
 * is "provider/model", "model" (whoever provides it), or either with a '*' at its end; the longest
 * key that fits wins, the file first.
 *
 * Promise    a model that no row fits has no facts and no price: its cost is unknown, never zero.
 * Ownership  the caller owns the table. Threads: any; a table does not change.
 */
#ifndef DROVER_MODEL_PRICE_H
#define DROVER_MODEL_PRICE_H

#include "base/base.h"
#include "base/err.h"
#include "rules/trace/usage.h"

enum model_ability { ABILITY_UNKNOWN, ABILITY_NO, ABILITY_YES };

struct model_facts {
    int64_t window, output_max; /* Tokens; 0: unknown. */
    enum model_ability vision, tools;
    struct usage_price price; /* PRICE_UNKNOWN in each place that nobody filled. */
};

enum { PRICE_FILE_MAX = 1 << 20, PRICE_ROWS_MAX = 5000, PRICE_KEY_MAX = 512 };

struct prices;
/* text: of a price file, or empty. */
MUST_CHECK struct err prices_open(struct bytes text, struct prices **ret_prices, struct why *why);
void prices_close(struct prices *prices); /* NULL is allowed. */
struct model_facts prices_find(const struct prices *prices, struct bytes provider,
                               struct bytes model);

#endif
