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
        {"deliveries_total", "Notices that their receivers took.", stats.delivered},
        {"deliveries_failed_total", "Tries that failed.", stats.failed},
        {"deliveries_gone_total", "Notices whose receivers are no more.", stats.gone},
        {"deliveries_late_total", "Outcomes that came too late.", stats.late},
        {"deliveries_in_flight", "Notices on their way.", stats.in_flight},
        {"inbox_receivers", "Receivers that are owed something.", stats.receivers},
        {"inbox_pending", "Notices that are not delivered yet.", stats.pending},
        {"inbox_stalled", "Notices that failed so often that they are tried hourly.",
         stats.stalled},
        {"inbox_oldest_seconds", "Age of the oldest of them.",
         seconds_since(world, stats.oldest_ms)},
    };
    metrics_add(text, metrics, COUNT_OF(metrics));
}
