/* asking.c: a call, from its beginning through the queue and its tries until its result was
 * delivered. A try itself is in posting.c (over HTTP) or playing.c (the scripted model); when it is
 * over, asking__try_over decides whether the call ends, waits, or goes back into the queue.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "model/calls/inside.h"
#include "rules/provider/no_model.h"

enum {
    TOTAL_MS = 1800000,    /* Default of model_limits. */
    PAID_MAX = 8,          /* Tries that were paid for, and failed: the call is not made again. */
    GATEWAY_TIMEOUT = 504, /* The prompt had passed the gateway. */
};

static uint64_t random_of(const struct models *models) {
    uint64_t random;
    world_random(models->world, &random, sizeof random);
    return random;
}

/* --- Ending ----------------------------------------------------------------------------------- */

static void try_stop(struct asking *asking) {
    posting__stop(asking);
    playing__stop(asking);
}

/* Takes the call out of wherever it is; its slot is free after this. */
static void asking_withdraw(struct asking *asking) {
    struct models *models = asking->models;
    struct channel *channel = asking->channel;
    try_stop(asking);
    listing__forget(models, asking);
    timer_stop(models->loop, &asking->deadline);
    loop_task_cancel(models->loop, &asking->task);
    if (asking->stage == ASK_QUEUED) {
        channel__dequeue(channel, asking);
    }
    bool has_slot = asking->stage == ASK_TRYING || asking->stage == ASK_WAITING;
    asking->stage = ASK_ENDED;
    if (has_slot) {
        models->running--;
        channel__release(channel, asking);
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

/* from_ns 0: the call was never sent. */
static uint64_t passed_ms(uint64_t from_ns, uint64_t to_ns) {
    return from_ns != 0 && to_ns > from_ns ? (to_ns - from_ns) / 1000000 : 0;
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
        .without = asking->wanted,
        .model = asking->model,
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
    bool gone = asking->stage == ASK_GONE;
    if (gone && asking->inside == 0) {
        asking_free(asking);
    }
    return !gone;
}

void model_cancel(struct asking *asking) {
    if (asking->stage == ASK_TOLD || asking->stage == ASK_GONE) {
        return; /* From inside `done`, or a second time from inside a callback. */
    }
    asking_withdraw(asking);
    asking->stream.answer.muted = true;
    asking->stage = ASK_GONE;
    if (asking->inside == 0) {
        asking_free(asking);
    }
}

bool model_is_waiting(const struct asking *asking) {
    return asking->stage == ASK_NEW || asking->stage == ASK_QUEUED || asking->stage == ASK_WAITING;
}

int64_t model_silence_ms(const struct asking *asking) {
    const uint64_t now_ns = world_mono_ns(asking->models->world);
    return asking->heard_ns == 0 ? -1 : (int64_t)((now_ns - asking->heard_ns) / 1000000);
}

/* --- Between two tries ------------------------------------------------------------------------ */

static void try_start(struct asking *asking);

/* The wait is over, if there was one. */
static void try_resume(struct asking *asking) {
    const bool waited = asking->told_ms != 0;
    asking->told_ms = 0;
    asking__enter(asking);
    if (waited && asking->watch.resumed != NULL) {
        asking->watch.resumed(asking->ctx);
    }
    if (asking__leave(asking)) {
        try_start(asking);
    }
}

/* Usage of the present try: reported by the provider, else estimated from the bytes seen. Providers
 * that report while they answer have not counted what came since. A try that was refused, or never
 * reached its provider, used nothing; a provider that is silent is working on the prompt. */
static struct usage try_usage(const struct asking *asking) {
    const struct answer *answer = &asking->stream.answer;
    struct usage seen = usage_estimate(asking->prompt_size, answer_size(answer));
    seen.searches = answer->paid_searches;
    struct usage usage = {.estimated = false};
    if (!answer->counted) {
        bool is_out = asking->playing != NULL || asking->fetch != NULL;
        bool is_read = answer->begun || asking->streaming ||
                       answer->failure.cause == MODEL_TIMED_OUT ||
                       answer->failure.status == GATEWAY_TIMEOUT ||
                       (answer->failure.cause == MODEL_NONE && is_out && asking->status == 0);
        return is_read ? seen : usage;
    }
    usage = answer->usage;
    if (!answer->stopped && usage.output < seen.output) {
        usage.output = seen.output;
        usage.estimated = true;
    }
    if (!answer->stopped && usage.searches < seen.searches) {
        usage.searches = seen.searches;
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
    /* Nobody was asked for a price before the first try. */
    spent.cost = spent.tries == 0 ? (struct usage_cost){.known = true}
                                  : usage_cost(&spent.usage, &asking->facts.price);
    *ret_spent = spent;
}

/* Told to its watch: the try is void, and the next one comes after that wait. The call is not used
 * after this. */
static void asking_tell_retry(struct asking *asking, uint64_t wait_ms) {
    struct model_failure failure = asking->failure;
    asking->models->retried++;
    asking__enter(asking);
    if (asking->stream.answer.begun && asking->watch.discarded != NULL) {
        asking->watch.discarded(asking->ctx);
    }
    if (asking->stage != ASK_GONE && asking->watch.retrying != NULL) {
        asking->watch.retrying(asking->ctx, &failure, wait_ms);
    }
    (void)asking__leave(asking);
}

/* False: it does not wait until then. */
static bool asking_is_patient(struct asking *asking, uint64_t due_ms) {
    if (asking->until_ms == 0) {
        asking->until_ms = models__now_ms(asking->models) +
                           outage_patience_ms(asking->patience, models__outage_ms(asking->models));
    }
    return due_ms <= asking->until_ms;
}

/* Ends it, since it does not wait until then. A caller that yields gets the time, too. */
static void asking_give_up(struct asking *asking, uint64_t due_ms) {
    const uint64_t now_ms = models__now_ms(asking->models);
    struct model_failure *failure = &asking->failure;
    if (asking->patience == PATIENCE_YIELDS && failure->resume_at_ms == 0 && due_ms > now_ms) {
        failure->resume_at_ms = world_wall_ms(asking->models->world) + (int64_t)(due_ms - now_ms);
    }
    asking_end(asking);
}

/* The earliest next try of a call in the queue, as far as is known. */
static uint64_t asking_due_ms(const struct asking *asking) {
    const struct channel *channel = asking->channel;
    int64_t resume_at_ms;
    uint64_t from_ms = 0;
    if (channel__is_broken(channel, asking->models->world, &resume_at_ms)) {
        from_ms = channel->quota_until_ns / 1000000;
    } else if (outage_is_away(&channel->outage)) {
        from_ms = channel->outage.next_ms;
    }
    return from_ms > asking->not_before_ms ? from_ms : asking->not_before_ms;
}

/* A call that only waits for a slot has all the time. One that waits for a provider may wait for a
 * probe, which hangs: nobody knows when the next try is. */
static void on_patience_over(struct timer *timer) {
    struct asking *asking = CONTAINER_OF(timer, struct asking, deadline);
    const uint64_t now_ms = models__now_ms(asking->models), due_ms = asking_due_ms(asking);
    if (outage_is_away(&asking->channel->outage)) {
        asking->failure = asking->channel->away;
        asking_give_up(asking,
                       due_ms > now_ms ? due_ms : now_ms + models__outage_ms(asking->models));
    }
}

/* In the queue, for longer than its patience it does not wait. */
static void asking_limit_wait(struct asking *asking) {
    const uint64_t now_ms = models__now_ms(asking->models), until_ms = asking->until_ms;
    if (until_ms != 0 && asking->patience != PATIENCE_AGENT) {
        timer_start(asking->models->loop, &asking->deadline,
                    until_ms > now_ms ? until_ms - now_ms : 0, on_patience_over);
    }
}

/* Back into the queue, without a slot. */
static void asking_requeue(struct asking *asking, uint64_t wait_ms) {
    struct models *models = asking->models;
    struct channel *channel = asking->channel;
    const uint64_t now_ms = models__now_ms(models);
    timer_stop(models->loop, &asking->deadline);
    asking->stage = ASK_QUEUED;
    asking->not_before_ms = now_ms + wait_ms;
    const uint64_t due_ms = asking_due_ms(asking);
    asking->told_ms = due_ms;
    models->running--;
    channel__enqueue(channel, asking, QUEUE_FIRST);
    asking_limit_wait(asking);
    channel__release(channel, asking);
    asking_tell_retry(asking, due_ms > now_ms ? due_ms - now_ms : 0);
}

void asking__tell_wait(struct asking *asking) {
    const struct channel *channel = asking->channel;
    const uint64_t now_ms = models__now_ms(asking->models), due_ms = asking_due_ms(asking);
    int64_t resume_at_ms = 0;
    const bool broken = channel__is_broken(channel, asking->models->world, &resume_at_ms);
    const bool patient = asking_is_patient(asking, due_ms);
    asking_limit_wait(asking);
    if (due_ms <= now_ms || due_ms == asking->told_ms) {
        return;
    }
    if (broken || due_ms > asking->not_before_ms) { /* For its provider, not by itself. */
        asking->failure = channel->away;
    }
    if (!patient || (broken && asking->patience != PATIENCE_AGENT)) {
        asking->failure.resume_at_ms = broken ? resume_at_ms : asking->failure.resume_at_ms;
        asking_give_up(asking, due_ms);
        return;
    }
    asking->told_ms = due_ms;
    if (asking->watch.retrying != NULL) {
        const struct model_failure failure = asking->failure;
        asking__enter(asking);
        asking->watch.retrying(asking->ctx, &failure, due_ms - now_ms);
        (void)asking__leave(asking); /* The call is not used after this. */
    }
}

/* Until its next try, the call waits in the queue, with all others of its connection. */
static void asking_wait(struct asking *asking, bool again, uint64_t wait_ms) {
    struct channel *channel = asking->channel;
    const uint64_t now_ms = models__now_ms(asking->models);
    const bool goes_on = again && asking->kind == ASKING_USUAL &&
                         (asking->patience == PATIENCE_NONE || asking->paid < PAID_MAX) &&
                         asking_is_patient(asking, now_ms + wait_ms);
    if (goes_on && channel->route == NULL) {
        asking__fail(asking, MODEL_CONNECTION_CHANGED, "%s",
                     model_cause_text(MODEL_CONNECTION_CHANGED));
    } else if (goes_on) {
        asking_requeue(asking, wait_ms);
    } else {
        asking_give_up(asking, again ? now_ms + wait_ms : 0);
    }
}

/* A try failed, and its connection is away by that, or the call alone. */
static void asking_retry(struct asking *asking, bool away) {
    struct channel *channel = asking->channel;
    const bool garbled = asking->failure.cause == MODEL_BAD_RESPONSE;
    const unsigned failures = channel__failures(channel, asking);
    const unsigned tries = asking->tries - (garbled ? 0 : asking->tries_slept);
    const struct outage_wait own = {.first_ms = models__outage_ms(asking->models),
                                    .failures = garbled || failures < tries ? tries : failures,
                                    .hurried = asking->patience == PATIENCE_PERSON ||
                                               channel__is_hurried(channel),
                                    .random = (uint32_t)random_of(asking->models)};
    const struct retry_try attempt = {.failure = &asking->failure,
                                      .hint = asking->hint,
                                      .tries = own.failures,
                                      .patience = asking->patience,
                                      .hurried = own.hurried,
                                      .first_ms = own.first_ms,
                                      .random = own.random};
    uint64_t wait_ms = 0;
    const bool again = retry_again(&attempt, &wait_ms);
    if (away && !again && asking->hint.timed) {
        model_failure_add_time(&asking->failure, /* connection */ NULL);
    }
    /* A time that is far away may be one for this model, or this kind of request: others ask for
     * themselves, one after the other. */
    const bool named = asking->hint.timed && asking->hint.after_ms <= MODEL_WAIT_MAX_MS;
    const bool ours = again && (named || !asking->hint.timed);
    if (away) {
        /* A call that fails more often than its connection waits longer than the others. */
        struct outage_wait common = own;
        common.failures = failures > 0 ? failures : own.failures;
        const uint64_t common_ms = outage_wait_ms(&common);
        channel__fail(channel, asking, ours && (named || wait_ms < common_ms) ? wait_ms : common_ms,
                      named);
    }
    asking_wait(asking, again, wait_ms);
}

/* Failures that may be the key's, the account's or the address's. */
static bool cause_is_of_connection(enum model_cause cause) {
    return cause == MODEL_QUOTA || cause == MODEL_AUTH_FAILED || cause == MODEL_TIMED_OUT ||
           model_cause_is_outage(cause);
}

void asking__try_over(struct asking *asking) {
    struct channel *channel = asking->channel;
    const struct world *world = asking->models->world;
    try_stop(asking);
    try_count(asking);
    asking->failure = asking->stream.answer.failure;
    const enum model_cause cause = asking->failure.cause;
    const bool silent = cause == MODEL_TIMED_OUT, garbled = cause == MODEL_BAD_RESPONSE;
    asking->paid += cause != MODEL_NONE && (silent || asking->stream.answer.begun);
    if (!asking->hint.timed && asking->failure.wait_ms > 0) {
        asking->hint.timed = true;
        asking->hint.after_ms = asking->failure.wait_ms;
    }
    if (asking->hint.timed && cause != MODEL_NONE) {
        asking->failure.resume_at_ms = world_wall_ms(world) + (int64_t)asking->hint.after_ms;
    }
    /* The connection was changed meanwhile. Its old key or address failed, which says nothing about
     * the new one: the call goes on with that. */
    if (asking->route != channel->route && channel->route != NULL && asking->kind == ASKING_USUAL &&
        cause_is_of_connection(cause)) {
        asking_requeue(asking, /* wait_ms */ 0);
        return;
    }
    if (cause == MODEL_QUOTA) {
        channel__trip(channel, &asking->failure, world);
        asking_wait(asking, asking->patience == PATIENCE_AGENT, /* wait_ms */ 0);
        return;
    }
    if (cause == MODEL_RATE_LIMITED) {
        channel__brake(channel, asking);
    }
    const bool outage = model_cause_is_outage(cause);
    /* The provider is there, whatever it says; silence may be that of a long prompt, and bytes of a
     * proxy say nothing: from a provider that answers, neither of them begins an outage. */
    if (!outage && !silent && !garbled) {
        channel__answers(channel, asking);
    }
    if (cause == MODEL_NONE) {
        asking_end(asking);
    } else {
        asking_retry(asking, outage || channel->probe == asking);
    }
}

/* --- The beginning of a try ------------------------------------------------------------------- */

static void try_start(struct asking *asking) {
    const struct channel *channel = asking->channel;
    const struct route *route = channel->route;
    /* What was written for one kind of provider says nothing to another. */
    if (route == NULL ||
        (asking->body.len > 0 && route->connection->kind != asking->route->connection->kind)) {
        asking__fail(asking, MODEL_CONNECTION_CHANGED, "%s",
                     model_cause_text(MODEL_CONNECTION_CHANGED));
        return;
    }
    asking->tries++;
    asking->sent_ns = world_mono_ns(asking->models->world);
    asking->stage = ASK_TRYING;
    asking->status = 0;
    asking->first_ns = 0;
    asking->heard_ns = 0;
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
        posting__start(asking);
    }
}

static void try_first(struct loop_task *task) {
    try_resume(CONTAINER_OF(task, struct asking, task));
}

static void asking_expire(struct timer *timer) {
    struct asking *asking = CONTAINER_OF(timer, struct asking, deadline);
    if (asking->stage == ASK_TRYING) {
        try_count(asking);
    }
    asking__fail(asking, MODEL_TIMED_OUT, "the call was not done in time");
}

void asking__start(struct asking *asking) {
    struct models *models = asking->models;
    uint64_t total_ms = models->options.limits.total_ms;
    asking->begun_ns = asking->begun_ns != 0 ? asking->begun_ns : world_mono_ns(models->world);
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

static void fail_unconnected(struct asking *asking, struct bytes connection) {
    AUTO(mem_release) char *wanted = mem_copy(connection.data, connection.len);
    const char *remedy = models_remedy(wanted);
    if (connection.len == 0) {
        asking__fail(asking, MODEL_MODEL_UNKNOWN, NO_MODEL_DETAIL);
    } else {
        asking__fail(asking, MODEL_MODEL_UNKNOWN, "there is no provider '%.100s'; %s", wanted,
                     remedy != NULL ? remedy : "'drover provider ls' shows those there are");
    }
}

/* A provider that refuses to list its models would refuse a call, too. */
static void fail_unnamed(struct asking *asking, const struct channel *channel) {
    if (asking->kind != ASKING_TEST_ANY) {
        asking__fail(asking, MODEL_MODEL_UNKNOWN, "a model is named CONNECTION/MODEL");
    } else if (channel->list_cause != MODEL_NONE) {
        asking__fail(asking, channel->list_cause, "the provider did not list its models: %s",
                     model_cause_text(channel->list_cause));
    } else {
        asking__fail(asking, MODEL_MODEL_UNKNOWN, "the provider lists no models: name one");
    }
}

static void asking_begin(struct loop_task *task) {
    struct asking *asking = CONTAINER_OF(task, struct asking, task);
    struct models *models = asking->models;
    struct bytes name = asking->request->model;
    const struct bytes connection = model_connection_of(name);
    asking_set_name(asking, name, connection.len + (connection.len < name.len));
    if (model_request_failed(asking->request)) {
        asking__fail(asking, MODEL_BAD_REQUEST,
                     "the request has more than %d bytes, or too many messages or tools",
                     REQUEST_SIZE_MAX);
        return;
    }
    struct channel *channel = models__channel(models, connection);
    const char *picked =
        asking->kind == ASKING_TEST_ANY && channel != NULL ? model_pick(models, channel) : NULL;
    /* Nobody knows whether anything is there, or what it is called. */
    bool unknown = channel != NULL &&
                   (channel->doubtful || (asking->kind == ASKING_TEST_ANY && picked == NULL));
    if (unknown && !asking->listed && listing__wait(models, channel, asking_listed, asking)) {
        return;
    }
    /* The list may have failed at once: the channel may still be doubtful, and not be gone. */
    if (channel == NULL || channel->doubtful) {
        fail_unconnected(asking, connection);
        return;
    }
    asking->channel = channel;
    if (picked != NULL) {
        asking_set_name(asking, bytes_of(picked), 0);
    }
    if (asking->model.len == 0 || asking->model.len > MODEL_NAME_MAX) {
        fail_unnamed(asking, channel);
    } else if (asking->kind != ASKING_USUAL) {
        asking->facts = models__info(models, channel, asking->model).facts;
        channel->running++;
        models->running++;
        asking__start(asking);
    } else if (channel->waiting >= MODEL_QUEUE_MAX) {
        asking__fail(asking, MODEL_OVERLOADED, "%s", model_cause_text(MODEL_OVERLOADED));
    } else {
        asking->facts = models__info(models, channel, asking->model).facts;
        asking->stage = ASK_QUEUED;
        channel__enqueue(channel, asking, QUEUE_LAST);
        channel__run(channel);
    }
}

static struct asking *asking_new(struct models *models, struct model_request *request,
                                 enum asking_kind kind, enum model_priority priority,
                                 const struct model_watch *watch, void *ctx) {
    assert(!models->closing);
    struct asking *asking = mem_new(sizeof *asking);
    *asking = (struct asking){.models = models,
                              .request = request,
                              .kind = kind,
                              .patience = request->patience,
                              .priority = priority,
                              .watch = *watch,
                              .ctx = ctx,
                              .prompt_size = model_request_text_size(request),
                              .facts = {.price = USAGE_PRICE_NONE},
                              .body = text_up_to((size_t)REQUEST_SIZE_MAX * 2),
                              .error_body = text_up_to(ANSWER_TEXT_MAX),
                              .rest = text_up_to(FETCH_HELD_MAX),
                              .task = {.run = asking_begin}};
    stream_init(&asking->stream, /* wire */ NULL, &asking->watch, ctx, random_of(models));
    models->live++;
    models->asked++;
    loop_soon(models->loop, &asking->task);
    return asking;
}

struct asking *model_ask(struct models *models, struct model_request *request,
                         enum model_priority priority, const struct model_watch *watch, void *ctx) {
    return asking_new(models, request, ASKING_USUAL, priority, watch, ctx);
}

struct asking *models_connection_test(struct models *models, const char *name,
                                      const struct model_watch *watch, void *ctx) {
    struct model_request *request = model_request_new(bytes_of(name));
    model_request_add_message(request, MODEL_USER);
    model_request_add_text(request, BYTES("Answer with the one word: ok"));
    request->output_max = 256; /* One that thinks needs more than the word. */
    enum asking_kind kind = strchr(name, '/') == NULL ? ASKING_TEST_ANY : ASKING_TEST;
    return asking_new(models, request, kind, MODEL_FOREGROUND, watch, ctx);
}
