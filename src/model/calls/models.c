/* models.c: connections: the headers and the guard of each, made once; the set of them; what is
 * known of their models. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "model/calls/inside.h"
#include "model/known.h"

/* --- Routes ----------------------------------------------------------------------------------- */

/* A header that is there already, as one that the user set is, stays. */
static void header_add(struct route *route, const char *name, const char *value) {
    for (size_t i = 0; i < route->header_count; i++) {
        if (strcasecmp(route->headers[i].name, name) == 0) {
            return;
        }
    }
    assert(route->header_count < ROUTE_HEADERS_MAX);
    route->headers[route->header_count++] = (struct fetch_header){name, value};
}

static struct err route_new(const struct model_connection *connection, struct route **ret_route,
                            struct why *why) {
    struct err err = connection_check(connection, why);
    if (err_failed(err)) {
        return err;
    }
    struct route *route = mem_new(sizeof *route);
    route->refs = 1;
    route->connection = connection_copy(connection);
    if (connection->kind != MODEL_KIND_SCRIPTED) {
        struct bytes authority = connection_authority(connection->base_url);
        route->authority = mem_copy(authority.data, authority.len);
        err = address_list_parse(route->authority, &route->allow, why);
    }
    if (err_failed(err)) {
        route_unref(route);
        return err;
    }
    connection = route->connection; /* The headers borrow from the copy. */
    for (size_t i = 0; i < connection->header_count; i++) {
        header_add(route, connection->headers[i].name, connection->headers[i].value);
    }
    header_add(route, "Content-Type", "application/json");
    if (connection->kind == MODEL_KIND_ANTHROPIC) {
        header_add(route, "anthropic-version", "2023-06-01");
    }
    if (connection->key != NULL && connection->key_header != NULL) {
        header_add(route, connection->key_header, connection->key);
    } else if (connection->key != NULL && connection->kind == MODEL_KIND_ANTHROPIC) {
        header_add(route, "x-api-key", connection->key);
    } else if (connection->key != NULL) {
        AUTO(text_done) struct text bearer = text_up_to(CONNECTION_KEY_MAX + 16);
        text_addf(&bearer, "Bearer %s", connection->key);
        route->bearer = text_take(&bearer, NULL);
        header_add(route, "Authorization", route->bearer);
    }
    *ret_route = route;
    return ERR_OK;
}

void route_url(const struct route *route, const char *path, char *ret_url, size_t size) {
    const char *base = route->connection->base_url;
    const size_t whole = strcspn(base, "?");
    size_t len = whole;
    while (len > 0 && base[len - 1] == '/') {
        len--;
    }
    bool versioned = len >= 3 && memcmp(base + len - 3, "/v1", 3) == 0;
    const char *rest = versioned && strncmp(path, "/v1", 3) == 0 ? path + 3 : path;
    int written = snprintf(ret_url, size, "%.*s%s%s", (int)len, base, rest, base + whole);
    assert(written > 0 && (size_t)written < size);
}

struct route *route_ref(struct route *route) {
    route->refs++;
    return route;
}

void route_unref(struct route *route) {
    if (route == NULL || --route->refs > 0) {
        return;
    }
    mem_wipe(&route->bearer);
    mem_free(route->authority);
    address_list_free(route->allow);
    connection_free(route->connection);
    mem_free(route);
}

/* --- Channels --------------------------------------------------------------------------------- */

void listed_free(struct listed *listed, size_t count) {
    for (size_t i = 0; i < count; i++) {
        mem_free(listed[i].id);
    }
    mem_free(listed);
}

void channel__forget_list(struct channel *channel) {
    listed_free(channel->listed, channel->listed_count);
    channel->listed = NULL;
    channel->listed_count = 0;
}

static void channel_forget_learned(struct channel *channel) {
    for (size_t i = 0; i < channel->learned_count; i++) {
        mem_free(channel->learned[i].model);
    }
    mem_free(channel->learned);
    channel->learned = NULL;
    channel->learned_count = 0;
}

static void channel_free(struct channel *channel) {
    channel__stop(channel);
    channel__forget_list(channel);
    channel_forget_learned(channel);
    route_unref(channel->route);
    mem_free(channel->name);
    mem_free(channel);
}

struct channel *models__channel(const struct models *models, struct bytes name) {
    for (struct channel *at = models->channels; at != NULL; at = at->next) {
        if (at->route != NULL && bytes_is(name, at->name)) {
            return at;
        }
    }
    return NULL;
}

void models__drop_channel(struct models *models, struct channel *channel) {
    if (channel->route != NULL || channel->running > 0 || channel->listing != NULL ||
        channel->waiting > 0) {
        return;
    }
    struct channel **at = &models->channels;
    while (*at != channel) {
        at = &(*at)->next;
    }
    *at = channel->next;
    channel_free(channel);
}

struct err models_connection_set(struct models *models, const struct model_connection *connection,
                                 struct why *why) {
    struct route *route = NULL;
    TRY(route_new(connection, &route, why));
    struct channel *channel = models__channel(models, bytes_of(connection->name));
    if (channel == NULL) {
        channel = mem_new(sizeof *channel);
        channel->models = models;
        for (size_t i = 0; i < MODEL_PRIORITIES; i++) {
            links_init(&channel->queue[i]);
        }
        channel->name = mem_copy(connection->name, strlen(connection->name));
        struct channel **at = &models->channels;
        while (*at != NULL && strcmp((*at)->name, connection->name) < 0) {
            at = &(*at)->next;
        }
        channel->next = *at;
        *at = channel;
    }
    bool moved = channel->route != NULL && connection->base_url != NULL &&
                 (channel->route->connection->base_url == NULL ||
                  strcmp(channel->route->connection->base_url, connection->base_url) != 0);
    if (moved) {
        channel__forget_list(channel);
    }
    route_unref(channel->route);
    channel->route = route;
    channel_forget_learned(channel);
    /* Another key may have another quota, and see other models. */
    channel->listed_ms = 0;
    channel->doubtful = false;
    channel__reset(channel);
    return ERR_OK;
}

bool models_connection_remove(struct models *models, const char *name) {
    struct channel *channel = models__channel(models, bytes_of(name));
    if (channel == NULL) {
        return false;
    }
    route_unref(channel->route);
    channel->route = NULL;
    const uint64_t waiting = channel->waiting; /* The channel goes with the last of them. */
    for (uint64_t left = waiting; left > 0; left--) {
        asking__fail(channel__next(channel, /* after none */ NULL), MODEL_CONNECTION_CHANGED, "%s",
                     model_cause_text(MODEL_CONNECTION_CHANGED));
    }
    if (waiting == 0) {
        models__drop_channel(models, channel);
    }
    return true;
}

const struct model_connection *models_connection_find(const struct models *models,
                                                      const char *name) {
    const struct channel *channel = models__channel(models, bytes_of(name));
    return channel != NULL && !channel->doubtful ? channel->route->connection : NULL;
}

void models_connection_each(const struct models *models,
                            void (*each)(void *ctx, const struct model_connection *connection),
                            void *ctx) {
    for (const struct channel *at = models->channels; at != NULL; at = at->next) {
        if (at->route != NULL && !at->doubtful) {
            each(ctx, at->route->connection);
        }
    }
}

/* --- What is known ---------------------------------------------------------------------------- */

/* The position of a model among those that its calls have shown something of; else their number. */
static size_t learned_find(const struct channel *channel, struct bytes model) {
    size_t at = 0;
    while (at < channel->learned_count && !bytes_is(model, channel->learned[at].model)) {
        at++;
    }
    return at;
}

struct parameter_target models__target(const struct channel *channel, struct bytes model) {
    const struct route *route = channel->route;
    return (struct parameter_target){
        .host = route != NULL && route->authority != NULL ? bytes_of(route->authority) : BYTES(""),
        .model = model};
}

static parameter_set learned_refused(const struct learned *learned, int64_t now_ms) {
    parameter_set refused = 0;
    for (unsigned i = 0; i < PARAMETER_COUNT; i++) {
        refused |=
            learned->refused_until_ms[i] > now_ms ? parameter_of((enum provider_parameter)i) : 0;
    }
    return refused;
}

struct model_info models__info(const struct models *models, const struct channel *channel,
                               struct bytes model) {
    const struct model_connection *connection =
        channel->route != NULL ? channel->route->connection : NULL;
    struct model_info info = {.facts = prices_find(models->prices, bytes_of(channel->name), model),
                              .window_from = WINDOW_PRICES,
                              .kind = connection != NULL ? connection->kind : MODEL_KIND_SCRIPTED};
    int64_t set = connection != NULL ? connection->numbers.window : 0, told = 0;
    for (size_t i = 0; i < channel->listed_count && told == 0; i++) {
        told = bytes_is(model, channel->listed[i].id) ? channel->listed[i].window : 0;
    }
    if (set > 0) {
        info.facts.window = set;
        info.window_from = WINDOW_CONNECTION;
    } else if (told > 0) {
        info.facts.window = told;
        info.window_from = WINDOW_PROVIDER;
    } else if (info.facts.window <= 0) {
        info.facts.window = MODEL_WINDOW_DEFAULT;
        info.window_from = WINDOW_DEFAULT;
    }
    size_t at = learned_find(channel, model);
    if (at == channel->learned_count) {
        return info;
    }
    const struct learned *learned = &channel->learned[at];
    int64_t now_ms = world_wall_ms(models->world);
    info.refused = learned_refused(learned, now_ms);
    if (learned->window > 0 && learned->until_ms > now_ms && learned->window < info.facts.window) {
        info.facts.window = learned->window;
        info.window_from = WINDOW_LEARNED;
    }
    info.accepted = learned->accepted_until_ms > now_ms ? learned->accepted : 0;
    return info;
}

/* The connection of "connection/model", and the model. NULL: there is none. */
static struct channel *channel_of_model(const struct models *models, struct bytes name,
                                        struct bytes *ret_model) {
    const char *slash = memchr(name.data, '/', name.len);
    if (slash == NULL) {
        return NULL;
    }
    size_t len = (size_t)(slash - name.data);
    *ret_model = (struct bytes){slash + 1, name.len - len - 1};
    return models__channel(models, (struct bytes){name.data, len});
}

bool models_info(const struct models *models, struct bytes name, struct model_info *ret_info) {
    struct bytes model;
    const struct channel *channel = channel_of_model(models, name, &model);
    if (channel == NULL || channel->doubtful) {
        return false;
    }
    *ret_info = models__info(models, channel, model);
    return true;
}

bool models_get_load(const struct models *models, struct bytes name, struct model_load *ret_load) {
    struct bytes model;
    const struct channel *channel = channel_of_model(models, name, &model);
    if (channel == NULL || channel->doubtful) {
        return false;
    }
    *ret_load = channel__load(channel);
    return true;
}

/* The row of that model, made where there is none, as the newest; NULL: there is no such
 * connection. */
static struct learned *learned_touch(struct models *models, struct bytes name) {
    struct bytes model;
    struct channel *channel = channel_of_model(models, name, &model);
    if (channel == NULL) {
        return NULL;
    }
    if (channel->learned == NULL) {
        channel->learned = mem_new_array(MODEL_LEARNED_MAX, sizeof *channel->learned);
    }
    size_t at = learned_find(channel, model);
    struct learned row = {.window = 0};
    if (at < channel->learned_count) {
        row = channel->learned[at];
    } else {
        row.model = mem_copy(model.data, model.len);
        if (channel->learned_count == MODEL_LEARNED_MAX) {
            at = 0;
            mem_free(channel->learned[at].model);
        }
    }
    if (at < channel->learned_count) {
        channel->learned_count--;
        memmove(&channel->learned[at], &channel->learned[at + 1],
                (channel->learned_count - at) * sizeof *channel->learned);
    }
    channel->learned[channel->learned_count] = row;
    return &channel->learned[channel->learned_count++];
}

void models_learn(struct models *models, const struct model_learned *learned) {
    struct learned *row = learned_touch(models, learned->name);
    if (row != NULL) {
        row->window = learned->window;
        row->until_ms = learned->until_ms;
    }
}

void models_refuse(struct models *models, const struct model_refused *refused) {
    struct learned *row = learned_touch(models, refused->name);
    for (unsigned i = 0; row != NULL && i < PARAMETER_COUNT; i++) {
        if ((refused->parameters & parameter_of((enum provider_parameter)i)) != 0) {
            row->refused_until_ms[i] = refused->until_ms;
        }
    }
}

void models_on_refused(struct models *models,
                       void (*found)(void *ctx, const struct model_refused *refused), void *ctx) {
    models->refused = found;
    models->refused_ctx = ctx;
}

void models_accept(struct models *models, const struct model_learned *accepted) {
    struct learned *row = learned_touch(models, accepted->name);
    bool over = row != NULL && row->accepted_until_ms <= world_wall_ms(models->world);
    if (row != NULL && (over || accepted->window == 0 || accepted->window >= row->accepted)) {
        row->accepted = accepted->window;
        row->accepted_until_ms = accepted->until_ms;
    }
}

bool models_is_away(const struct models *models, struct bytes connection,
                    struct model_failure *ret_failure) {
    const struct channel *channel = models__channel(models, connection);
    return channel != NULL && channel__is_away(channel, ret_failure);
}

void models_reset(struct models *models, struct bytes connection) {
    struct channel *channel = models__channel(models, connection);
    if (channel != NULL) {
        channel_forget_learned(channel);
        channel__reset(channel);
    }
}

void models_on_mended(struct models *models, void (*mended)(void *ctx), void *ctx) {
    models->mended = mended;
    models->mended_ctx = ctx;
}

bool models_was_mended(const struct models *models, struct bytes name) {
    struct bytes model;
    const struct channel *of_name = channel_of_model(models, name, &model);
    bool mended = false;
    for (const struct channel *at = models->channels; at != NULL; at = at->next) {
        mended = mended || (at->mended && (name.len == 0 || at == of_name));
    }
    return mended;
}

void models_woke(struct models *models, uint64_t slept_ms) {
    for (struct channel *at = models->channels; at != NULL; at = at->next) {
        channel__woke(at, slept_ms);
    }
}

void models_forget(struct models *models, struct bytes connection) {
    struct channel *channel = models__channel(models, connection);
    if (channel != NULL) {
        channel_forget_learned(channel);
    }
}

/* --- Connections that nobody configured ------------------------------------------------------- */

static const char *env(const struct discover_from *from, const char *prefix, const char *suffix) {
    char name[64];
    (void)snprintf(name, sizeof name, "%s_%s", prefix, suffix); /* Names of our own: they fit. */
    const char *value = from->env(from->ctx, name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static struct err discover_known(struct models *models, const struct discover_from *from,
                                 const struct known_provider *known, struct why *why) {
    AUTO(mem_wipe) char *key = NULL;
    const char *base_url = env(from, known->prefix, "BASE_URL");
    const char *set = env(from, known->prefix, "API_KEY");
    const char *file = env(from, known->prefix, "API_KEY_FILE");
    if (set != NULL) {
        key = mem_copy(set, strlen(set));
    } else if (file != NULL) {
        TRY(key_load(models->world, file, &key, why));
    }
    if (key == NULL && base_url == NULL) {
        return ERR_OK;
    }
    const struct known_variable origin =
        known_variable(known, key != NULL ? "API_KEY" : "BASE_URL");
    const struct model_connection connection = {
        .name = known->name,
        .kind = known->kind,
        .base_url = base_url != NULL ? base_url : known->base_url,
        .key = key,
        .origin = origin.name,
    };
    return models_connection_set(models, &connection, why);
}

static const struct local {
    const char *name, *prefix, *host, *remedy;
} locals[] = {
    {"ollama", "OLLAMA", "127.0.0.1:11434",
     "start Ollama, or set OLLAMA_HOST [127.0.0.1:11434] and restart the daemon"},
    {"llamacpp", "LLAMACPP", "127.0.0.1:8080",
     "start llama-server, or set LLAMACPP_HOST [127.0.0.1:8080] and restart the daemon"},
};

const char *models_remedy(const char *name) {
    const struct known_provider *known = known_provider_find(name);
    const char *remedy = known != NULL ? known->remedy : NULL;
    for (size_t i = 0; i < COUNT_OF(locals); i++) {
        remedy = strcmp(name, locals[i].name) == 0 ? locals[i].remedy : remedy;
    }
    return remedy;
}

/* Until the server has listed models once, the connection is not there for anybody. */
static struct err discover_local(struct models *models, const struct discover_from *from,
                                 const struct local *local, struct why *why) {
    const char *host = env(from, local->prefix, "HOST");
    host = host != NULL ? host : local->host;
    const char *scheme = strstr(host, "://") != NULL ? "" : "http://";
    char url[CONNECTION_URL_MAX + 16];
    int len = snprintf(url, sizeof url, "%s%.*s/v1", scheme, CONNECTION_URL_MAX, host);
    assert(len > 0 && (size_t)len < sizeof url);
    const struct model_connection connection = {
        .name = local->name, .kind = MODEL_KIND_OPENAI, .base_url = url, .origin = "found here"};
    struct err err = models_connection_set(models, &connection, why);
    if (!err_failed(err)) {
        models__channel(models, bytes_of(local->name))->doubtful = true;
    }
    return err;
}

struct err models_discover(struct models *models, const struct discover_from *from,
                           struct why *why) {
    const struct known_provider *known;
    struct err err = ERR_OK;
    for (size_t i = 0; (known = known_provider_at(i)) != NULL && !err_failed(err); i++) {
        if (models_connection_find(models, known->name) == NULL) {
            err = discover_known(models, from, known, why);
        }
    }
    size_t count = from->local == DISCOVER_NO_LOCAL ? 0 : COUNT_OF(locals);
    for (size_t i = 0; i < count && !err_failed(err); i++) {
        if (models_connection_find(models, locals[i].name) == NULL) {
            err = discover_local(models, from, &locals[i], why);
        }
    }
    return err;
}

/* --- Opening and closing ---------------------------------------------------------------------- */

static struct err files_open(struct models *models, struct why *why) {
    const struct world *world = models->world;
    const struct {
        const char *path; /* NULL: none. */
        size_t size_max;
    } files[] = {{models->options.price_file, PRICE_FILE_MAX},
                 {models->options.script, SCRIPT_FILE_MAX}};
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        AUTO(mem_release) char *data = NULL;
        const char *path = files[i].path;
        struct bytes text = BYTES("");
        struct why inner = {""};
        struct err err = ERR_OK;
        if (path != NULL) {
            err = world->file_read(world->ctx, path, files[i].size_max, &data, &text.len);
            text.data = data;
        }
        if (err_failed(err)) {
            why_set(why, "%s cannot be read: %s", path, err_title(err.code));
            return err;
        }
        if (i == 0) {
            err = prices_open(text, &models->prices, &inner);
        } else if (path != NULL) {
            err = script_file_open(text, &models->script, &inner);
        }
        if (err_failed(err)) {
            return err_why(why, ERR_CONFIG, "%s: %s", path, inner.text);
        }
    }
    return ERR_OK;
}

static void models_free(struct models *models) {
    while (models->channels != NULL) {
        struct channel *next = models->channels->next;
        channel_free(models->channels);
        models->channels = next;
    }
    prices_close(models->prices);
    script_file_close(models->script);
    mem_free(models);
}

struct err models_open(const struct models_options *options, struct models **ret_models,
                       struct why *why) {
    struct models *models = mem_new(sizeof *models);
    models->options = *options;
    models->loop = options->loop;
    models->world = loop_world(options->loop);
    struct err err = files_open(models, why);
    const struct model_connection scripted = {
        .name = "scripted", .kind = MODEL_KIND_SCRIPTED, .origin = "built in"};
    err = err_failed(err) ? err : models_connection_set(models, &scripted, why);
    if (err_failed(err)) {
        models_free(models);
        return err;
    }
    *ret_models = models;
    return ERR_OK;
}

static void models_closed(struct loop_task *task) {
    struct models *models = CONTAINER_OF(task, struct models, close_task);
    void (*closed)(void *ctx) = models->closed;
    void *ctx = models->closed_ctx;
    models_free(models);
    closed(ctx);
}

void models__check_closed(struct models *models) {
    if (models->closing && models->jobs == 0 && models->live == 0 && models->rosters == NULL) {
        loop_soon(models->loop, &models->close_task);
    }
}

void models_close(struct models *models, void (*closed)(void *ctx), void *ctx) {
    assert(models->live == 0);
    assert(!models->closing);
    models->closing = true;
    models->closed = closed;
    models->closed_ctx = ctx;
    models->close_task.run = models_closed;
    listing__stop(models);
    models__check_closed(models);
}

void models_get_stats(const struct models *models, struct models_stats *ret_stats) {
    *ret_stats = (struct models_stats){.asked = models->asked,
                                       .failed = models->failed,
                                       .retried = models->retried,
                                       .running = models->running,
                                       .waiting = models->waiting};
}
