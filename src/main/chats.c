/* chats.c: opened in one order, closed in the other. */
#include "main/chats.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "dispatch/titles.h"
#include "dispatch/turns.h"
#include "http/metrics.h"

struct chats {
    struct chats_options options;
    struct turns *turns; /* Owned, as the next one. */
    struct titles *titles;
    void (*stopped)(void *ctx);
    void *ctx;
};

static void turn_failed(void *ctx, const char *what, struct bytes run, struct err err) {
    const struct chats *chats = ctx;
    log_event(chats->options.serve->log, LOG_WARN, what,
              LOG_FIELDS(log_bytes("run", run), log_err(err)));
}

/* --- Opening ---------------------------------------------------------------------------------- */

static void turns_begin(struct chats *chats) {
    const struct serve_options *serve = chats->options.serve;
    const char *home = getenv("HOME");
    const struct turns_options with = {.loop = chats->options.loop,
                                       .store = chats->options.store,
                                       .models = connections_models(chats->options.connections),
                                       .connections = chats->options.connections,
                                       .client = chats->options.client,
                                       .allow = chats->options.allow,
                                       .data_dir = chats->options.data_dir,
                                       .home = home == NULL || home[0] != '/' ? "" : home,
                                       .toolbox = chats->options.toolbox,
                                       .spool = chats->options.spool,
                                       .sandbox = chats->options.sandbox,
                                       .jobs_max = serve->jobs_max,
                                       .host = chats->options.host,
                                       .hold = serve->hold ? RUN_HELD : RUN_FREE,
                                       .ctx = chats,
                                       .failed = turn_failed};
    chats->turns = turns_open(&with);
}

static void titles_begin(struct chats *chats) {
    const struct chats_options *options = &chats->options;
    const struct titles_options with = {.loop = options->loop,
                                        .store = options->store,
                                        .models = connections_models(options->connections),
                                        .host = options->host,
                                        .hold = options->serve->hold ? RUN_HELD : RUN_FREE,
                                        .ctx = chats,
                                        .failed = turn_failed};
    chats->titles = titles_open(&with);
}

struct chats *chats_open(const struct chats_options *options) {
    struct chats *chats = mem_new(sizeof *chats);
    chats->options = *options;
    turns_begin(chats);
    titles_begin(chats);
    return chats;
}

/* --- Life ------------------------------------------------------------------------------------- */

void chats_hold(struct chats *chats) {
    turns_hold(chats->turns);
    titles_hold(chats->titles);
}

void chats_release(struct chats *chats) {
    turns_release(chats->turns);
    titles_release(chats->titles);
}

static void turns_stopped(void *ctx) {
    struct chats *chats = ctx;
    chats->stopped(chats->ctx);
}

void chats_stop(struct chats *chats, void (*stopped)(void *ctx), void *ctx) {
    chats->stopped = stopped;
    chats->ctx = ctx;
    titles_stop(chats->titles);
    turns_stop(chats->turns, turns_stopped, chats);
}

void chats_close(struct chats *chats) {
    if (chats == NULL) {
        return;
    }
    titles_close(chats->titles);
    turns_close(chats->turns);
    mem_free(chats);
}

/* --- Asked from above ------------------------------------------------------------------------- */

void chats_run_note(struct chats *chats, struct bytes note) {
    turns_run_note(chats->turns, note);
    titles_run_note(chats->titles, note);
}

void chats_metrics(struct chats *chats, struct text *text) {
    struct turns_stats turns;
    struct deltas_stats deltas;
    struct models_stats models;
    turns_get_stats(chats->turns, &turns);
    turns_get_deltas(chats->turns, &deltas);
    models_get_stats(connections_models(chats->options.connections), &models);
    const struct metric metrics[] = {
        {"turns_begun_total", METRIC_COUNTER, "Turns taken up, those of a daemon before too.",
         turns.begun},
        {"turns_finished_total", METRIC_COUNTER, "Ends of turns that were stored.", turns.finished},
        {"turns_late_total", METRIC_COUNTER, "Steps of turns that came too late.", turns.late},
        {"turns_store_retries_total", METRIC_COUNTER, "Steps that the store had to be asked again.",
         turns.store_retries},
        {"turns_live", METRIC_GAUGE, "Turns in the hands of this daemon.", turns.live},
        {"tool_calls_total", METRIC_COUNTER, "Calls of tools begun.", turns.tools},
        {"model_calls_total", METRIC_COUNTER, "Calls of models asked for.", models.asked},
        {"model_calls_failed_total", METRIC_COUNTER, "Calls of models that failed for good.",
         models.failed},
        {"model_tries_total", METRIC_COUNTER, "Tries of them after the first.", models.retried},
        {"model_calls_running", METRIC_GAUGE, "Calls of models on their way.", models.running},
        {"model_calls_waiting", METRIC_GAUGE, "Calls of models that wait for a place.",
         models.waiting},
        {"deltas_pieces_total", METRIC_COUNTER, "Pieces of text that models sent.", deltas.pieces},
        {"deltas_commits_total", METRIC_COUNTER, "Commits that stored them.", deltas.commits},
    };
    metrics_add(text, metrics, COUNT_OF(metrics));
}
