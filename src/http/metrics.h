/* metrics.h: figures in the text format of Prometheus (version 0.0.4).
 *
 * Promise    each name is written once, after its HELP and TYPE. Names begin with `drover_` and
 *            end with their unit; those of counters end with `_total`, and all others are gauges.
 * Threads    any; pure.
 */
#ifndef DROVER_HTTP_METRICS_H
#define DROVER_HTTP_METRICS_H

#include "base/base.h"
#include "base/text.h"

struct metric {
    const char *name; /* Without `drover_`. One that ends with `_total` is a counter. */
    const char *help; /* One sentence without backslashes. */
    uint64_t value;
};
void metrics_add(struct text *text, const struct metric *metrics, size_t count);

#endif
