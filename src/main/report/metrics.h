/* metrics.h: the figures of the rooms, in the words of /metrics. A function for each of them.
 *
 * Threads    the loop.
 */
#ifndef DROVER_MAIN_REPORT_METRICS_H
#define DROVER_MAIN_REPORT_METRICS_H

#include "base/text.h"
#include "dispatch/base/effects.h"
#include "dispatch/inbox/deliver.h"
#include "dispatch/job/dispatch.h"
#include "dispatch/turn/turns.h"
#include "dispatch/workflow/workflows.h"
#include "engine/token/token.h"
#include "loop/world.h"
#include "model/model.h"
#include "proc/holder.h"
#include "store/store.h"

void metrics_of_store(struct store *store, const struct token_table *tokens, struct text *text);
void metrics_of_runs(const struct run_census *census, const struct world *world, struct text *text);
/* `holders` NULL: there are none any more. */
void metrics_of_jobs(const struct dispatch *dispatch, const struct holders *holders,
                     const struct effects *effects, struct text *text);
void metrics_of_deliveries(const struct deliver *deliver, const struct world *world,
                           struct text *text);
void metrics_of_turns(const struct turns *of_turns, const struct models *of_models,
                      struct text *text);
void metrics_of_workflows(const struct workflows *of_workflows, struct text *text);
void metrics_of_hosts(const struct dispatch *dispatch, struct text *text);

#endif
