/* store_metrics.h: what the store says of itself, for /metrics and /readyz.
 *
 * Threads    the loop.
 */
#ifndef DROVER_MAIN_REPORT_STORE_METRICS_H
#define DROVER_MAIN_REPORT_STORE_METRICS_H

#include "base/text.h"
#include "engine/token/token.h"
#include "store/store.h"

void store_metrics(struct store *store, const struct token_table *tokens, struct text *text);
/* Fields of a JSON object, each after a comma. */
void store_status(const struct store *store, struct text *text);

#endif
