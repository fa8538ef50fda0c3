/* listing.c: lists of models that providers give.
 *
 *   GET {base}/models, of Anthropic {base}/v1/models
 *   {"data": [{"id": "…", …}, …]}
 *
 * Some say how long a prompt may be, each in its own word. A list is kept for MODEL_LIST_MS; one
 * that failed is not asked for again for a minute. A server of this machine that is not there may
 * be started at any moment: it is looked for again after seconds, and where its port refuses, which
 * costs nothing, by each use.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "base/number.h"
#include "loop/knock.h"
#include "model/calls/inside.h"

enum { BODY_MAX = 4 << 20, AGAIN_MS = 60000, AGAIN_DOUBTFUL_MS = 3000 };

struct listing {
    struct loop_work work;
    struct models *models;
    struct channel *channel;
    struct route *route;
    struct fetch_request *fetch;
    struct text body;
    bool failed;
    enum model_cause cause; /* Why it failed, where calls would fail, too. */
    struct listed *listed;  /* Owned. */
    size_t count;
};

/* A caller that waits until no list is under way: for all of them, or for one. */
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
        int64_t said = json_int(model, words[i], 0);
        if (said > 0 && said <= USAGE_TOKENS_MAX) {
            return said;
        }
    }
    int64_t trained = json_int(json_object_get(model, "meta"), "n_ctx_train", 0); /* llama.cpp */
    return trained > 0 && trained <= USAGE_TOKENS_MAX ? trained : 0;
}

static int listed_by_id(const void *a, const void *b) {
    return strcmp(((const struct listed *)a)->id, ((const struct listed *)b)->id);
}

static void list_parse(struct loop_work *work) {
    struct listing *listing = CONTAINER_OF(work, struct listing, work);
    AUTO(json_release) json_t *json = NULL;
    struct err err = json_parse(listing->body.data, listing->body.len, JSON_DEPTH_MAX, &json,
                                /* why */ NULL);
    const json_t *data = json_object_get(json, "data");
    listing->failed = err_failed(err) || !json_is_array(data);
    size_t size = json_array_size(data);
    size = size < MODEL_LIST_MAX ? size : MODEL_LIST_MAX;
    listing->listed = mem_new_array(size + 1, sizeof *listing->listed);
    for (size_t i = 0; i < size; i++) {
        const json_t *model = json_array_get(data, i);
        struct bytes id = json_bytes(model, "id");
        if (id.len > 0 && id.len <= MODEL_NAME_MAX && memchr(id.data, '\0', id.len) == NULL) {
            listing->listed[listing->count++] =
                (struct listed){.id = mem_copy(id.data, id.len), .window = window_of(model)};
        }
    }
    qsort(listing->listed, listing->count, sizeof *listing->listed, listed_by_id);
}

/* --- The end of a list ------------------------------------------------------------------------ */

static void roster_add_channel(const struct models *models, const struct channel *channel,
                               const struct roster *roster) {
    const struct model_connection *connection = channel->route->connection;
    for (size_t i = 0; i < connection->model_count + channel->listed_count; i++) {
        bool named = i < connection->model_count;
        const char *model =
            named ? connection->models[i] : channel->listed[i - connection->model_count].id;
        if (named || !connection_names(connection, model)) {
            struct model_listed row = {.connection = channel->name,
                                       .model = model,
                                       .info = models__info(models, channel, bytes_of(model))};
            roster->each(roster->ctx, &row);
        }
    }
}

/* A `done` may ask for another list, or cancel a call that waits for one. */
static void rosters_deliver(struct loop_task *task) {
    struct models *models = CONTAINER_OF(task, struct models, roster_task);
    for (struct roster *at = models->rosters; at != NULL; at = at->next) {
        at->due = true;
    }
    for (;;) {
        struct roster **at = &models->rosters;
        while (*at != NULL && !(*at)->due) {
            at = &(*at)->next;
        }
        struct roster *roster = *at;
        if (roster == NULL) {
            break;
        }
        *at = roster->next;
        const struct channel *channel = roster->each != NULL ? models->channels : NULL;
        for (; channel != NULL; channel = channel->next) {
            if (channel->route != NULL && !channel->doubtful) {
                roster_add_channel(models, channel, roster);
            }
        }
        roster->done(roster->ctx);
        mem_free(roster);
    }
    models__check_closed(models);
}

static void rosters_check(struct models *models) {
    bool quiet = models->rosters != NULL;
    for (const struct channel *at = models->channels; at != NULL; at = at->next) {
        quiet = quiet && at->listing == NULL;
    }
    if (quiet) {
        loop_soon(models->loop, &models->roster_task);
    }
}

static void listing_end(struct listing *listing) {
    struct models *models = listing->models;
    struct channel *channel = listing->channel;
    channel->listing = NULL;
    /* Another base URL meanwhile: this list is not its own. */
    bool current = channel->route == listing->route;
    channel->listed_ms = current ? world_wall_ms(models->world) : 0;
    channel->list_failed = listing->failed;
    channel->list_cause = current ? listing->cause : MODEL_NONE;
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
    rosters_check(models);
    models__check_closed(models);
}

static void list_parsed(struct loop_work *work) {
    struct listing *listing = CONTAINER_OF(work, struct listing, work);
    listing->models->jobs--;
    listing_end(listing);
}

/* --- Asking for one --------------------------------------------------------------------------- */

static void on_piece(void *ctx, struct bytes piece) {
    text_add(&((struct listing *)ctx)->body, piece.data, piece.len);
}

static void on_done(void *ctx, const struct fetch_result *result) {
    struct listing *listing = ctx;
    listing->fetch = NULL;
    if (result->fault != FETCH_NONE || result->answer.status != 200 || listing->body.len == 0 ||
        text_failed(&listing->body)) {
        int status = result->answer.status;
        listing->failed = true;
        listing->cause = result->fault != FETCH_NONE      ? MODEL_UNREACHABLE
                         : status == 401 || status == 403 ? MODEL_AUTH_FAILED
                                                          : MODEL_NONE;
        listing_end(listing);
        return;
    }
    listing->work = (struct loop_work){.run = list_parse, .done = list_parsed};
    listing->models->jobs++;
    loop_work(listing->models->loop, &listing->work);
}

/* A server that nobody named, on this machine: most machines have none. */
static bool nobody_is_there(const struct channel *channel) {
    static const struct bytes here = BYTES_INIT("http://127.0.0.1:");
    const struct number_bounds ports = {1, UINT16_MAX};
    struct bytes url = bytes_of(channel->route->connection->base_url);
    int64_t port = 0;
    if (!channel->doubtful || !bytes_begin(url, here)) {
        return false;
    }
    const struct bytes digits = {url.data + here.len, strcspn(url.data + here.len, "/")};
    return number_parse(digits, ports, &port) && knock_refused((uint16_t)port);
}

static void listing_start(struct models *models, struct channel *channel) {
    int64_t age_ms = world_wall_ms(models->world) - channel->listed_ms;
    int64_t keep_ms = !channel->list_failed ? MODEL_LIST_MS
                      : channel->doubtful   ? AGAIN_DOUBTFUL_MS
                                            : AGAIN_MS;
    const struct route *route = channel->route;
    if (route == NULL || channel->listing != NULL || models->closing ||
        route->connection->kind == MODEL_KIND_SCRIPTED ||
        (channel->listed_ms != 0 && age_ms < keep_ms)) {
        return;
    }
    struct listing *listing = mem_new(sizeof *listing);
    listing->models = models;
    listing->channel = channel;
    listing->route = route_ref(channel->route);
    listing->body = text_up_to(BODY_MAX);
    channel->listing = listing;
    char url[CONNECTION_URL_MAX + 64];
    route_url(route, route->connection->kind == MODEL_KIND_ANTHROPIC ? "/v1/models" : "/models",
              url, sizeof url);
    const struct fetch_call call = {
        .method = "GET",
        .url = url,
        .headers = route->headers,
        .header_count = route->header_count,
        .allow = route->allow,
        .limits = {.connect_ms = 3000, .answer_ms = 5000, .total_ms = 8000, .size_max = BODY_MAX},
        .piece = on_piece,
        .done = on_done,
        .ctx = listing,
    };
    bool absent = nobody_is_there(channel);
    if (absent || err_failed(fetch_start(models->options.client, &call, &listing->fetch))) {
        listing->failed = true;
        listing_end(listing);
    }
    if (absent) { /* A doubtful channel is not dropped: it has its route. */
        channel->listed_ms = 0;
    }
}

static void roster_add(struct models *models, struct roster roster) {
    struct roster *added = mem_new(sizeof *added);
    *added = roster;
    added->next = models->rosters;
    models->rosters = added;
    models->roster_task.run = rosters_deliver;
    rosters_check(models);
}

void models_list(struct models *models, void (*each)(void *ctx, const struct model_listed *model),
                 void (*done)(void *ctx), void *ctx) {
    for (struct channel *at = models->channels, *next; at != NULL; at = next) {
        next = at->next;
        listing_start(models, at);
    }
    roster_add(models, (struct roster){.each = each, .done = done, .ctx = ctx});
}

bool listing__wait(struct models *models, struct channel *channel, void (*done)(void *ctx),
                   void *ctx) {
    listing_start(models, channel);
    if (channel->listing == NULL) {
        return false;
    }
    roster_add(models, (struct roster){.done = done, .ctx = ctx});
    return true;
}

void listing__forget(struct models *models, const void *ctx) {
    struct roster **at = &models->rosters;
    while (*at != NULL && (*at)->ctx != ctx) {
        at = &(*at)->next;
    }
    struct roster *roster = *at;
    if (roster != NULL) {
        *at = roster->next;
        mem_free(roster);
    }
}

void listing__stop(struct models *models) {
    for (struct channel *at = models->channels, *next; at != NULL; at = next) {
        next = at->next;
        struct listing *listing = at->listing;
        if (listing != NULL && listing->fetch != NULL) {
            fetch_cancel(listing->fetch);
            listing->failed = true;
            listing_end(listing);
        }
    }
}
