/* asking.c: one call, from the queue until it was told. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "model/models_inside.h"

enum { TOTAL_MS = 1800000 }; /* The default of model_limits.total_ms. */

static uint64_t now_ns(const struct asking *asking) {
    return world_mono_ns(asking->models->world);
}

static int64_t now_ms(const struct asking *asking) {
    return world_wall_ms(asking->models->world);
}

static uint64_t random_of(const struct models *models) {
    uint64_t random;
    world_random(models->world, &random, sizeof random);
    return random;
}

/* --- Ending ----------------------------------------------------------------------------------- */

static void asking_free(struct asking *asking) {
    playing__stop(asking);
    stream_done(&asking->stream);
    text_done(&asking->body);
    text_done(&asking->error_body);
    text_done(&asking->rest);
    route_unref(asking->route);
    model_request_free(asking->request);
    mem_free(asking->name);
    mem_free(asking);
}

static void stop_try(struct asking *asking) {
    trying__stop(asking);
    playing__stop(asking);
    timer_stop(asking->models->loop, &asking->linger);
}

/* Takes it out of wherever it is; its slot is free after this. */
static void withdraw(struct asking *asking) {
    struct models *models = asking->models;
    struct channel *channel = asking->channel;
    stop_try(asking);
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

static void forget(struct asking *asking) {
    struct models *models = asking->models;
    asking_free(asking);
    models->live--;
    models__check_closed(models);
}

static uint64_t passed_ms(uint64_t from_ns, uint64_t to_ns) {
    return to_ns > from_ns ? (to_ns - from_ns) / 1000000 : 0;
}

static void tell_done(struct loop_task *task) {
    struct asking *asking = CONTAINER_OF(task, struct asking, task);
    struct models *models = asking->models;
    uint64_t end_ns = now_ns(asking);
    struct model_result result = {
        .stop = asking->stream.answer.stop,
        .usage = asking->latest,
        .spent = asking->spent,
        .cost = usage_cost(&asking->spent, &asking->facts.price),
        .failure = asking->failure,
        .tries = asking->tries,
        .first_ms = asking->first_ns != 0 ? passed_ms(asking->begun_ns, asking->first_ns) : 0,
        .total_ms = passed_ms(asking->begun_ns, end_ns),
    };
    models->failed += result.failure.cause != MODEL_NONE;
    asking->stage = ASK_TOLD;
    if (asking->watch.done != NULL) {
        asking->watch.done(asking->ctx, &result);
    }
    forget(asking);
}

static void end(struct asking *asking) {
    withdraw(asking);
    asking->task.run = tell_done;
    loop_soon(asking->models->loop, &asking->task);
}

void asking__fail(struct asking *asking, enum model_cause cause, const char *format, ...) {
    char words[sizeof asking->failure.detail];
    va_list args;
    va_start(args, format);
    if (vsnprintf(words, sizeof words, format, args) < 0) {
        words[0] = '\0';
    }
    va_end(args);
    model_failure_set(&asking->failure, cause, "%s", words);
    end(asking);
}

void asking__enter(struct asking *asking) {
    asking->inside++;
}

bool asking__leave(struct asking *asking) {
    asking->inside--;
    if (!asking->gone || asking->inside > 0) {
        return !asking->gone;
    }
    forget(asking);
    return false;
}

void model_cancel(struct asking *asking) {
    if (asking->stage == ASK_TOLD || asking->gone) {
        return; /* From inside `done`, or a second time from inside a callback. */
    }
    withdraw(asking);
    asking->stream.answer.muted = true;
    asking->gone = true;
    if (asking->inside == 0) {
        forget(asking);
    }
}

bool model_is_waiting(const struct asking *asking) {
    return asking->stage == ASK_NEW || asking->stage == ASK_QUEUED || asking->stage == ASK_WAITING;
}

/* --- Between two tries ------------------------------------------------------------------------ */

static void try_now(struct asking *asking) {
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
    asking->route = route_ref(asking->channel->route);
    stream_clear(&asking->stream, asking->route->connection->key);
    if (asking->route->connection->kind == MODEL_KIND_SCRIPTED) {
        playing__start(asking);
    } else {
        trying__start(asking);
    }
}

/* What was written for one kind of provider says nothing to another. */
static bool route_fits(const struct asking *asking) {
    const struct route *route = asking->channel->route;
    return route != NULL &&
           (asking->body.len == 0 || route->connection->kind == asking->route->connection->kind);
}

static void go_on(struct asking *asking) {
    int64_t resume_at_ms = 0;
    if (!route_fits(asking)) {
        asking__fail(asking, MODEL_CONNECTION_CHANGED, "%s",
                     model_cause_text(MODEL_CONNECTION_CHANGED));
    } else if (channel__is_broken(asking->channel, asking->models->world, &resume_at_ms)) {
        asking->failure.resume_at_ms = resume_at_ms;
        asking__fail(asking, MODEL_QUOTA, "%s", asking->channel->quota_detail);
    } else {
        try_now(asking);
    }
}

static void wait_over(struct timer *timer) {
    struct asking *asking = CONTAINER_OF(timer, struct asking, wait);
    asking__enter(asking);
    if (asking->watch.resumed != NULL) {
        asking->watch.resumed(asking->ctx);
    }
    if (asking__leave(asking)) {
        go_on(asking);
    }
}

static void first_try(struct loop_task *task) {
    go_on(CONTAINER_OF(task, struct asking, task));
}

static void again(struct asking *asking, uint64_t wait_ms) {
    struct model_failure failure = asking->failure;
    bool told = asking->stream.answer.begun;
    asking->models->retried++;
    asking->stage = ASK_WAITING;
    timer_start(asking->models->loop, &asking->wait, wait_ms, wait_over);
    asking__enter(asking);
    if (told && asking->watch.discarded != NULL) {
        asking->watch.discarded(asking->ctx);
    }
    if (!asking->gone && asking->watch.retrying != NULL) {
        asking->watch.retrying(asking->ctx, &failure, wait_ms);
    }
    (void)asking__leave(asking); /* Nothing is done with it after this. */
}

/* Whether the provider took the prompt. A provider that is silent is working on it. */
static bool is_read(const struct asking *asking) {
    const struct answer *answer = &asking->stream.answer;
    bool is_out = asking->playing != NULL || asking->fetch != NULL;
    if (answer->begun || asking->streaming) {
        return true;
    }
    return answer->failure.cause == MODEL_NONE ? is_out && asking->status == 0
                                               : answer->failure.cause == MODEL_TIMED_OUT;
}

/* Usage of the present try: reported by the provider, else estimated from the bytes seen. Providers
 * that report while they answer have not counted what came since. A try that was refused, or never
 * reached its provider, used nothing. */
static struct usage try_usage(const struct asking *asking) {
    const struct answer *answer = &asking->stream.answer;
    const struct usage seen = usage_estimate(asking->prompt_size, answer_size(answer));
    struct usage usage = {.estimated = false};
    if (!answer->counted) {
        return is_read(asking) ? seen : usage;
    }
    usage = answer->usage;
    if (!answer->stopped && usage.output < seen.output) {
        usage.output = seen.output;
        usage.estimated = true;
    }
    return usage;
}

static void count_try(struct asking *asking) {
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
    stop_try(asking);
    count_try(asking);
    asking->failure = asking->stream.answer.failure;
    if (asking->failure.cause == MODEL_NONE) {
        asking->channel->quota_trips = 0;
        end(asking);
        return;
    }
    if (asking->hint.timed) {
        asking->failure.resume_at_ms = now_ms(asking) + (int64_t)asking->hint.after_ms;
    }
    if (asking->failure.cause == MODEL_QUOTA) {
        channel__trip(asking->channel, &asking->failure, asking->models->world);
    }
    const struct retry_try attempt = {.failure = &asking->failure,
                                      .hint = asking->hint,
                                      .tries = asking->tries,
                                      .random = (uint32_t)random_of(asking->models)};
    uint64_t wait_ms;
    if (retry_again(&attempt, &wait_ms)) {
        again(asking, wait_ms);
    } else {
        end(asking);
    }
}

static void deadline_over(struct timer *timer) {
    struct asking *asking = CONTAINER_OF(timer, struct asking, deadline);
    if (asking->stage == ASK_TRYING) {
        count_try(asking);
    }
    asking__fail(asking, MODEL_TIMED_OUT, "the call was not done in time, all tries together");
}

/* --- Beginning -------------------------------------------------------------------------------- */

void asking__start(struct asking *asking) {
    struct models *models = asking->models;
    uint64_t total_ms = models->options.limits.total_ms;
    asking->begun_ns = now_ns(asking);
    timer_start(models->loop, &asking->deadline, total_ms != 0 ? total_ms : TOTAL_MS,
                deadline_over);
    /* Never inside the call that freed the slot. */
    asking->stage = ASK_WAITING;
    asking->task.run = first_try;
    loop_soon(models->loop, &asking->task);
}

static void split_name(struct asking *asking, struct bytes *ret_connection) {
    struct bytes name = asking->request->model;
    asking->name = mem_copy(name.data, name.len);
    const char *slash = memchr(asking->name, '/', name.len);
    size_t len = slash != NULL ? (size_t)(slash - asking->name) : name.len;
    *ret_connection = (struct bytes){asking->name, len};
    size_t skip = slash != NULL ? len + 1 : len;
    asking->model = (struct bytes){asking->name + skip, name.len - skip};
}

static bool is_priced(const struct asking *asking, struct bytes model) {
    const struct channel *channel = asking->channel;
    struct model_info info = models__info(asking->models, channel, model);
    return info.facts.price.output >= 0;
}

/* One that the price table knows answers questions; another may be for speech or for vectors. */
static const char *pick_model(const struct asking *asking) {
    const struct channel *channel = asking->channel;
    const struct model_connection *connection = channel->route->connection;
    if (connection->kind == MODEL_KIND_SCRIPTED) {
        return "demo";
    }
    if (connection->model_count > 0) {
        return connection->models[0];
    }
    for (size_t i = 0; i < channel->listed_count; i++) {
        const char *id = channel->listed[i].id;
        if (is_priced(asking, bytes_of(id))) {
            return id;
        }
    }
    return channel->listed_count > 0 ? channel->listed[0].id : NULL;
}

static void begin(struct loop_task *task);

static void begin_again(void *ctx) {
    struct asking *asking = ctx;
    asking->listed = true;
    begin(&asking->task);
}

/* Nobody knows whether anything is there, or what it is called. */
static bool waits_for_list(struct asking *asking, struct channel *channel) {
    bool wanted = channel->doubtful || (asking->pick && pick_model(asking) == NULL);
    return wanted && !asking->listed && listing__wait(asking->models, channel, begin_again, asking);
}

static void enqueue(struct asking *asking) {
    struct models *models = asking->models;
    const char *picked = asking->pick ? pick_model(asking) : NULL;
    if (picked != NULL) {
        mem_free(asking->name);
        asking->name = mem_copy(picked, strlen(picked));
        asking->model = (struct bytes){asking->name, strlen(picked)};
    }
    if (asking->model.len == 0 || asking->model.len > MODEL_NAME_MAX) {
        asking__fail(asking, MODEL_MODEL_UNKNOWN, "%s",
                     asking->pick ? "the provider lists no models: name one"
                                  : "a model is named CONNECTION/MODEL");
    } else if (models->waiting >= MODEL_QUEUE_MAX) {
        asking__fail(asking, MODEL_OVERLOADED, "%s", model_cause_text(MODEL_OVERLOADED));
    } else {
        asking->facts = models__info(models, asking->channel, asking->model).facts;
        asking->stage = ASK_QUEUED;
        channel__enqueue(asking->channel, asking);
        channel__run(asking->channel);
    }
}

static void begin(struct loop_task *task) {
    struct asking *asking = CONTAINER_OF(task, struct asking, task);
    struct bytes connection;
    mem_free(asking->name);
    split_name(asking, &connection);
    asking->channel = models__channel(asking->models, connection);
    if (model_request_failed(asking->request)) {
        asking__fail(asking, MODEL_BAD_REQUEST,
                     "the request has more than %d bytes, or too many messages or tools",
                     REQUEST_SIZE_MAX);
    } else if (asking->channel != NULL && waits_for_list(asking, asking->channel)) {
        asking->channel = NULL; /* It may be gone by then. */
    } else if (asking->channel == NULL || asking->channel->doubtful) {
        asking->channel = NULL;
        asking__fail(asking, MODEL_MODEL_UNKNOWN, "there is no connection \"%.*s\"",
                     (int)(connection.len < 100 ? connection.len : 100), connection.data);
    } else {
        enqueue(asking);
    }
}

static struct asking *ask(struct models *models, struct model_request *request, bool pick,
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
                              .task = {.run = begin}};
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
    return ask(models, request, /* pick */ false, priority, watch, ctx);
}

struct asking *models_connection_test(struct models *models, const char *name,
                                      const struct model_watch *watch, void *ctx) {
    struct model_request *request = model_request_new(bytes_of(name));
    model_request_add_message(request, MODEL_USER);
    model_request_add_text(request, BYTES("Answer with the one word: ok"));
    request->output_max = 256; /* One that thinks needs more than the word. */
    bool pick = strchr(name, '/') == NULL;
    return ask(models, request, pick, MODEL_FOREGROUND, watch, ctx);
}
