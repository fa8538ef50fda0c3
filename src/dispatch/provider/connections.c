/* connections.c: what was found and what was set, in one set; and which model is asked when nobody
 * names one.
 *
 *   load    store: rows, settings ──> pool: keys, connections, sweep ──> loop: one after the other
 *           ──> the wait for lists
 *
 * A key alone says which provider, not which model: that is known once the provider was asked for
 * its list. So it is asked when nothing else decides, and never otherwise. */
#include "dispatch/provider/connections.h"

#include <stdio.h>

#include "base/json/json.h"
#include "base/link.h"
#include "base/memory.h"
#include "dispatch/provider/key_watch.h"
#include "dispatch/provider/refused.h"
#include "engine/provider/learned.h"
#include "loop/address.h"
#include "model/connection.h"

enum { FOUND_MAX = 16, FIRST_MAX = PROVIDERS_MAX + FOUND_MAX };
/* Time after a search for models before a use looks again: providers that are down are not asked
 * by each message. */
#define LOOK_AGAIN_NS 3000000000U

/* First model in a provider's list, of those that are known to answer questions. */
struct first_model {
    char connection[CONNECTION_NAME_MAX + 1];
    char model[MODEL_NAME_MAX + 1];
    bool priced; /* The price table knows it, so it answers; another may be for speech. */
};

/* A caller that waits for the lists, CONNECTIONS_WAIT_MS at most. */
struct waiter {
    struct link link;
    struct connections *connections;
    struct timer timer;
    void (*done)(void *ctx);
    void *ctx;
};

struct connections {
    struct connections_options options;
    struct models *models; /* Borrowed. */
    struct settings_kept *settings;
    struct key_watch *key_watch;               /* Owned; NULL: no key is in a file. */
    struct model_connection *found[FOUND_MAX]; /* Owned; as they were at the open. */
    size_t found_count;
    char *lost[PROVIDERS_MAX]; /* Owned: names of files of keys. */
    size_t lost_count;
    bool stopped;
    struct first_model *first; /* Owned; NULL: no list was asked for yet. */
    size_t first_count;
    bool listing, stale;    /* stale: something changed while the list was under way. */
    uint64_t look_again_ns; /* Before this time of the monotonic clock no use looks for models. */
    struct link waiters;    /* Owned; the first to come is the first. */
};

static char *owned_text(struct bytes text) {
    return mem_copy(text.data, text.len);
}

/* --- The model that is asked when nobody names one -------------------------------------------- */

struct choosing {
    const struct connections *connections;
    struct default_model *model;
};

static void consider(void *ctx, const struct model_connection *connection) {
    const struct choosing *choosing = ctx;
    const struct connections *connections = choosing->connections;
    struct default_model *chosen = choosing->model;
    const char *model = connection->model_count > 0 ? connection->models[0] : NULL;
    if (chosen->from == MODEL_FROM_CONNECTION || connection->kind == MODEL_KIND_SCRIPTED) {
        return;
    }
    for (size_t i = 0; model == NULL && i < connections->first_count; i++) {
        if (strcmp(connections->first[i].connection, connection->name) == 0) {
            model = connections->first[i].model;
        }
    }
    if (model != NULL) {
        chosen->from = MODEL_FROM_CONNECTION;
        (void)snprintf(chosen->name, sizeof chosen->name, "%s/%s", connection->name,
                       model); /* Names are bounded. */
    }
}

void connections_default_model(const struct connections *connections,
                               struct default_model *ret_model) {
    const struct settings *settings = settings_kept_get(connections->settings);
    const char *option = connections->options.model;
    struct bytes name = settings->default_model.len > 0 ? settings->default_model
                        : option != NULL                ? bytes_of(option)
                                                        : BYTES("");
    ret_model->from = settings->default_model.len > 0 ? MODEL_FROM_SETTING
                      : option != NULL                ? MODEL_FROM_OPTION
                                                      : MODEL_FROM_NOWHERE;
    (void)snprintf(ret_model->name, sizeof ret_model->name, "%.*s", (int)name.len,
                   name.data); /* Bounded. */
    if (ret_model->from == MODEL_FROM_NOWHERE && !connections->stopped) {
        struct choosing choosing = {connections, ret_model};
        models_connection_each(connections->models, consider, &choosing);
    }
}

/* Lists come connection by connection. */
static void on_listed(void *ctx, const struct model_listed *listed) {
    struct connections *connections = ctx;
    struct first_model *last =
        connections->first_count > 0 ? &connections->first[connections->first_count - 1] : NULL;
    bool priced = listed->info.facts.price.output >= 0;
    if (last == NULL || strcmp(last->connection, listed->connection) != 0) {
        if (connections->first_count == FIRST_MAX) {
            return;
        }
        last = &connections->first[connections->first_count++];
        *last = (struct first_model){.priced = false};
        (void)snprintf(last->connection, sizeof last->connection, "%s", listed->connection);
    } else if (last->priced || !priced) {
        return;
    }
    last->priced = priced;
    (void)snprintf(last->model, sizeof last->model, "%s", listed->model); /* Names are bounded. */
}

static void waiter_end(struct waiter *waiter) {
    link_remove(&waiter->link);
    timer_stop(waiter->connections->options.loop, &waiter->timer);
    waiter->done(waiter->ctx);
    mem_free(waiter);
}

static void waiters_end(struct connections *connections) {
    while (!links_empty(&connections->waiters)) {
        waiter_end(CONTAINER_OF(connections->waiters.next, struct waiter, link));
    }
}

static void lists_ask(struct connections *connections);

static struct err listed_tx(struct tx *tx, void *ctx) {
    return tx_provider_listed(tx);
}

static void unhold_done(struct err err, void *ctx) {
    (void)err; /* The notices stay held until the next change or `inbox retry`. */
}

/* Lists are requested only while there is no default model, so one that is known now is new. */
static void all_listed(void *ctx) {
    struct connections *connections = ctx;
    struct default_model model;
    connections_default_model(connections, &model);
    if (model.from != MODEL_FROM_NOWHERE && !connections->stopped) {
        store_write(connections->options.store, listed_tx, unhold_done, NULL /* ctx */);
    }
    connections->listing = false;
    connections->look_again_ns =
        world_mono_ns(loop_world(connections->options.loop)) + LOOK_AGAIN_NS;
    if (connections->stale) {
        lists_ask(connections);
    }
    waiters_end(connections);
}

/* Asks the providers for their models if that may decide which model is the default. */
static void lists_ask(struct connections *connections) {
    struct default_model model;
    connections->stale = connections->listing;
    if (connections->stopped || connections->listing) {
        return;
    }
    connections_default_model(connections, &model);
    if (model.from != MODEL_FROM_NOWHERE) {
        return;
    }
    if (connections->first == NULL) {
        connections->first = mem_new_array(FIRST_MAX, sizeof *connections->first);
    }
    connections->first_count = 0;
    connections->listing = true;
    models_list(connections->models, on_listed, all_listed, connections);
}

static void on_waited(struct timer *timer) {
    waiter_end(CONTAINER_OF(timer, struct waiter, timer));
}

bool connections_look(struct connections *connections, void (*done)(void *ctx), void *ctx) {
    struct default_model model;
    connections_default_model(connections, &model);
    if (connections->stopped || model.from != MODEL_FROM_NOWHERE) {
        return false;
    }
    const struct world *world = loop_world(connections->options.loop);
    if (!connections->listing && world_mono_ns(world) >= connections->look_again_ns) {
        lists_ask(connections);
    }
    if (!connections->listing) {
        return false;
    }
    struct waiter *waiter = mem_new(sizeof *waiter);
    *waiter = (struct waiter){.connections = connections, .done = done, .ctx = ctx};
    link_add_last(&connections->waiters, &waiter->link);
    timer_start(connections->options.loop, &waiter->timer, CONNECTIONS_WAIT_MS, on_waited);
    return true;
}

static void name_add(void *ctx, const struct model_connection *connection) {
    struct text *names = ctx;
    text_addf(names, "%s%s", names->len > 0 ? ", " : "", connection->name);
}

struct err connections_check_option(const struct connections *connections, bool *ret_may_come,
                                    struct why *why) {
    const char *model = connections->options.model;
    *ret_may_come = true;
    if (model == NULL) {
        return ERR_OK;
    }
    AUTO(mem_release) char *name = mem_copy(model, strcspn(model, "/"));
    if (models_connection_find(connections->models, name) != NULL) {
        return ERR_OK;
    }
    const char *remedy = models_remedy(name);
    *ret_may_come = remedy != NULL;
    if (remedy != NULL) {
        return err_why(why, ERR_USAGE, "--model %.80s: there is no provider '%s' yet: %s", model,
                       name, remedy);
    }
    AUTO(text_done) struct text names = text_up_to(100);
    models_connection_each(connections->models, name_add, &names);
    return err_why(why, ERR_USAGE,
                   "--model %.60s: there is no provider '%.40s'; known are %s, and %s", model, name,
                   names.data, MODELS_FOUND_BY);
}

/* --- A row as a connection -------------------------------------------------------------------- */

struct err connections_check(const struct model_connection *connection, struct why *why) {
    struct err err = connection_check(connection, why);
    if (err_failed(err) || connection->kind == MODEL_KIND_SCRIPTED) {
        return err;
    }
    struct address_list *allow = NULL;
    AUTO(mem_release) char *host = owned_text(connection_authority(connection->base_url));
    err = address_list_parse(host, &allow, NULL /* ours says which field */);
    address_list_free(allow);
    if (err_failed(err)) {
        return err_why(why, ERR_BAD_FIELD,
                       "\"base_url\": \"%.100s\" is no host, or no host and port", host);
    }
    return ERR_OK;
}

/* Only texts of headers and models are taken: no drover has written a value of another kind. */
static struct err build(const struct provider *provider, const char *key,
                        struct model_connection **ret_connection, struct why *why) {
    AUTO(json_release) json_t *headers = NULL, *models = NULL;
    AUTO(mem_release) struct connection_header *header_rows = NULL;
    AUTO(mem_release) const char **model_rows = NULL;
    AUTO(mem_release) char *name = owned_text(provider->name);
    AUTO(mem_release) char *base_url = owned_text(provider->base_url);
    AUTO(mem_release) char *key_header = owned_text(provider->key_header);
    struct model_connection connection = {.name = name,
                                          .base_url = provider->base_url.len > 0 ? base_url : NULL,
                                          .key = key,
                                          .key_header =
                                              provider->key_header.len > 0 ? key_header : NULL,
                                          .numbers = provider->numbers};
    if (!model_kind_find(provider->kind, &connection.kind)) {
        return err_why(why, ERR_BAD_FIELD, "its kind, %.*s, is not known to this drover",
                       (int)(provider->kind.len < 64 ? provider->kind.len : 64),
                       provider->kind.data);
    }
    struct err err = json_parse_wrapped(provider->headers, &headers, why);
    if (!err_failed(err)) {
        err = json_parse_wrapped(provider->models, &models, why);
    }
    if (err_failed(err)) {
        return err;
    }
    const char *header;
    size_t at;
    json_t *value;
    header_rows = mem_new_array(json_object_size(headers) + 1, sizeof *header_rows);
    json_object_foreach(headers, header, value) {
        if (json_is_string(value)) {
            header_rows[connection.header_count++] =
                (struct connection_header){header, json_string_value(value)};
        }
    }
    model_rows = mem_new_array(json_array_size(models) + 1, sizeof *model_rows);
    json_array_foreach(models, at, value) {
        if (json_is_string(value)) {
            model_rows[connection.model_count++] = json_string_value(value);
        }
    }
    connection.headers = header_rows;
    connection.models = model_rows;
    err = connections_check(&connection, why);
    if (!err_failed(err)) {
        *ret_connection = connection_copy(&connection);
    }
    return err;
}

/* --- Changes ---------------------------------------------------------------------------------- */

static void report(const struct connections *connections, struct bytes name,
                   const struct why *why) {
    AUTO(mem_release) char *text = owned_text(name);
    connections->options.failed(connections->options.ctx, text, why);
}

static void use(struct connections *connections, const struct model_connection *connection) {
    const struct connections_options *options = &connections->options;
    struct why why = {.text = ""};
    size_t len = connection->key == NULL ? 0 : strlen(connection->key);
    if (err_failed(models_connection_set(connections->models, connection, &why))) {
        options->failed(options->ctx, connection->name, &why);
    } else if (len > 0 && len < MODEL_KEY_REDACTED_MIN && options->warned != NULL) {
        why_set(&why,
                "the key has %zu bytes: it is used, but not hidden where its provider repeats it",
                len);
        options->warned(options->ctx, connection->name, &why);
    }
}

void connections_put(struct connections *connections, const struct provider *provider,
                     enum connection_key how, const char *key) {
    AUTO(mem_release) char *name = owned_text(provider->name);
    struct why why = {.text = ""};
    struct model_connection *connection = NULL;
    if (connections->stopped) {
        return; /* The next daemon reads the row. */
    }
    if (how == CONNECTION_KEY_KEEP) { /* A connection that was found has a key of its own. */
        const struct model_connection *present = models_connection_find(connections->models, name);
        key = present != NULL && present->origin == NULL ? present->key : NULL;
    }
    if (err_failed(build(provider, key, &connection, &why))) {
        report(connections, provider->name, &why);
        return;
    }
    use(connections, connection);
    connection_free(connection);
    lists_ask(connections);
}

/* The keys' files are not read again: what they gave is among those that were found. */
static const char *env_of_places(void *ctx, const char *name) {
    const struct connections *connections = ctx;
    return strcmp(name, "OLLAMA_HOST") == 0 || strcmp(name, "LLAMACPP_HOST") == 0
               ? connections->options.from.env(connections->options.from.ctx, name)
               : NULL;
}

void connections_remove(struct connections *connections, const char *name) {
    struct why why = {.text = ""};
    const struct model_connection *found = connections_found(connections, bytes_of(name));
    if (connections->stopped) {
        return;
    }
    if (found != NULL) {
        const char *key = key_watch_find(connections->key_watch, name);
        struct model_connection now = *found;
        now.key = key != NULL ? key : found->key;
        use(connections, &now);
        return;
    }
    if (!models_connection_remove(connections->models, name)) {
        return; /* It could not be used. */
    }
    const struct discover_from places = {
        .env = env_of_places, .ctx = connections, .local = connections->options.from.local};
    if (err_failed(models_discover(connections->models, &places, &why))) {
        connections->options.failed(connections->options.ctx, name, &why);
    }
    lists_ask(connections);
}

struct drop {
    struct loop_work work;
    const struct world *world; /* Borrowed for the program's life. */
    char *data_dir, *file;     /* Owned: the work may outlive its caller. */
};

static void drop_run(struct loop_work *work) {
    const struct drop *drop = CONTAINER_OF(work, struct drop, work);
    const struct key_folder folder = {.world = drop->world, .data_dir = drop->data_dir};
    key_file_remove(&folder, drop->file);
}

static void drop_done(struct loop_work *work) {
    struct drop *drop = CONTAINER_OF(work, struct drop, work);
    mem_free(drop->data_dir);
    mem_free(drop->file);
    mem_free(drop);
}

void connections_drop_key(struct connections *connections, struct bytes file) {
    if (file.len == 0 || connections->stopped) {
        return; /* The next daemon sweeps. */
    }
    struct drop *drop = mem_new(sizeof *drop);
    *drop = (struct drop){.work = {.run = drop_run, .done = drop_done},
                          .world = loop_world(connections->options.loop),
                          .data_dir = owned_text(bytes_of(connections->options.data_dir)),
                          .file = owned_text(file)};
    loop_work(connections->options.loop, &drop->work);
}

void connections_set(struct connections *connections, const struct settings *settings) {
    settings_kept_put(connections->settings, settings);
    lists_ask(connections);
}

/* --- What is there ---------------------------------------------------------------------------- */

const struct model_connection *connections_found(const struct connections *connections,
                                                 struct bytes name) {
    for (size_t i = 0; i < connections->found_count; i++) {
        if (bytes_is(name, connections->found[i]->name)) {
            return connections->found[i];
        }
    }
    return NULL;
}

const struct connections_options *connections_options(const struct connections *connections) {
    return &connections->options;
}

bool connections_key_lost(const struct connections *connections, struct bytes file) {
    for (size_t i = 0; i < connections->lost_count; i++) {
        if (bytes_is(file, connections->lost[i])) {
            return true;
        }
    }
    return false;
}

const struct settings *connections_settings(const struct connections *connections) {
    return settings_kept_get(connections->settings);
}

struct models *connections_models(const struct connections *connections) {
    return connections->models;
}

struct key_folder connections_folder(const struct connections *connections) {
    return (struct key_folder){.world = loop_world(connections->options.loop),
                               .data_dir = connections->options.data_dir};
}

/* --- Life ------------------------------------------------------------------------------------- */

static void key_failed(void *ctx, const char *name, const struct why *why) {
    const struct connections *connections = ctx;
    connections->options.failed(connections->options.ctx, name, why);
}

static struct err cured_tx(struct tx *tx, void *ctx) {
    return tx_provider_cured(tx);
}

static void key_changed(void *ctx) {
    const struct connections *connections = ctx;
    store_write(connections->options.store, cured_tx, unhold_done, NULL /* ctx */);
}

static void keep_found(void *ctx, const struct model_connection *connection) {
    struct connections *connections = ctx;
    if (connections->found_count < FOUND_MAX) {
        connections->found[connections->found_count++] = connection_copy(connection);
    }
}

struct err connections_open(const struct connections_options *options,
                            struct connections **ret_connections, struct why *why) {
    TRY(models_discover(options->models, &options->from, why));
    struct connections *connections = mem_new(sizeof *connections);
    connections->options = *options;
    connections->models = options->models;
    links_init(&connections->waiters);
    connections->settings = settings_kept_new();
    refused_keep_start(options->models, options->store);
    models_connection_each(options->models, keep_found, connections);
    connections->key_watch = key_watch_open(&(struct key_watch_options){.loop = options->loop,
                                                                        .models = options->models,
                                                                        .from = options->from,
                                                                        .ctx = connections,
                                                                        .failed = key_failed,
                                                                        .changed = key_changed});
    *ret_connections = connections;
    return ERR_OK;
}

void connections_stop(struct connections *connections) {
    connections->stopped = true;
    refused_keep_stop(connections->models);
    key_watch_stop(connections->key_watch);
    waiters_end(connections);
}

void connections_close(struct connections *connections) {
    if (connections == NULL) {
        return;
    }
    for (size_t i = 0; i < connections->found_count; i++) {
        connection_free(connections->found[i]);
    }
    for (size_t i = 0; i < connections->lost_count; i++) {
        mem_free(connections->lost[i]);
    }
    key_watch_close(connections->key_watch);
    settings_kept_free(connections->settings);
    mem_free(connections->first);
    mem_free(connections);
}

/* --- Loading: the rows and their keys, before anybody is served ------------------------------- */

struct loaded {
    struct provider *row;                /* Owned. */
    struct model_connection *connection; /* Owned; NULL: `why`. */
    bool lost;                           /* The row has a key, and it is not here. */
    struct why why;
};

/* A copy of a learned limit: its model is owned. */
struct loaded_limit {
    char *model;
    struct learned_limit limit;
};

struct loading {
    struct connections *connections;
    void (*done)(void *ctx, struct err err);
    void *ctx;
    struct loop_work work;
    struct loop_task task;
    struct settings_kept *settings; /* Owned. */
    struct loaded_limit limits[LEARNED_KIND_COUNT * LEARNED_MAX];
    size_t limit_count;
    struct loaded rows[PROVIDERS_MAX];
    size_t count, at;
};

static void loading_clear(struct loading *loading) {
    for (size_t i = 0; i < loading->count; i++) {
        provider_free(loading->rows[i].row);
        connection_free(loading->rows[i].connection);
        loading->rows[i] = (struct loaded){.row = NULL};
    }
    for (size_t i = 0; i < loading->limit_count; i++) {
        mem_free(loading->limits[i].model);
    }
    loading->count = loading->limit_count = 0;
}

static void loading_end(struct loading *loading, struct err err) {
    loading->done(loading->ctx, err);
    loading_clear(loading);
    settings_kept_free(loading->settings);
    mem_free(loading);
}

static void limit_use(struct models *models, const struct loaded_limit *loaded) {
    const struct bytes name = bytes_of(loaded->model);
    const struct learned_limit *limit = &loaded->limit;
    if (limit->refused != 0) {
        const struct model_refused refused = {name, limit->refused, limit->until_ms};
        models_refuse(models, &refused);
    } else if (limit->window > 0) {
        const struct model_learned learned = {name, limit->window, limit->until_ms};
        models_learn(models, &learned);
    }
}

static void loading_listed(void *ctx) {
    loading_end(ctx, ERR_OK);
}

/* One row at a time into models, which copies much of each. */
static void put_next(struct loop_task *task) {
    struct loading *loading = CONTAINER_OF(task, struct loading, task);
    struct connections *connections = loading->connections;
    struct loop *loop = connections->options.loop;
    if (connections->stopped) {
        loading_end(loading, ERR_OK);
        return;
    }
    if (loading->at < loading->count) {
        struct loaded *row = &loading->rows[loading->at++];
        if (row->lost) {
            connections->lost[connections->lost_count++] = owned_text(row->row->key_file);
        }
        if (row->why.text[0] != '\0') {
            report(connections, row->row->name, &row->why);
        }
        if (row->connection != NULL) {
            use(connections, row->connection);
        }
        loop_soon(loop, task);
        return;
    }
    for (size_t i = loading->limit_count; i > 0; i--) { /* The newest last. */
        limit_use(connections->models, &loading->limits[i - 1]);
    }
    settings_kept_put(connections->settings, settings_kept_get(loading->settings));
    if (!connections_look(connections, loading_listed, loading)) {
        loading_listed(loading);
    }
}

static bool is_named(void *ctx, const char *file) {
    const struct loading *loading = ctx;
    for (size_t i = 0; i < loading->count; i++) {
        if (bytes_is(loading->rows[i].row->key_file, file)) {
            return true;
        }
    }
    return false;
}

static void build_all(struct loop_work *work) {
    struct loading *loading = CONTAINER_OF(work, struct loading, work);
    struct key_folder folder = connections_folder(loading->connections);
    for (size_t i = 0; i < loading->count; i++) {
        struct loaded *row = &loading->rows[i];
        AUTO(mem_wipe) char *key = NULL;
        AUTO(mem_release) char *file = owned_text(row->row->key_file);
        struct why why = {.text = ""};
        row->lost = file[0] != '\0' && err_failed(key_file_read(&folder, file, &key, &row->why));
        /* Why the whole of it cannot be used says more than why its key cannot. */
        if (err_failed(build(row->row, key, &row->connection, &why))) {
            row->why = why;
        }
    }
    key_files_sweep(&folder, is_named, loading);
}

static void all_built(struct loop_work *work) {
    struct loading *loading = CONTAINER_OF(work, struct loading, work);
    loading->task.run = put_next;
    loop_soon(loading->connections->options.loop, &loading->task);
}

static struct err take_row(void *ctx, const void *provider) {
    struct loading *loading = ctx;
    loading->rows[loading->count++].row = provider_copy(provider);
    return ERR_OK;
}

static struct err take_limit(void *ctx, const struct learned_limit *limit) {
    struct loading *loading = ctx;
    loading->limits[loading->limit_count++] =
        (struct loaded_limit){.model = owned_text(limit->model), .limit = *limit};
    return ERR_OK;
}

static struct err load_tx(struct tx *tx, void *ctx) {
    struct loading *loading = ctx;
    struct settings settings;
    loading_clear(loading);
    const struct resource_page all = {.after = BYTES(""), .limit = PROVIDERS_MAX};
    struct err err = tx_resource_list(tx, &provider_resource, &all, take_row, loading);
    for (size_t kind = 0; kind < LEARNED_KIND_COUNT && !err_failed(err); kind++) {
        err = tx_learned_each(tx, (enum learned_kind)kind, take_limit, loading);
    }
    if (!err_failed(err)) {
        err = tx_settings_read(tx, &settings);
    }
    if (!err_failed(err)) {
        settings_kept_put(loading->settings, &settings);
    }
    return err;
}

/* The store answers what it was asked even when the loop has ended: nothing may begin then. */
static void load_done(struct err err, void *ctx) {
    struct loading *loading = ctx;
    if (err_failed(err) || loading->connections->stopped) {
        loading_end(loading, err);
        return;
    }
    loading->work = (struct loop_work){.run = build_all, .done = all_built};
    loop_work(loading->connections->options.loop, &loading->work);
}

void connections_load(struct connections *connections, void (*done)(void *ctx, struct err err),
                      void *ctx) {
    struct loading *loading = mem_new(sizeof *loading);
    loading->connections = connections;
    loading->done = done;
    loading->ctx = ctx;
    loading->settings = settings_kept_new();
    store_read(connections->options.store, load_tx, load_done, loading);
}
