/* store_metrics.c: a table of figures. */
#include "main/report/store_metrics.h"

#include "http/metrics.h"

void store_metrics(struct store *store, const struct token_table *tokens, struct text *text) {
    struct store_stats stats;
    store_get_stats(store, &stats);
    const struct metric metrics[] = {
        {"store_groups_total", "Groups of writes, each one durable commit.", stats.groups},
        {"store_functions_total", "Writes that were run, reruns included.", stats.functions},
        {"store_reruns_total", "Writes that were run again, each alone.", stats.reruns},
        {"store_errors_total", "Writes that failed or were refused by their rules.", stats.errors},
        {"store_reads_total", "Reads that were run.", stats.reads},
        {"store_queue_depth", "Reads and writes that are not answered yet.", stats.queued},
        {"store_checkpoints_total", "Times the write-ahead log was copied into the database.",
         stats.checkpoints},
        {"store_wal_bytes", "Length of the write-ahead log; 0 with PostgreSQL.", stats.log_bytes},
        {"store_damaged_pages", "Damaged pages of the database that were read.",
         store_damaged(store)},
        {"store_missing_commits",
         "About how many acknowledged commits a start found missing, until a release.",
         (uint64_t)store_missing(store)},
        {"store_mark_errors_total",
         "Times the mark of the last commit (drover.mark) could not be written.",
         store_mark_errors(store)},
        {"tokens", "Live tokens.", token_table_count(tokens)},
    };
    metrics_add(text, metrics, COUNT_OF(metrics));
}

void store_status(const struct store *store, struct text *text) {
    text_addf(text, ",\"damaged\":%u,\"missing\":%lld,\"missing_at_ms\":%lld,\"mark_errors\":%llu",
              (unsigned)store_damaged(store), (long long)store_missing(store),
              (long long)store_missing_at_ms(store), (unsigned long long)store_mark_errors(store));
}
