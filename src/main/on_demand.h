/* on_demand.h: the life of a daemon that a command started in the background.
 *
 *   begun ──(no client and work for idle_exit_ms)──> asking the store ──> `idle` is called
 *     ^                                                   │ a run or a notice is unsettled,
 *     └───────────────────────────────────────────────────┘ or a client came meanwhile
 *
 * Promise    `idle` is called once, and only where the database has no run that has not ended and
 *            no notice that is not settled. A client that connects at that very moment finds its
 *            connection closed without an answer, and starts another daemon (cli/base/client.c).
 *            The file AUTOSTART_MARK in the data directory exists from the start on: it tells
 *            clients that they may start a daemon again. An idle end and a crash leave it there.
 *            DIR/log is rotated when it is larger than LOG_SIZE_MAX; one older file is kept.
 * Ownership  embedded, zeroed; the options are borrowed until on_demand_stop.
 * Threads    that of the loop.
 */
#ifndef DROVER_MAIN_ON_DEMAND_H
#define DROVER_MAIN_ON_DEMAND_H

#include "base/base.h"
#include "base/log.h"
#include "cli/system/serve_options.h"
#include "http/server.h"
#include "loop/loop.h"
#include "store/store.h"

struct on_demand_options {
    const struct serve_options *serve;
    struct loop *loop;
    struct store *store;
    struct http_server *http;
    void (*idle)(void *ctx);
    void *ctx;
};

struct on_demand {
    struct on_demand_options options;
    struct timer timer;
    uint64_t busy_ns; /* When somebody, or some work, was here last. */
    uint64_t
        asked_ns; /* busy_ns when the store was asked: work since then shows in a difference. */
    uint64_t accepted; /* Number of connections at the last look. */
    int64_t unsettled; /* Answer of the store. */
};

/* A daemon that no command started removes the mark of one before, and has no further life here. */
void on_demand_start(struct on_demand *on_demand, const struct on_demand_options *options);
void on_demand_stop(struct on_demand *on_demand); /* Never started is allowed. */
/* A run, or a notice, has changed. */
void on_demand_worked(struct on_demand *on_demand);
/* For a daemon that was asked to end: clients that are there must not start it again. */
void on_demand_forget(const struct serve_options *serve);

#endif
