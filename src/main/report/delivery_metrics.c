/* delivery_metrics.c: what is owed, as figures. */
#include "main/report/delivery_metrics.h"

#include "http/metrics.h"

static uint64_t seconds_since(const struct world *world, int64_t from_ms) {
    int64_t age_ms = world_wall_ms(world) - from_ms;
    return from_ms == 0 || age_ms < 0 ? 0 : (uint64_t)age_ms / 1000;
}

void delivery_metrics(const struct deliver *deliver, const struct world *world, struct text *text) {
    struct deliver_stats stats;
    deliver_get_stats(deliver, &stats);
    const struct metric metrics[] = {
        {"deliveries_total", METRIC_COUNTER, "Notices that their receivers took.", stats.delivered},
        {"deliveries_failed_total", METRIC_COUNTER, "Tries that failed.", stats.failed},
        {"deliveries_gone_total", METRIC_COUNTER, "Notices whose receivers are no more.",
         stats.gone},
        {"deliveries_late_total", METRIC_COUNTER, "Outcomes that came too late.", stats.late},
        {"deliveries_in_flight", METRIC_GAUGE, "Notices on their way.", stats.in_flight},
        {"inbox_receivers", METRIC_GAUGE, "Receivers that are owed something.", stats.receivers},
        {"inbox_pending", METRIC_GAUGE, "Notices that are not delivered yet.", stats.pending},
        {"inbox_stalled", METRIC_GAUGE, "Notices that failed so often that they are tried hourly.",
         stats.stalled},
        {"inbox_oldest_seconds", METRIC_GAUGE, "Age of the oldest of them.",
         seconds_since(world, stats.oldest_ms)},
    };
    metrics_add(text, metrics, COUNT_OF(metrics));
}
