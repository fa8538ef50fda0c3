/* listing.c: what providers say of their models.
 *
 *   GET {base}/models, of Anthropic {base}/v1/models
 *   {"data": [{"id": "…", …}, …]}
 *
 * Some say how long a prompt may be, each in its own word. A list is kept for MODEL_LIST_MS; one
 * that failed is not asked for again for a minute.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "base/number.h"
#include "loop/knock.h"
#include "model/models_inside.h"

enum { BODY_MAX = 4 << 20, AGAIN_MS = 60000 };

struct listing {
    struct loop_work work;
    struct models *models;
    struct channel *channel;
    struct route *route;
    struct fetch_request *fetch;
    struct text body;
    bool failed;
    struct listed *listed; /* Owned. */
    size_t count;
};

/* Somebody who waits until no list is under way: to be told of all, or for one of them. */
struct roster {
    struct roster *next;
    void (*each)(void *ctx, const struct model_listed *model);
    void (*done)(void *ctx);
    void *ctx;
    bool due;
};

/* --- Reading a list, in the pool -------------------------------------------------------------- */

static int64_t window_of(const json_t *model) {
    static const char *const words[] = {"context_length", "context_window", "max_model_len",
                                        "max_context_length", "max_input_tokens"};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        int64_t said = wire_number(model, words[i]);
        if (said > 0 && said <= USAGE_TOKENS_MAX) {
            return said;
        }
    }
    int64_t trained = wire_number(json_object_get(model, "meta"), "n_ctx_train"); /* llama.cpp */
    return trained > 0 && trained <= USAGE_TOKENS_MAX ? trained : 0;
}

static int by_id(const void *a, const void *b) {
    return strcmp(((const struct listed *)a)->id, ((const struct listed *)b)->id);
}

static void read_models(struct listing *listing, const json_t *data) {
    size_t size = json_array_size(data);
    size = size < MODEL_LIST_MAX ? size : MODEL_LIST_MAX;
    listing->listed = mem_new_array(size + 1, sizeof *listing->listed);
    for (size_t i = 0; i < size; i++) {
        const json_t *model = json_array_get(data, i);
        struct bytes id = wire_bytes(model, "id");
        if (id.len > 0 && id.len <= MODEL_NAME_MAX && memchr(id.data, '\0', id.len) == NULL) {
            listing->listed[listing->count++] =
                (struct listed){.id = mem_copy(id.data, id.len), .window = window_of(model)};
        }
    }
    qsort(listing->listed, listing->count, sizeof *listing->listed, by_id);
}

static void read_run(struct loop_work *work) {
    struct listing *listing = CONTAINER_OF(work, struct listing, work);
    AUTO(json_release) json_t *json = NULL;
    listing->failed = true;
    if (listing->body.len > 0 &&
        !err_failed(json_parse(listing->body.data, listing->body.len, JSON_DEPTH_MAX, &json,
                               /* why */ NULL)) &&
        json_is_array(json_object_get(json, "data"))) {
        read_models(listing, json_object_get(json, "data"));
        listing->failed = false;
    }
}

/* --- The end of a list ------------------------------------------------------------------------ */

static void listed_free(struct listed *listed, size_t count) {
    for (size_t i = 0; i < count; i++) {
        mem_free(listed[i].id);
    }
    mem_free(listed);
}

static bool any_listing(const struct models *models) {
    for (const struct channel *at = models->channels; at != NULL; at = at->next) {
        if (at->listing != NULL) {
            return true;
        }
    }
    return false;
}

static void tell_channel(const struct models *models, const struct channel *channel,
                         const struct roster *roster) {
    struct model_listed told = {.connection = channel->name};
    const struct model_connection *connection = channel->route->connection;
    for (size_t i = 0; i < connection->model_count; i++) {
        struct bytes model = bytes_of(connection->models[i]);
        told.model = connection->models[i];
        told.info = models__info(models, channel, model);
        roster->each(roster->ctx, &told);
    }
    for (size_t i = 0; i < channel->listed_count; i++) {
        struct bytes model = bytes_of(channel->listed[i].id);
        if (!connection_names(connection, channel->listed[i].id)) {
            told.model = channel->listed[i].id;
            told.info = models__info(models, channel, model);
            roster->each(roster->ctx, &told);
        }
    }
}

static void tell_roster(const struct models *models, const struct roster *roster) {
    const struct channel *at = roster->each != NULL ? models->channels : NULL;
    for (; at != NULL; at = at->next) {
        if (at->route != NULL && !at->doubtful) {
            tell_channel(models, at, roster);
        }
    }
    roster->done(roster->ctx);
}

static struct roster *take_due(struct models *models) {
    struct roster **at = &models->rosters;
    while (*at != NULL && !(*at)->due) {
        at = &(*at)->next;
    }
    struct roster *roster = *at;
    if (roster != NULL) {
        *at = roster->next;
    }
    return roster;
}

/* A `done` may ask for another list, or cancel a call that waits for one. */
static void tell_rosters(struct loop_task *task) {
    struct models *models = CONTAINER_OF(task, struct models, roster_task);
    struct roster *roster;
    for (roster = models->rosters; roster != NULL; roster = roster->next) {
        roster->due = true;
    }
    while ((roster = take_due(models)) != NULL) {
        tell_roster(models, roster);
        mem_free(roster);
    }
    models__check_closed(models);
}

static void tell_when_quiet(struct models *models) {
    if (models->rosters != NULL && !any_listing(models)) {
        loop_soon(models->loop, &models->roster_task);
    }
}

static void end(struct listing *listing) {
    struct models *models = listing->models;
    struct channel *channel = listing->channel;
    channel->listing = NULL;
    /* Another base URL meanwhile: this list is not its own. */
    bool current = channel->route == listing->route;
    channel->listed_ms = current ? world_wall_ms(models->world) : 0;
    channel->list_failed = listing->failed;
    if (current && !listing->failed) {
        channel__forget_list(channel);
        channel->listed = listing->listed;
        channel->listed_count = listing->count;
        channel->doubtful = false;
    } else {
        listed_free(listing->listed, listing->count);
    }
    route_unref(listing->route);
    text_done(&listing->body);
    mem_free(listing);
    models__drop_channel(models, channel);
    tell_when_quiet(models);
    models__check_closed(models);
}

static void read_done(struct loop_work *work) {
    struct listing *listing = CONTAINER_OF(work, struct listing, work);
    listing->models->jobs--;
    end(listing);
}

/* --- Asking for one --------------------------------------------------------------------------- */

static void on_piece(void *ctx, struct bytes piece) {
    text_add(&((struct listing *)ctx)->body, piece.data, piece.len);
}

static void on_done(void *ctx, const struct fetch_result *result) {
    struct listing *listing = ctx;
    listing->fetch = NULL;
    if (result->fault != FETCH_NONE || result->answer.status != 200 ||
        text_failed(&listing->body)) {
        listing->failed = true;
        end(listing);
        return;
    }
    listing->work.run = read_run;
    listing->work.done = read_done;
    listing->models->jobs++;
    loop_work(listing->models->loop, &listing->work);
}

static bool send_request(struct listing *listing) {
    const struct model_connection *connection = listing->route->connection;
    char url[CONNECTION_URL_MAX + 64];
    route_url(listing->route, connection->kind == MODEL_KIND_ANTHROPIC ? "/v1/models" : "/models",
              url, sizeof url);
    const struct fetch_call call = {
        .method = "GET",
        .url = url,
        .headers = listing->route->headers,
        .header_count = listing->route->header_count,
        .allow = listing->route->allow,
        .limits = {.connect_ms = 3000, .answer_ms = 5000, .total_ms = 8000, .size_max = BODY_MAX},
        .piece = on_piece,
        .done = on_done,
        .ctx = listing,
    };
    return !err_failed(fetch_start(listing->models->options.client, &call, &listing->fetch));
}

/* Of a server that nobody named: most machines have none. */
static bool nobody_is_there(const struct channel *channel) {
    static const char here[] = "http://127.0.0.1:";
    const struct number_bounds ports = {1, UINT16_MAX};
    const char *url = channel->route->connection->base_url;
    int64_t port = 0;
    if (!channel->doubtful || strncmp(url, here, sizeof here - 1) != 0) {
        return false;
    }
    const char *from = url + sizeof here - 1;
    const struct bytes digits = {from, strcspn(from, "/")};
    return number_parse(digits, ports, &port) && knock_refused((uint16_t)port);
}

static void start(struct models *models, struct channel *channel) {
    int64_t age_ms = world_wall_ms(models->world) - channel->listed_ms;
    int64_t keep_ms = channel->list_failed ? AGAIN_MS : MODEL_LIST_MS;
    if (channel->route == NULL || channel->listing != NULL || models->closing ||
        channel->route->connection->kind == MODEL_KIND_SCRIPTED ||
        (channel->listed_ms != 0 && age_ms < keep_ms)) {
        return;
    }
    struct listing *listing = mem_new(sizeof *listing);
    listing->models = models;
    listing->channel = channel;
    listing->route = route_ref(channel->route);
    text_init(&listing->body, BODY_MAX);
    channel->listing = listing;
    if (nobody_is_there(channel) || !send_request(listing)) {
        listing->failed = true;
        end(listing);
    }
}

static void add_roster(struct models *models, struct roster roster) {
    struct roster *added = mem_new(sizeof *added);
    *added = roster;
    added->next = models->rosters;
    models->rosters = added;
    models->roster_task.run = tell_rosters;
    tell_when_quiet(models);
}

void models_list(struct models *models, void (*each)(void *ctx, const struct model_listed *model),
                 void (*done)(void *ctx), void *ctx) {
    struct channel *next;
    for (struct channel *at = models->channels; at != NULL; at = next) {
        next = at->next;
        start(models, at);
    }
    add_roster(models, (struct roster){.each = each, .done = done, .ctx = ctx});
}

bool listing__wait(struct models *models, struct channel *channel, void (*done)(void *ctx),
                   void *ctx) {
    start(models, channel);
    if (channel->listing == NULL) {
        return false;
    }
    add_roster(models, (struct roster){.done = done, .ctx = ctx});
    return true;
}

void listing__forget(struct models *models, const void *ctx) {
    struct roster **at = &models->rosters;
    while (*at != NULL && (*at)->ctx != ctx) {
        at = &(*at)->next;
    }
    if (*at != NULL) {
        struct roster *roster = *at;
        *at = roster->next;
        mem_free(roster);
    }
}

void listing__stop(struct models *models) {
    struct channel *next;
    for (struct channel *at = models->channels; at != NULL; at = next) {
        next = at->next;
        struct listing *listing = at->listing;
        if (listing != NULL && listing->fetch != NULL) {
            fetch_cancel(listing->fetch);
            listing->failed = true;
            end(listing);
        }
    }
}
