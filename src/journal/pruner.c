/* pruner.c: the rounds of the pruner.
 *
 *            timer                  page of streams
 *   ASLEEP ─────────> FINDING ─────────────────────────> CUTTING ──┐ more to cut in this stream,
 *     ^                 │  ^                                │  ^   │ or another one on the page
 *     │  no stream left │  └── page done, ask for the next ─┘  └───┘
 *     └─────────────────┘      any error: ASLEEP
 */
#include "journal/pruner.h"

#include "base/memory.h"
#include "journal/journal.h"

enum { PAGE_STREAMS = 64, EVERY_MS = 30 * 1000 };

enum pruner_state { ASLEEP, FINDING, CUTTING };

struct pruner {
    struct pruner_options options;
    struct timer timer;
    enum pruner_state state;
    bool stopped;
    /* What the store functions read and write; the loop's while ASLEEP and between calls. */
    int64_t after; /* The last stream looked at in this round. */
    int64_t streams[PAGE_STREAMS];
    size_t count, at;
    bool more;
    uint64_t cuts;
};

/* Streams with a retention are rare among all, so they have an index of their own (its condition
 * stands here word for word, or SQLite would not use it). Only what has something to cut is named:
 * a write that changes nothing would still be a commit. */
static struct err find_tx(struct tx *tx, void *ctx) {
    static const char sql[] =
        "SELECT id FROM streams "
        "WHERE (keep_events IS NOT NULL OR keep_ms IS NOT NULL) AND id > $1 "
        "AND floor < COALESCE(hold_after, head) AND (head - floor > keep_events OR $2 - keep_ms > "
        "(SELECT at_ms FROM events WHERE stream = streams.id AND seq = streams.floor + 1)) "
        "ORDER BY id LIMIT $3";
    struct pruner *pruner = ctx;
    pruner->count = 0;
    AUTO(rows_release)
    struct rows *rows = tx_rows(
        tx, sql, ARGS(arg_int(pruner->after), arg_int(tx_now_ms(tx)), arg_int(PAGE_STREAMS)));
    while (pruner->count < PAGE_STREAMS && rows_step(rows)) {
        pruner->streams[pruner->count++] = rows_int(rows, 0);
    }
    return tx_error(tx);
}

static struct err cut_tx(struct tx *tx, void *ctx) {
    struct pruner *pruner = ctx;
    return tx_prune_kept(tx, pruner->streams[pruner->at], &pruner->more);
}

static void round_begin(struct timer *timer);

static void pruner_sleep(struct pruner *pruner) {
    pruner->state = ASLEEP;
    timer_start(pruner->options.loop, &pruner->timer, pruner->options.every_ms, round_begin);
    if (pruner->options.rounded != NULL) {
        pruner->options.rounded(pruner->options.ctx, pruner->cuts);
    }
}

static void pruner_done(struct err result, void *ctx) {
    struct pruner *pruner = ctx;
    if (pruner->stopped) {
        mem_free(pruner); /* The store gave back the last thing that it held of it. */
        return;
    }
    if (err_failed(result)) {
        if (pruner->options.failed != NULL) {
            pruner->options.failed(pruner->options.ctx, result);
        }
        pruner_sleep(pruner);
        return;
    }
    if (pruner->state == FINDING) {
        if (pruner->count == 0) {
            pruner_sleep(pruner);
            return;
        }
        pruner->after = pruner->streams[pruner->count - 1];
        pruner->at = 0;
        pruner->state = CUTTING;
    } else {
        pruner->cuts++;
        pruner->at += !pruner->more;
    }
    if (pruner->at < pruner->count) {
        store_write(pruner->options.store, cut_tx, pruner_done, pruner);
    } else {
        pruner->state = FINDING;
        store_read(pruner->options.store, find_tx, pruner_done, pruner);
    }
}

static void round_begin(struct timer *timer) {
    struct pruner *pruner = CONTAINER_OF(timer, struct pruner, timer);
    pruner->after = 0;
    pruner->cuts = 0;
    pruner->state = FINDING;
    store_read(pruner->options.store, find_tx, pruner_done, pruner);
}

struct pruner *pruner_start(const struct pruner_options *options) {
    struct pruner *pruner = mem_new(sizeof *pruner);
    pruner->options = *options;
    if (pruner->options.every_ms == 0) {
        pruner->options.every_ms = EVERY_MS;
    }
    timer_start(options->loop, &pruner->timer, pruner->options.every_ms, round_begin);
    return pruner;
}

void pruner_stop(struct pruner *pruner) {
    if (pruner == NULL) {
        return;
    }
    assert(!pruner->stopped);
    timer_stop(pruner->options.loop, &pruner->timer);
    pruner->stopped = true;
    if (pruner->state == ASLEEP) {
        mem_free(pruner);
    }
}
