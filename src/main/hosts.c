/* hosts.c: see the header. */
#include "main/hosts.h"

#include "http/metrics.h"

void hosts_metrics(const struct dispatch *dispatch, struct text *text) {
    struct dispatch_stats stats;
    dispatch_get_stats(dispatch, &stats);
    const struct metric metrics[] = {
        {"host_reports_total", METRIC_COUNTER,
         "Ends of commands that other hosts reported, and that were stored.", stats.reports},
        {"host_reports_late_total", METRIC_COUNTER,
         "Reported ends that came too late and changed nothing.", stats.reports_late},
    };
    metrics_add(text, metrics, COUNT_OF(metrics));
}
