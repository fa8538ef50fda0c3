/* delivery_metrics.h: the figures of deliveries, in the words of /metrics.
 *
 * Threads    the loop.
 */
#ifndef DROVER_MAIN_REPORT_DELIVERY_METRICS_H
#define DROVER_MAIN_REPORT_DELIVERY_METRICS_H

#include "base/text.h"
#include "dispatch/inbox/deliver.h"
#include "loop/world.h"

void delivery_metrics(const struct deliver *deliver, const struct world *world, struct text *text);

#endif
