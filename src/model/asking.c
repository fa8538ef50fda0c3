/* asking.c: one call, from the queue until its result was delivered. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "model/models_inside.h"

enum { TOTAL_MS = 1800000 }; /* The default of model_limits.total_ms. */

static uint64_t random_of(const struct models *models) {
    uint64_t random;
    world_random(models->world, &random, sizeof random);
    return random;
}

/* --- Ending ----------------------------------------------------------------------------------- */

static void try_stop(struct asking *asking) {
    trying__stop(asking);
    playing__stop(asking);
    timer_stop(asking->models->loop, &asking->linger);
}

/* Takes the call out of wherever it is; its slot is free after this. */
static void asking_withdraw(struct asking *asking) {
    struct models *models = asking->models;
    struct channel *channel = asking->channel;
    try_stop(asking);
    listing__forget(models, asking);
    timer_stop(models->loop, &asking->wait);
    timer_stop(models->loop, &asking->deadline);
    loop_task_cancel(models->loop, &asking->task);
    if (asking->stage == ASK_QUEUED) {
        channel__dequeue(channel, asking);
    }
    asking->stage = ASK_ENDED;
    if (asking->slot) {
        asking->slot = false;
        models->running--;
        channel__release(channel);
    }
    asking->channel = NULL;
    if (channel != NULL) {
        models__drop_channel(models, channel);
    }
}

static void asking_free(struct asking *asking) {
    struct models *models = asking->models;
    playing__stop(asking);
    stream_done(&asking->stream);
    text_done(&asking->body);
    text_done(&asking->error_body);
    text_done(&asking->rest);
    route_unref(asking->route);
    model_request_free(asking->request);
    mem_free(asking->name);
    mem_free(asking);
    models->live--;
    models__check_closed(models);
}

static uint64_t passed_ms(uint64_t from_ns, uint64_t to_ns) {
    return to_ns > from_ns ? (to_ns - from_ns) / 1000000 : 0;
}

static void asking_deliver(struct loop_task *task) {
    struct asking *asking = CONTAINER_OF(task, struct asking, task);
    struct model_result result = {
        .stop = asking->stream.answer.stop,
        .usage = asking->latest,
        .spent = asking->spent,
        .cost = usage_cost(&asking->spent, &asking->facts.price),
        .failure = asking->failure,
        .tries = asking->tries,
        .first_ms = asking->first_ns != 0 ? passed_ms(asking->begun_ns, asking->first_ns) : 0,
        .total_ms = passed_ms(asking->begun_ns, world_mono_ns(asking->models->world)),
    };
    asking->models->failed += result.failure.cause != MODEL_NONE;
    asking->stage = ASK_TOLD;
    if (asking->watch.done != NULL) {
        asking->watch.done(asking->ctx, &result);
    }
    asking_free(asking);
}

static void asking_end(struct asking *asking) {
    asking_withdraw(asking);
    asking->task.run = asking_deliver;
    loop_soon(asking->models->loop, &asking->task);
}

void asking__fail(struct asking *asking, enum model_cause cause, const char *format, ...) {
    va_list args;
    va_start(args, format);
    model_failure_vset(&asking->failure, cause, format, args);
    va_end(args);
    asking_end(asking);
}

void asking__enter(struct asking *asking) {
    asking->inside++;
}

bool asking__leave(struct asking *asking) {
    asking->inside--;
    if (asking->gone && asking->inside == 0) {
        asking_free(asking);
        return false;
    }
    return !asking->gone;
}

void model_cancel(struct asking *asking) {
    if (asking->stage == ASK_TOLD || asking->gone) {
        return; /* From inside `done`, or a second time from inside a callback. */
    }
    asking_withdraw(asking);
    asking->stream.answer.muted = true;
    asking->gone = true;
    if (asking->inside == 0) {
        asking_free(asking);
    }
}

bool model_is_waiting(const struct asking *asking) {
    return asking->stage == ASK_NEW || asking->stage == ASK_QUEUED || asking->stage == ASK_WAITING;
}

/* --- Tries ------------------------------------------------------------------------------------ */

static void try_start(struct asking *asking) {
    const struct channel *channel = asking->channel;
    const struct route *route = channel->route;
    int64_t resume_at_ms = 0;
    /* What was written for one kind of provider says nothing to another. */
    if (route == NULL ||
        (asking->body.len > 0 && route->connection->kind != asking->route->connection->kind)) {
        asking__fail(asking, MODEL_CONNECTION_CHANGED, "%s",
                     model_cause_text(MODEL_CONNECTION_CHANGED));
        return;
    }
    if (channel__is_broken(channel, asking->models->world, &resume_at_ms)) {
        asking->failure.resume_at_ms = resume_at_ms;
        asking__fail(asking, MODEL_QUOTA, "%s", channel->quota_detail);
        return;
    }
    asking->tries++;
    asking->stage = ASK_TRYING;
    asking->status = 0;
    asking->first_ns = 0;
    asking->streaming = false;
    asking->hint = (struct retry_hint){.timed = false};
    text_clear(&asking->error_body);
    text_clear(&asking->rest);
    /* A connection that was changed meanwhile is used as it is now. */
    route_unref(asking->route);
    asking->route = route_ref(channel->route);
    stream_clear(&asking->stream, route->connection->key);
    if (route->connection->kind == MODEL_KIND_SCRIPTED) {
        playing__start(asking);
    } else {
        trying__start(asking);
    }
}

static void try_first(struct loop_task *task) {
    try_start(CONTAINER_OF(task, struct asking, task));
}

static void try_next(struct timer *timer) {
    struct asking *asking = CONTAINER_OF(timer, struct asking, wait);
    asking__enter(asking);
    if (asking->watch.resumed != NULL) {
        asking->watch.resumed(asking->ctx);
    }
    if (asking__leave(asking)) {
        try_start(asking);
    }
}

static void try_later(struct asking *asking, uint64_t wait_ms) {
    struct model_failure failure = asking->failure;
    asking->models->retried++;
    asking->stage = ASK_WAITING;
    timer_start(asking->models->loop, &asking->wait, wait_ms, try_next);
    asking__enter(asking);
    if (asking->stream.answer.begun && asking->watch.discarded != NULL) {
        asking->watch.discarded(asking->ctx);
    }
    if (!asking->gone && asking->watch.retrying != NULL) {
        asking->watch.retrying(asking->ctx, &failure, wait_ms);
    }
    (void)asking__leave(asking); /* Nothing is done with it after this. */
}

/* Usage of the present try: reported by the provider, else estimated from the bytes seen. Providers
 * that report while they answer have not counted what came since. A try that was refused, or never
 * reached its provider, used nothing; a provider that is silent is working on the prompt. */
static struct usage try_usage(const struct asking *asking) {
    const struct answer *answer = &asking->stream.answer;
    const struct usage seen = usage_estimate(asking->prompt_size, answer_size(answer));
    struct usage usage = {.estimated = false};
    if (!answer->counted) {
        bool is_out = asking->playing != NULL || asking->fetch != NULL;
        bool is_read = answer->begun || asking->streaming ||
                       answer->failure.cause == MODEL_TIMED_OUT ||
                       (answer->failure.cause == MODEL_NONE && is_out && asking->status == 0);
        return is_read ? seen : usage;
    }
    usage = answer->usage;
    if (!answer->stopped && usage.output < seen.output) {
        usage.output = seen.output;
        usage.estimated = true;
    }
    return usage;
}

static void try_count(struct asking *asking) {
    asking->latest = try_usage(asking);
    usage_add(&asking->spent, &asking->latest);
}

void model_get_spent(const struct asking *asking, struct model_spent *ret_spent) {
    struct model_spent spent = {.usage = asking->spent, .tries = asking->tries};
    if (asking->stage == ASK_TRYING) {
        const struct usage now = try_usage(asking);
        usage_add(&spent.usage, &now);
    }
    spent.cost = usage_cost(&spent.usage, &asking->facts.price);
    *ret_spent = spent;
}

void asking__try_over(struct asking *asking) {
    const struct world *world = asking->models->world;
    try_stop(asking);
    try_count(asking);
    asking->failure = asking->stream.answer.failure;
    if (asking->failure.cause == MODEL_NONE) {
        asking->channel->quota_trips = 0;
        asking_end(asking);
        return;
    }
    if (asking->hint.timed) {
        asking->failure.resume_at_ms = world_wall_ms(world) + (int64_t)asking->hint.after_ms;
    }
    if (asking->failure.cause == MODEL_QUOTA) {
        channel__trip(asking->channel, &asking->failure, world);
    }
    const struct retry_try attempt = {.failure = &asking->failure,
                                      .hint = asking->hint,
                                      .tries = asking->tries,
                                      .random = (uint32_t)random_of(asking->models)};
    uint64_t wait_ms;
    if (retry_again(&attempt, &wait_ms)) {
        try_later(asking, wait_ms);
    } else {
        asking_end(asking);
    }
}

static void asking_expire(struct timer *timer) {
    struct asking *asking = CONTAINER_OF(timer, struct asking, deadline);
    if (asking->stage == ASK_TRYING) {
        try_count(asking);
    }
    asking__fail(asking, MODEL_TIMED_OUT, "the call was not done in time, all tries together");
}

void asking__start(struct asking *asking) {
    struct models *models = asking->models;
    uint64_t total_ms = models->options.limits.total_ms;
    asking->begun_ns = world_mono_ns(models->world);
    timer_start(models->loop, &asking->deadline, total_ms != 0 ? total_ms : TOTAL_MS,
                asking_expire);
    /* Never inside the call that freed the slot. */
    asking->stage = ASK_WAITING;
    asking->task.run = try_first;
    loop_soon(models->loop, &asking->task);
}

/* --- Beginning -------------------------------------------------------------------------------- */

/* A model that the price table knows answers questions; another may be for speech or for vectors.
 */
static const char *model_pick(const struct models *models, const struct channel *channel) {
    const struct model_connection *connection = channel->route->connection;
    if (connection->kind == MODEL_KIND_SCRIPTED) {
        return "demo";
    }
    if (connection->model_count > 0) {
        return connection->models[0];
    }
    for (size_t i = 0; i < channel->listed_count; i++) {
        const char *id = channel->listed[i].id;
        if (models__info(models, channel, bytes_of(id)).facts.price.output >= 0) {
            return id;
        }
    }
    return channel->listed_count > 0 ? channel->listed[0].id : NULL;
}

static void asking_set_name(struct asking *asking, struct bytes name, size_t connection_len) {
    char *copy = mem_copy(name.data, name.len);
    mem_free(asking->name);
    asking->name = copy;
    asking->model = (struct bytes){copy + connection_len, name.len - connection_len};
}

static void asking_begin(struct loop_task *task);

static void asking_listed(void *ctx) {
    struct asking *asking = ctx;
    asking->listed = true;
    asking_begin(&asking->task);
}

static void asking_begin(struct loop_task *task) {
    struct asking *asking = CONTAINER_OF(task, struct asking, task);
    struct models *models = asking->models;
    struct bytes name = asking->request->model;
    const char *slash = memchr(name.data, '/', name.len);
    struct bytes connection = {name.data, slash != NULL ? (size_t)(slash - name.data) : name.len};
    asking_set_name(asking, name, connection.len + (slash != NULL));
    if (model_request_failed(asking->request)) {
        asking__fail(asking, MODEL_BAD_REQUEST,
                     "the request has more than %d bytes, or too many messages or tools",
                     REQUEST_SIZE_MAX);
        return;
    }
    struct channel *channel = models__channel(models, connection);
    const char *picked = asking->pick && channel != NULL ? model_pick(models, channel) : NULL;
    /* Nobody knows whether anything is there, or what it is called. */
    bool unknown = channel != NULL && (channel->doubtful || (asking->pick && picked == NULL));
    if (unknown && !asking->listed && listing__wait(models, channel, asking_listed, asking)) {
        return;
    }
    /* The list may have failed at once: the channel may still be doubtful, and not be gone. */
    if (channel == NULL || channel->doubtful) {
        asking__fail(asking, MODEL_MODEL_UNKNOWN, "there is no connection \"%.*s\"",
                     (int)(connection.len < 100 ? connection.len : 100), connection.data);
        return;
    }
    asking->channel = channel;
    if (picked != NULL) {
        asking_set_name(asking, bytes_of(picked), 0);
    }
    if (asking->model.len == 0 || asking->model.len > MODEL_NAME_MAX) {
        asking__fail(asking, MODEL_MODEL_UNKNOWN, "%s",
                     asking->pick ? "the provider lists no models: name one"
                                  : "a model is named CONNECTION/MODEL");
    } else if (models->waiting >= MODEL_QUEUE_MAX) {
        asking__fail(asking, MODEL_OVERLOADED, "%s", model_cause_text(MODEL_OVERLOADED));
    } else {
        asking->facts = models__info(models, channel, asking->model).facts;
        asking->stage = ASK_QUEUED;
        channel__enqueue(channel, asking);
        channel__run(channel);
    }
}

static struct asking *asking_new(struct models *models, struct model_request *request, bool pick,
                                 enum model_priority priority, const struct model_watch *watch,
                                 void *ctx) {
    assert(!models->closing);
    struct asking *asking = mem_new(sizeof *asking);
    *asking = (struct asking){.models = models,
                              .request = request,
                              .pick = pick,
                              .priority = priority,
                              .watch = *watch,
                              .ctx = ctx,
                              .prompt_size = model_request_text_size(request),
                              .facts = {.price = USAGE_PRICE_NONE},
                              .task = {.run = asking_begin}};
    stream_init(&asking->stream, /* wire */ NULL, &asking->watch, ctx, random_of(models));
    asking->stream.answer_tool = request->schema.len > 0;
    text_init(&asking->body, (size_t)REQUEST_SIZE_MAX * 2);
    text_init(&asking->error_body, FAULT_BODY_MAX);
    text_init(&asking->rest, FETCH_HELD_MAX);
    models->live++;
    models->asked++;
    loop_soon(models->loop, &asking->task);
    return asking;
}

struct asking *model_ask(struct models *models, struct model_request *request,
                         enum model_priority priority, const struct model_watch *watch, void *ctx) {
    return asking_new(models, request, /* pick */ false, priority, watch, ctx);
}

struct asking *models_connection_test(struct models *models, const char *name,
                                      const struct model_watch *watch, void *ctx) {
    struct model_request *request = model_request_new(bytes_of(name));
    model_request_add_message(request, MODEL_USER);
    model_request_add_text(request, BYTES("Answer with the one word: ok"));
    request->output_max = 256; /* One that thinks needs more than the word. */
    bool pick = strchr(name, '/') == NULL;
    return asking_new(models, request, pick, MODEL_FOREGROUND, watch, ctx);
}
