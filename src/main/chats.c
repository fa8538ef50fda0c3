/* chats.c: opened in one order, closed in the other. */
#include "main/chats.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "dispatch/session/titles.h"
#include "dispatch/turn/turns.h"
#include "dispatch/workflow/flows.h"
#include "http/metrics.h"
#include "main/herds.h"

struct chats {
    struct chats_options options;
    struct turns *turns; /* Owned, as the next one. */
    struct titles *titles;
    struct herds *herds;
    unsigned stopping; /* Parts that have not stopped yet. */
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
                                       .effects = chats->options.effects,
                                       .shortage = chats->options.shortage,
                                       .models = connections_models(chats->options.connections),
                                       .connections = chats->options.connections,
                                       .workflow_tool = &workflow_tool,
                                       .flows = herds_flows(chats->herds),
                                       .client = chats->options.client,
                                       .allow = chats->options.allow,
                                       .data_dir = chats->options.data_dir,
                                       .home = home == NULL || home[0] != '/' ? "" : home,
                                       .toolbox = chats->options.toolbox,
                                       .spool = chats->options.spool,
                                       .sandbox = chats->options.sandbox,
                                       .bounds = chats->options.bounds,
                                       .hold = serve->hold ? RUN_HELD : RUN_FREE,
                                       .ctx = chats,
                                       .failed = turn_failed};
    chats->turns = turns_open(&with);
    flows_listen(herds_flows(chats->herds), chats->turns);
}

static void titles_begin(struct chats *chats) {
    const struct chats_options *options = &chats->options;
    const struct titles_options with = {.loop = options->loop,
                                        .store = options->store,
                                        .models = connections_models(options->connections),
                                        .bounds = options->bounds,
                                        .hold = options->serve->hold ? RUN_HELD : RUN_FREE,
                                        .ctx = chats,
                                        .failed = turn_failed};
    chats->titles = titles_open(&with);
}

struct err chats_open(const struct chats_options *options, struct chats **ret_chats) {
    struct chats *chats = mem_new(sizeof *chats);
    chats->options = *options;
    const struct herds_options of_herds = {.serve = options->serve,
                                           .loop = options->loop,
                                           .store = options->store,
                                           .effects = options->effects,
                                           .shortage = options->shortage,
                                           .connections = options->connections,
                                           .data_dir = options->data_dir,
                                           .spool = options->spool,
                                           .sandbox = options->sandbox,
                                           .bounds = options->bounds};
    struct err err = herds_open(&of_herds, &chats->herds);
    if (err_failed(err)) {
        mem_free(chats);
        return err;
    }
    turns_begin(chats);
    titles_begin(chats);
    *ret_chats = chats;
    return ERR_OK;
}

/* --- Life ------------------------------------------------------------------------------------- */

void chats_hold(struct chats *chats) {
    turns_hold(chats->turns);
    titles_hold(chats->titles);
    herds_hold(chats->herds);
}

void chats_release(struct chats *chats) {
    turns_release(chats->turns);
    titles_release(chats->titles);
    herds_release(chats->herds);
}

static void part_stopped(void *ctx) {
    struct chats *chats = ctx;
    chats->stopping--;
    if (chats->stopping == 0) {
        chats->stopped(chats->ctx);
    }
}

static bool is_at_work(const struct chats *chats) {
    struct turns_stats turns;
    struct models_stats models; /* Turns, titles and agents ask them. */
    turns_get_stats(chats->turns, &turns);
    models_get_stats(connections_models(chats->options.connections), &models);
    return turns.live > 0 || models.running > 0 || models.waiting > 0;
}

static struct err note_stop_tx(struct tx *tx, void *ctx) {
    (void)ctx;
    return tx_run_note_stop(tx);
}

static void stop_noted(struct err err, void *ctx) {
    (void)err; /* Without the mark the next daemon counts an end: that is no harm. */
    (void)ctx;
}

/* A daemon that leaves nothing under way stops without a write, which could fail. */
static void note_stop(struct chats *chats) {
    if (is_at_work(chats)) {
        store_write(chats->options.store, note_stop_tx, stop_noted, NULL);
    }
}

void chats_stop(struct chats *chats, void (*stopped)(void *ctx), void *ctx) {
    chats->stopped = stopped;
    chats->ctx = ctx;
    chats->stopping = 2;
    note_stop(chats);
    titles_stop(chats->titles);
    turns_stop(chats->turns, part_stopped, chats);
    herds_stop(chats->herds, part_stopped, chats);
}

void chats_close(struct chats *chats) {
    if (chats == NULL) {
        return;
    }
    herds_close(chats->herds);
    titles_close(chats->titles);
    turns_close(chats->turns);
    mem_free(chats);
}

/* --- Asked from above ------------------------------------------------------------------------- */

struct flows *chats_flows(const struct chats *chats) {
    return herds_flows(chats->herds);
}

void chats_run_note(struct chats *chats, struct bytes note) {
    turns_run_note(chats->turns, note);
    titles_run_note(chats->titles, note);
    herds_run_note(chats->herds, note);
}

void chats_metrics(struct chats *chats, struct text *text) {
    struct turns_stats turns;
    struct deltas_stats deltas;
    struct models_stats models;
    turns_get_stats(chats->turns, &turns);
    turns_get_deltas(chats->turns, &deltas);
    models_get_stats(connections_models(chats->options.connections), &models);
    const struct metric metrics[] = {
        {"turns_begun_total", "Turns taken up, those of a daemon before too.", turns.begun},
        {"turns_finished_total", "Ends of turns that were stored.", turns.finished},
        {"turns_late_total", "Steps of turns that came too late.", turns.late},
        {"turns_store_retries_total", "Steps that the store had to be asked again.",
         turns.store_retries},
        {"turns_live", "Turns in the hands of this daemon.", turns.live},
        {"tool_calls_total", "Calls of tools begun.", turns.tools},
        {"model_calls_total", "Calls of models asked for.", models.asked},
        {"model_calls_failed_total", "Calls of models that failed for good.", models.failed},
        {"model_tries_total", "Tries of them after the first.", models.retried},
        {"model_calls_running", "Calls of models on their way.", models.running},
        {"model_calls_waiting", "Calls of models that wait for a place.", models.waiting},
        {"deltas_pieces_total", "Pieces of text that models sent.", deltas.pieces},
        {"deltas_commits_total", "Store functions that stored them.", deltas.commits},
    };
    metrics_add(text, metrics, COUNT_OF(metrics));
    herds_metrics(chats->herds, text);
}
