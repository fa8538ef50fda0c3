/* disk_watch.c: see disk_watch.h.
 *
 *   OFF ──start──> READS ──walked──> WAITS ──a minute, or a refused run──> READS
 *                    └──────────stop──────────┴──> STOPPED
 */
#include "main/report/disk_watch.h"

#include "cli/base/quantity.h"
#include "http/metrics.h"
#include "journal/journal.h"

enum { WAIT_MS = 60 * 1000, SHARE = 100, EVENT_SIZE = 256, NS_PER_MS = 1000 * 1000 };

static void watch_read(struct disk_watch *watch);

/* --- The event -------------------------------------------------------------------------------- */

static void event_write(const struct disk_watch *watch, enum disk_level level, struct text *text) {
    const bool known = watch->usage.total > 0;
    text_addf(text, "{\"level\":\"%s\"", disk_level_names[level]);
    text_add_member_int_or_null(text, "bytes", watch->usage.total, known);
    text_add_member_int_or_null(text, "limit", watch->limit, watch->limit > 0);
    text_add_member_int_or_null(text, "free_bytes", watch->usage.free_bytes, known);
    text_add_char(text, '}');
}

static struct err event_tx(struct tx *tx, void *ctx) {
    const struct disk_watch *watch = ctx;
    AUTO(text_done) struct text data = text_up_to(EVENT_SIZE);
    struct appended appended;
    event_write(watch, watch->sent, &data);
    const struct append append = {.owner = BYTES("local"),
                                  .stream = BYTES("system"),
                                  .type = BYTES("data_directory_filling"),
                                  .data = text_bytes(&data)};
    return text_failed(&data) ? text_error(&data, "disk: event")
                              : tx_append(tx, &append, &appended);
}

static void event_done(struct err err, void *ctx) {
    struct disk_watch *watch = ctx;
    watch->sending = false;
    if (err_failed(err)) {
        log_event(watch->log, LOG_WARN, "the event about the data directory could not be stored",
                  LOG_FIELDS(log_err(err)));
    }
}

/* --- Levels ----------------------------------------------------------------------------------- */

static void level_log(const struct disk_watch *watch, enum log_level level, const char *what) {
    log_event(watch->log, level, what,
              LOG_FIELDS(log_text("level", disk_level_names[watch->level]),
                         log_int("bytes", watch->usage.total), log_int("limit", watch->limit),
                         log_int("free_bytes", watch->usage.free_bytes)));
}

static void level_set(struct disk_watch *watch, enum disk_level level) {
    const enum disk_level before = watch->level;
    watch->level = level;
    if (level < before) {
        level_log(watch, LOG_INFO, "the data directory has more room again");
    }
    if (level <= before) {
        return;
    }
    level_log(
        watch, level == DISK_FULL ? LOG_ERROR : LOG_WARN,
        level == DISK_FULL
            ? "the data directory has reached its size limit: no new run is taken; 'drover du'"
              " says what it holds and what frees it, --max-bytes raises the limit"
            : "the data directory is filling up: 'drover du' says what it holds and what"
              " frees it");
    if (!watch->sending) { /* Else the level rises at the next walk that finds it higher. */
        watch->sending = true;
        watch->sent = level;
        store_write(watch->store, event_tx, event_done, watch);
    }
}

/* --- The walk --------------------------------------------------------------------------------- */

static void walk_run(struct loop_work *work) {
    struct disk_watch *watch = CONTAINER_OF(work, struct disk_watch, work);
    watch->err = disk_usage_read(watch->data, NULL /* no folders */, &watch->read);
}

static void walk_due(struct timer *timer) {
    watch_read(CONTAINER_OF(timer, struct disk_watch, timer));
}

static void walk_done(struct loop_work *work) {
    struct disk_watch *watch = CONTAINER_OF(work, struct disk_watch, work);
    const uint64_t now_ns = world_mono_ns(loop_world(watch->loop));
    if (watch->state == DISK_WATCH_STOPPED) {
        return;
    }
    if (log_change_take(&watch->failures, watch->err, now_ns)) {
        log_event(watch->log, LOG_WARN, "the size of the data directory could not be measured",
                  LOG_FIELDS(log_err(watch->err)));
    }
    if (!err_failed(watch->err)) {
        watch->usage = watch->read;
        level_set(watch, disk_level(&watch->usage, watch->limit));
    }
    const uint64_t took_ms = (now_ns - watch->begun_ns) / NS_PER_MS;
    watch->state = DISK_WATCH_WAITS;
    timer_start(watch->loop, &watch->timer, took_ms * SHARE > WAIT_MS ? took_ms * SHARE : WAIT_MS,
                walk_due);
}

static void watch_read(struct disk_watch *watch) {
    watch->state = DISK_WATCH_READS;
    watch->begun_ns = world_mono_ns(loop_world(watch->loop));
    watch->work = (struct loop_work){.run = walk_run, .done = walk_done};
    loop_work(watch->loop, &watch->work);
}

void disk_watch_start(struct disk_watch *watch, const struct disk_watch *with) {
    *watch = *with;
    watch_read(watch);
}

void disk_watch_stop(struct disk_watch *watch) {
    if (watch->state == DISK_WATCH_WAITS) {
        timer_stop(watch->loop, &watch->timer);
    }
    watch->state = DISK_WATCH_STOPPED;
}

/* --- Asked ------------------------------------------------------------------------------------ */

struct err disk_watch_room(struct disk_watch *watch, struct why *why) {
    if (watch->level < DISK_FULL) {
        return ERR_OK;
    }
    if (watch->state == DISK_WATCH_WAITS) {
        timer_stop(watch->loop, &watch->timer);
        watch_read(watch);
    }
    return err_why(
        why, ERR_DATA_FULL,
        "the data directory holds %s, its limit is %s (--max-bytes): no new run is taken,"
        " running ones go on; 'drover du' says what can be freed",
        quantity_about(watch->usage.total).text, quantity_about(watch->limit).text);
}

void disk_watch_write(const struct disk_watch *watch, struct text *text) {
    text_add_str(text, "\"disk\":");
    event_write(watch, watch->level, text);
}

void disk_watch_metrics(const struct disk_watch *watch, struct text *text) {
    const struct metric metrics[] = {
        {"data_bytes", "What the data directory takes on the disk.", (uint64_t)watch->usage.total},
        {"data_limit_bytes", "What it may take at most; 0: not limited.", (uint64_t)watch->limit},
        {"data_disk_free_bytes", "Free space of its file system.",
         (uint64_t)watch->usage.free_bytes},
    };
    metrics_add(text, metrics, COUNT_OF(metrics));
}
