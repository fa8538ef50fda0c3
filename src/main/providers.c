/* providers.c: opened in one order, closed in the other. */
#include "main/providers.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "loop/fetch.h"

/* Many connections may each have CONNECTION_CONCURRENT_DEFAULT streams at once; each is a
 * descriptor. Further calls wait. The default of a daemon that was given no number. */
enum { STREAMS_MAX = 1024 };

struct providers {
    struct providers_options options;
    struct fetch *client;            /* Owned. */
    struct models *models;           /* Owned. */
    struct connections *connections; /* Owned. */
    struct providers_api api;
    void (*loaded)(void *ctx, struct err err);
    void *loaded_ctx;
    void (*ended)(void *ctx);
    void *ended_ctx;
};

static const char *from_environment(void *ctx, const char *name) {
    (void)ctx; /* There is one environment. */
    return getenv(name);
}

static void connection_log(const struct providers *providers, const char *what, const char *name,
                           const struct why *why) {
    log_event(providers->options.serve->log, LOG_WARN, what,
              LOG_FIELDS(log_text("provider", name), log_text("detail", why->text)));
}

static void connection_failed(void *ctx, const char *name, const struct why *why) {
    connection_log(ctx, "a connection cannot be used as it was set", name, why);
}

static void connection_warned(void *ctx, const char *name, const struct why *why) {
    connection_log(ctx, "a connection is used with a short key", name, why);
}

static void client_gone(void *ctx) {
    struct providers *providers = ctx;
    providers->client = NULL;
    if (providers->ended != NULL) {
        providers->ended(providers->ended_ctx);
    }
}

static void models_gone(void *ctx) {
    struct providers *providers = ctx;
    providers->models = NULL;
    fetch_close(providers->client, client_gone, providers);
}

/* The loop does not run yet, and nothing was asked of anybody. */
static void abandon(struct providers *providers) {
    struct loop *loop = providers->options.loop;
    if (providers->models != NULL) {
        models_close(providers->models, models_gone, providers);
    } else {
        fetch_close(providers->client, client_gone, providers);
    }
    loop_drain(loop);
    mem_free(providers);
}

struct err providers_open(const struct providers_options *options, struct providers **ret_providers,
                          struct why *why) {
    struct providers *providers = mem_new(sizeof *providers);
    const struct serve_options *serve = options->serve;
    providers->options = *options;
    const struct fetch_options of_client = {
        .loop = options->loop,
        .running_max = serve->model_calls_max != 0 ? serve->model_calls_max : STREAMS_MAX,
        .shortage = options->shortage};
    fetch_open(&of_client, &providers->client);
    const struct models_options of_models = {
        .loop = options->loop,
        .client = providers->client,
        .log = serve->log,
        .script = serve->script,
        .price_file = serve->price_file,
        .limits = {.answer_ms = serve->model_answer_ms, .stall_ms = serve->model_stall_ms}};
    struct err err = models_open(&of_models, &providers->models, why);
    const struct connections_options with = {
        .loop = options->loop,
        .store = options->store,
        .models = providers->models,
        .data_dir = options->data_dir,
        .model = serve->model,
        .from = {.env = from_environment, .local = DISCOVER_LOCAL},
        .ctx = providers,
        .failed = connection_failed,
        .warned = connection_warned};
    if (!err_failed(err)) {
        err = connections_open(&with, &providers->connections, why);
    }
    if (err_failed(err)) {
        abandon(providers);
        return err;
    }
    providers->api = (struct providers_api){
        .loop = options->loop, .store = options->store, .connections = providers->connections};
    *ret_providers = providers;
    return ERR_OK;
}

static void loaded(void *ctx, struct err err) {
    struct providers *providers = ctx;
    struct default_model model;
    connections_default_model(providers->connections, &model);
    if (!err_failed(err) && model.from == MODEL_FROM_NOWHERE) {
        log_event(providers->options.serve->log, LOG_INFO,
                  "no provider of models was found: answers come from a script (docs/models.md)",
                  NULL /* no fields */);
    }
    providers->loaded(providers->loaded_ctx, err);
}

void providers_load(struct providers *providers, void (*done)(void *ctx, struct err err),
                    void *ctx) {
    providers->loaded = done;
    providers->loaded_ctx = ctx;
    connections_load(providers->connections, loaded, providers);
}

void providers_end(struct providers *providers, void (*ended)(void *ctx), void *ctx) {
    providers->ended = ended;
    providers->ended_ctx = ctx;
    providers_stop(&providers->api);
    connections_stop(providers->connections);
    models_close(providers->models, models_gone, providers);
}

void providers_close(struct providers *providers) {
    if (providers != NULL) {
        connections_close(providers->connections);
        mem_free(providers);
    }
}

struct connections *providers_connections(const struct providers *providers) {
    return providers->connections;
}

struct providers_api *providers_api(struct providers *providers) {
    return &providers->api;
}
