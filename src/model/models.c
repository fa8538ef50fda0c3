/* models.c: the set of connections. */
#include <string.h>

#include "base/memory.h"
#include "model/models_inside.h"

/* --- Channels --------------------------------------------------------------------------------- */

static int compare(const char *name, struct bytes other) {
    size_t len = strlen(name);
    int order = memcmp(name, other.data, len < other.len ? len : other.len);
    return order != 0 ? order : (len > other.len) - (len < other.len);
}

struct channel *models__channel(const struct models *models, struct bytes name) {
    for (struct channel *at = models->channels; at != NULL; at = at->next) {
        if (at->route != NULL && compare(at->name, name) == 0) {
            return at;
        }
    }
    return NULL;
}

static bool has_work(const struct channel *channel) {
    bool queued =
        channel->queue[MODEL_FOREGROUND] != NULL || channel->queue[MODEL_BACKGROUND] != NULL;
    return queued || channel->running > 0 || channel->listing != NULL;
}

void models__drop_channel(struct models *models, struct channel *channel) {
    if (channel->route != NULL || has_work(channel)) {
        return;
    }
    struct channel **at = &models->channels;
    while (*at != channel) {
        at = &(*at)->next;
    }
    *at = channel->next;
    channel__free(channel);
}

static struct channel *add_channel(struct models *models, const char *name) {
    struct bytes wanted = bytes_of(name);
    struct channel *channel = mem_new(sizeof *channel);
    channel->name = mem_copy(name, wanted.len);
    struct channel **at = &models->channels;
    while (*at != NULL && compare((*at)->name, wanted) < 0) {
        at = &(*at)->next;
    }
    channel->next = *at;
    *at = channel;
    return channel;
}

struct err models_connection_set(struct models *models, const struct model_connection *connection,
                                 struct why *why) {
    struct route *route = NULL;
    struct err err = route_new(connection, &route, why);
    if (err_failed(err)) {
        return err;
    }
    struct bytes name = bytes_of(connection->name);
    struct channel *channel = models__channel(models, name);
    channel = channel != NULL ? channel : add_channel(models, connection->name);
    bool moved = channel->route != NULL && connection->base_url != NULL &&
                 (channel->route->connection->base_url == NULL ||
                  strcmp(channel->route->connection->base_url, connection->base_url) != 0);
    if (moved) {
        channel__forget_list(channel);
    }
    route_unref(channel->route);
    channel->route = route;
    channel__forget_learned(channel);
    /* Another key may have another quota, and see other models. */
    channel->quota_until_ms = 0;
    channel->quota_trips = 0;
    channel->listed_ms = 0;
    channel->doubtful = false;
    channel__run(channel);
    return ERR_OK;
}

bool models_connection_remove(struct models *models, const char *name) {
    struct channel *channel = models__channel(models, bytes_of(name));
    if (channel == NULL) {
        return false;
    }
    route_unref(channel->route);
    channel->route = NULL;
    for (size_t i = 0; i < MODEL_PRIORITIES; i++) {
        while (channel->queue[i] != NULL) {
            struct asking *asking = channel->queue[i];
            bool last = asking->next == NULL &&
                        (i + 1 == MODEL_PRIORITIES || channel->queue[MODEL_BACKGROUND] == NULL);
            asking__fail(asking, MODEL_CONNECTION_CHANGED, "%s",
                         model_cause_text(MODEL_CONNECTION_CHANGED));
            if (last) {
                return true; /* The channel may be gone with it. */
            }
        }
    }
    models__drop_channel(models, channel);
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

bool models_have_provider(const struct models *models) {
    for (const struct channel *at = models->channels; at != NULL; at = at->next) {
        if (at->route != NULL && !at->doubtful &&
            at->route->connection->kind != MODEL_KIND_SCRIPTED) {
            return true;
        }
    }
    return false;
}

/* --- What is known ---------------------------------------------------------------------------- */

static int64_t listed_window(const struct channel *channel, struct bytes model) {
    for (size_t i = 0; i < channel->listed_count; i++) {
        if (compare(channel->listed[i].id, model) == 0) {
            return channel->listed[i].window;
        }
    }
    return 0;
}

static const struct learned none_learned = {.window = 0};

static const struct learned *learned_find(const struct channel *channel, struct bytes model) {
    for (size_t i = 0; i < channel->learned_count; i++) {
        if (compare(channel->learned[i].model, model) == 0) {
            return &channel->learned[i];
        }
    }
    return &none_learned;
}

struct model_info models__info(const struct models *models, const struct channel *channel,
                               struct bytes model) {
    struct bytes provider = bytes_of(channel->name);
    struct model_info info = {.facts = prices_find(models->prices, provider, model),
                              .window_from = WINDOW_PRICES,
                              .kind = channel->route != NULL ? channel->route->connection->kind
                                                             : MODEL_KIND_SCRIPTED};
    int64_t set = channel->route != NULL ? channel->route->connection->window : 0;
    int64_t told = listed_window(channel, model);
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
    const struct learned *learned = learned_find(channel, model);
    int64_t now_ms = world_wall_ms(models->world);
    if (learned->window > 0 && learned->until_ms > now_ms && learned->window < info.facts.window) {
        info.facts.window = learned->window;
        info.window_from = WINDOW_LEARNED;
    }
    info.accepted = learned->accepted_until_ms > now_ms ? learned->accepted : 0;
    return info;
}

bool models_info(const struct models *models, struct bytes name, struct model_info *ret_info) {
    const char *slash = memchr(name.data, '/', name.len);
    if (slash == NULL) {
        return false;
    }
    size_t len = (size_t)(slash - name.data);
    const struct channel *channel = models__channel(models, (struct bytes){name.data, len});
    if (channel == NULL || channel->doubtful) {
        return false;
    }
    *ret_info = models__info(models, channel, (struct bytes){slash + 1, name.len - len - 1});
    return true;
}

/* The row of that model, made where there is none, as the newest; NULL: there is no such
 * connection. */
static struct learned *learned_touch(struct models *models, struct bytes name) {
    const char *slash = memchr(name.data, '/', name.len);
    size_t len = slash != NULL ? (size_t)(slash - name.data) : 0;
    struct channel *channel = models__channel(models, (struct bytes){name.data, len});
    if (slash == NULL || channel == NULL) {
        return NULL;
    }
    struct bytes model = {slash + 1, name.len - len - 1};
    if (channel->learned == NULL) {
        channel->learned = mem_new_array(MODEL_LEARNED_MAX, sizeof *channel->learned);
    }
    size_t at = 0;
    while (at < channel->learned_count && compare(channel->learned[at].model, model) != 0) {
        at++;
    }
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

void models_accept(struct models *models, const struct model_learned *accepted) {
    struct learned *row = learned_touch(models, accepted->name);
    bool over = row != NULL && row->accepted_until_ms <= world_wall_ms(models->world);
    if (row != NULL && (over || accepted->window == 0 || accepted->window >= row->accepted)) {
        row->accepted = accepted->window;
        row->accepted_until_ms = accepted->until_ms;
    }
}

void models_forget(struct models *models, struct bytes connection) {
    struct channel *channel = models__channel(models, connection);
    if (channel != NULL) {
        channel__forget_learned(channel);
    }
}

/* --- Opening and closing ---------------------------------------------------------------------- */

static struct err read_file(const struct models *models, const char *path, size_t size_max,
                            char **ret_text, size_t *ret_len, struct why *why) {
    struct err err =
        models->world->file_read(models->world->ctx, path, size_max, ret_text, ret_len);
    if (err_failed(err)) {
        why_set(why, "%s cannot be read: %s", path, err_title(err.code));
    }
    return err;
}

static struct err at_path(struct err err, const char *path, const struct why *inner,
                          struct why *why) {
    if (err_failed(err)) {
        why_set(why, "%s: %s", path, inner->text);
        return err_make(ERR_CONFIG, err.step);
    }
    return err;
}

static struct err open_prices(struct models *models, struct why *why) {
    const char *path = models->options.price_file;
    AUTO(mem_release) char *text = NULL;
    size_t len = 0;
    struct why inner = {""};
    if (path == NULL) {
        return prices_open((struct bytes){"", 0}, &models->prices, why);
    }
    struct err err = read_file(models, path, PRICE_FILE_MAX, &text, &len, why);
    return err_failed(err)
               ? err
               : at_path(prices_open((struct bytes){text, len}, &models->prices, &inner), path,
                         &inner, why);
}

static struct err open_script(struct models *models, struct why *why) {
    const char *path = models->options.script;
    AUTO(mem_release) char *text = NULL;
    size_t len = 0;
    struct why inner = {""};
    if (path == NULL) {
        return ERR_OK;
    }
    struct err err = read_file(models, path, SCRIPT_FILE_MAX, &text, &len, why);
    return err_failed(err)
               ? err
               : at_path(script_file_open((struct bytes){text, len}, &models->script, &inner), path,
                         &inner, why);
}

static void models_free(struct models *models) {
    while (models->channels != NULL) {
        struct channel *next = models->channels->next;
        channel__free(models->channels);
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
    struct err err = open_prices(models, why);
    err = err_failed(err) ? err : open_script(models, why);
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

static void tell_closed(struct loop_task *task) {
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
    models->close_task.run = tell_closed;
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
