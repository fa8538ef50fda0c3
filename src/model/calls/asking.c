/* asking.c: a call, from the queue until its result was delivered, and its tries over HTTP.
 *
 * The body of a request is written in the pool, once, and sent again with each try. What comes back
 * is fed to the stream; an event that would keep the loop for too long is parsed in the pool, while
 * the server waits.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "model/calls/inside.h"
#include "rules/provider/no_model.h"

enum {
    CONNECT_MS = 10000, /* Defaults of model_limits. */
    ANSWER_MS = 300000,
    STALL_MS = 120000,
    TOTAL_MS = 1800000,
    LINGER_MS = 1000, /* For the end of an answer whose final marker came. */
    BROKEN_MAX = 8,   /* Answers that broke off, and were paid for: the call is not made again. */
    URL_MAX = CONNECTION_URL_MAX + 64,
};
/* The largest answer, with 300 bytes of wrapping for each few of text. */
#define STREAM_SIZE_MAX ((size_t)256 << 20)

/* Work in the pool. A try has at most one of them: its body is built before the first byte of its
 * answer. */
struct pool_job {
    struct loop_work work;
    struct models *models;
    struct asking *asking; /* NULL: orphaned, the result is ignored. */
};

static uint64_t random_of(const struct models *models) {
    uint64_t random;
    world_random(models->world, &random, sizeof random);
    return random;
}

/* --- Ending ----------------------------------------------------------------------------------- */

static void try_stop(struct asking *asking) {
    if (asking->fetch != NULL) {
        fetch_cancel(asking->fetch);
        asking->fetch = NULL;
    }
    if (asking->job != NULL) {
        asking->job->asking = NULL;
        asking->job = NULL;
    }
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

static void try_next(struct timer *timer) {
    try_resume(CONTAINER_OF(timer, struct asking, wait));
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
    channel__release(channel, asking);
    asking_tell_retry(asking, due_ms > now_ms ? due_ms - now_ms : 0);
}

void asking__tell_wait(struct asking *asking) {
    const struct channel *channel = asking->channel;
    const uint64_t now_ms = models__now_ms(asking->models), due_ms = asking_due_ms(asking);
    int64_t resume_at_ms = 0;
    const bool broken = channel__is_broken(channel, asking->models->world, &resume_at_ms);
    if (due_ms <= now_ms || due_ms == asking->told_ms) {
        return;
    }
    if (broken || due_ms > asking->not_before_ms) { /* For its provider, not by itself. */
        asking->failure = channel->away;
    }
    if ((broken && asking->patience != PATIENCE_AGENT) || !asking_is_patient(asking, due_ms)) {
        asking->failure.resume_at_ms = broken ? resume_at_ms : asking->failure.resume_at_ms;
        asking_end(asking);
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

/* The provider is away, or its quota is used up: the call waits in the queue, with all others of
 * its connection. */
static void asking_wait_away(struct asking *asking, bool again, uint64_t wait_ms) {
    struct channel *channel = asking->channel;
    const uint64_t now_ms = models__now_ms(asking->models);
    const bool goes_on = again && asking->kind == ASKING_USUAL &&
                         (asking->patience == PATIENCE_NONE || asking->broken < BROKEN_MAX) &&
                         asking_is_patient(asking, now_ms + wait_ms);
    if (goes_on && channel->route == NULL) {
        asking__fail(asking, MODEL_CONNECTION_CHANGED, "%s",
                     model_cause_text(MODEL_CONNECTION_CHANGED));
    } else if (goes_on) {
        asking_requeue(asking, wait_ms);
    } else {
        asking_end(asking);
    }
}

static void asking_fail_away(struct asking *asking) {
    struct channel *channel = asking->channel;
    const struct outage_wait own = {.first_ms = models__outage_ms(asking->models),
                                    .failures = channel__failures(channel, asking),
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
    if (!again && asking->hint.timed) {
        model_failure_add_time(&asking->failure, /* connection */ NULL);
    }
    /* A time that is far away may be one for this model, or this kind of request: others ask for
     * themselves, one after the other. */
    const bool named = asking->hint.timed && asking->hint.after_ms <= MODEL_WAIT_MAX_MS;
    const bool ours = again && (named || !asking->hint.timed);
    channel__fail(channel, asking, ours ? wait_ms : outage_wait_ms(&own), named);
    asking_wait_away(asking, again, wait_ms);
}

void asking__try_over(struct asking *asking) {
    struct channel *channel = asking->channel;
    const struct world *world = asking->models->world;
    try_stop(asking);
    try_count(asking);
    asking->failure = asking->stream.answer.failure;
    asking->broken += asking->failure.cause != MODEL_NONE && asking->stream.answer.begun;
    const enum model_cause cause = asking->failure.cause;
    if (asking->hint.timed && cause != MODEL_NONE) {
        asking->failure.resume_at_ms = world_wall_ms(world) + (int64_t)asking->hint.after_ms;
    }
    if (cause == MODEL_QUOTA) {
        channel__trip(channel, &asking->failure, world);
        asking_wait_away(asking, asking->patience == PATIENCE_AGENT, /* wait_ms */ 0);
        return;
    }
    if (cause == MODEL_RATE_LIMITED) {
        channel__brake(channel, asking);
    }
    if (model_cause_is_outage(cause)) {
        asking_fail_away(asking);
        return;
    }
    /* The provider is there, whatever it says; silence, and bytes of a proxy, say nothing. */
    if (cause != MODEL_TIMED_OUT && cause != MODEL_BAD_RESPONSE) {
        channel__answers(channel, asking);
    } else if (channel->probe == asking) {
        channel__fail(channel, asking, models__outage_ms(asking->models), /* named */ false);
    }
    const struct retry_try attempt = {.failure = &asking->failure,
                                      .hint = asking->hint,
                                      .tries = asking->tries,
                                      .first_ms = models__outage_ms(asking->models),
                                      .random = (uint32_t)random_of(asking->models)};
    uint64_t wait_ms;
    if (cause == MODEL_NONE || asking->kind != ASKING_USUAL || !retry_again(&attempt, &wait_ms)) {
        asking_end(asking);
        return;
    }
    asking->stage = ASK_WAITING;
    asking->told_ms = models__now_ms(asking->models) + wait_ms;
    timer_start(asking->models->loop, &asking->wait, wait_ms, try_next);
    asking_tell_retry(asking, wait_ms);
}

/* --- Work in the pool ------------------------------------------------------------------------- */

static void job_start(struct asking *asking, struct pool_job *job,
                      void (*run)(struct loop_work *work), void (*done)(struct loop_work *work)) {
    *job = (struct pool_job){
        .work = {.run = run, .done = done}, .models = asking->models, .asking = asking};
    asking->job = job;
    asking->models->jobs++;
    loop_work(asking->models->loop, &job->work);
}

/* The call that wants the result; NULL: none does. */
static struct asking *job_end(struct pool_job *job) {
    job->models->jobs--;
    if (job->asking == NULL) {
        models__check_closed(job->models);
    } else {
        job->asking->job = NULL;
    }
    return job->asking;
}

/* --- Parameters that are refused -------------------------------------------------------------- */

static void request_start(struct asking *asking);

/* The request was refused for a parameter: it is made again without it, within the same try. */
static bool repeat_without(struct asking *asking) {
    static const bool final[MODEL_CAUSE_COUNT] = {
        [MODEL_QUOTA] = true,
        [MODEL_AUTH_FAILED] = true,
        [MODEL_CONTEXT_OVERFLOW] = true,
        [MODEL_REFUSED] = true,
    };
    if (asking->request == NULL || asking->repeats == MODEL_REPEATS_MAX ||
        final[asking->stream.answer.failure.cause]) {
        return false;
    }
    const struct parameter_refusal refusal =
        parameters_refused(asking->status, text_bytes(&asking->error_body), asking->sent);
    asking->without |= refusal.parameters;
    asking->found |= refusal.passing ? 0 : refusal.parameters;
    return refusal.parameters != 0;
}

static void repeat_start(struct asking *asking) {
    asking->repeats++;
    asking->status = 0;
    asking->hint = (struct retry_hint){.timed = false};
    text_clear(&asking->body);
    text_clear(&asking->error_body);
    stream_clear(&asking->stream, asking->route->connection->key);
    request_start(asking);
}

/* A request that is not needed any more: it may be large, so it is freed in the pool. */
struct disposal {
    struct loop_work work;
    struct models *models;
    struct model_request *request; /* Owned. */
};

static void disposal_run(struct loop_work *work) {
    model_request_free(CONTAINER_OF(work, struct disposal, work)->request);
}

static void disposal_done(struct loop_work *work) {
    struct disposal *disposal = CONTAINER_OF(work, struct disposal, work);
    disposal->models->jobs--;
    models__check_closed(disposal->models);
    mem_free(disposal);
}

/* The provider took the request as it is: what it was made without is remembered, and nothing of it
 * is changed any more. */
static void request_taken(struct asking *asking) {
    struct models *models = asking->models;
    AUTO(text_done) struct text name = text_up_to(CONNECTION_NAME_MAX + MODEL_NAME_MAX + 2);
    const parameter_set found = asking->found;
    asking->found = 0;
    if (asking->request != NULL) {
        struct disposal *disposal = mem_new(sizeof *disposal);
        *disposal = (struct disposal){.work = {.run = disposal_run, .done = disposal_done},
                                      .models = models,
                                      .request = asking->request};
        asking->request = NULL;
        models->jobs++;
        loop_work(models->loop, &disposal->work);
    }
    text_addf(&name, "%s/%.*s", asking->channel->name, (int)asking->model.len, asking->model.data);
    const struct model_refused refused = {.name = text_bytes(&name),
                                          .parameters = found,
                                          .until_ms =
                                              world_wall_ms(models->world) + MODEL_REFUSED_MS};
    if (found != 0 && asking->channel->route != NULL) {
        models_refuse(models, &refused);
        if (models->refused != NULL) {
            models->refused(models->refused_ctx, &refused);
        }
    }
}

/* --- The answer ------------------------------------------------------------------------------- */

struct parsing {
    struct pool_job job;
    char *data; /* Owned. */
    size_t len;
    char name[SSE_NAME_MAX + 1];
    json_t *json; /* Owned. */
    struct err parsed;
};

static void answer_feed(struct asking *asking, struct bytes piece);

static void parse_run(struct loop_work *work) {
    struct parsing *parsing = CONTAINER_OF(work, struct parsing, job.work);
    parsing->parsed = stream_parse((struct bytes){parsing->data, parsing->len}, &parsing->json);
}

static void parse_done(struct loop_work *work) {
    struct parsing *parsing = CONTAINER_OF(work, struct parsing, job.work);
    struct asking *asking = job_end(&parsing->job);
    if (asking != NULL) {
        asking__enter(asking);
        stream_take_json(&asking->stream, parsing->name, parsing->parsed, parsing->json);
        if (asking__leave(asking)) {
            size_t len = 0;
            AUTO(mem_release) char *rest = text_take(&asking->rest, &len);
            answer_feed(asking, (struct bytes){rest, len});
        }
    }
    json_release(&parsing->json);
    mem_free(parsing->data);
    mem_free(parsing);
}

static void answer_note_first(struct asking *asking) {
    if (asking->stream.answer.begun && asking->first_ns == 0) {
        asking->first_ns = world_mono_ns(asking->models->world);
        channel__answers(asking->channel, asking);
    }
}

static void answer_linger_over(struct timer *timer) {
    struct asking *asking = CONTAINER_OF(timer, struct asking, linger);
    asking__enter(asking);
    stream_end(&asking->stream);
    if (asking__leave(asking)) {
        asking__try_over(asking);
    }
}

static void answer_feed(struct asking *asking, struct bytes piece) {
    struct stream *stream = &asking->stream;
    struct sse_event event;
    asking__enter(asking);
    while (asking->job == NULL && stream_pull(stream, &piece, &event)) {
        if (event.data.len <= LIMIT_LOOP_PARSE_MAX) {
            stream_take(stream, &event);
            continue;
        }
        /* The server waits until this event is read, and what came behind it too. */
        struct parsing *parsing = mem_new(sizeof *parsing);
        memcpy(parsing->name, event.name.data, event.name.len);
        parsing->data = text_take(&stream->sse.data, &parsing->len);
        text_add(&asking->rest, piece.data, piece.len);
        fetch_pause(asking->fetch);
        job_start(asking, &parsing->job, parse_run, parse_done);
    }
    if (!asking__leave(asking)) {
        return;
    }
    answer_note_first(asking);
    if (asking->job != NULL) {
        return;
    }
    if (stream->answer.failure.cause != MODEL_NONE) {
        asking__try_over(asking);
        return;
    }
    if (stream->over) {
        timer_start(asking->models->loop, &asking->linger, LINGER_MS, answer_linger_over);
    }
    fetch_resume(asking->fetch);
}

static void on_head(void *ctx, const struct fetch_answer *answer) {
    struct asking *asking = ctx;
    struct bytes type;
    /* Some say nothing, or something odd, and stream all the same; JSON and pages are none. */
    bool is_stream = !fetch_answer_header(answer, "content-type", &type) ||
                     (memmem(type.data, type.len, "json", 4) == NULL &&
                      memmem(type.data, type.len, "html", 4) == NULL);
    asking->status = answer->status;
    asking->streaming = answer->status >= 200 && answer->status < 300 && is_stream;
    asking->hint = retry_hint_of(answer, world_wall_ms(asking->models->world));
    if (asking->streaming) {
        request_taken(asking);
    }
}

static void on_piece(void *ctx, struct bytes piece) {
    struct asking *asking = ctx;
    if (asking->streaming) {
        answer_feed(asking, piece);
        return;
    }
    /* The beginning says what was wrong; the rest of a page is nobody's business. */
    size_t room = FAULT_BODY_MAX - asking->error_body.len;
    text_add(&asking->error_body, piece.data, piece.len < room ? piece.len : room);
}

static void on_done(void *ctx, const struct fetch_result *result) {
    struct asking *asking = ctx;
    struct answer *answer = &asking->stream.answer;
    asking->fetch = NULL;
    asking__enter(asking);
    int status = asking->status;
    if (status >= 300 && status < 400) {
        answer_fail(answer, MODEL_BAD_REQUEST,
                    "HTTP %d: the provider is elsewhere; set the base URL to where it is", status);
        answer->failure.status = status;
    } else if (status != 0 && !asking->streaming) {
        fault_of_answer(status, text_bytes(&asking->error_body), asking->route->connection->key,
                        &answer->failure);
        /* Some answer 200 with an error for a body. */
        if (status >= 200 && status < 300 && answer->failure.cause == MODEL_BAD_REQUEST) {
            model_failure_set(&answer->failure, MODEL_BAD_RESPONSE,
                              "HTTP %d with a body that is no stream of events", status);
        }
    } else if (result->fault != FETCH_NONE && !answer->stopped && answer_goes_on(answer)) {
        fault_of_fetch(result->fault, result->detail, asking->route->authority, &answer->failure);
        if (answer->begun && answer->failure.cause == MODEL_UNREACHABLE) {
            answer->failure.cause = MODEL_STREAM_BROKEN;
        }
    }
    bool again = status >= 400 && !asking->streaming && repeat_without(asking);
    if (answer->failure.cause == MODEL_NONE) {
        stream_end(&asking->stream);
    }
    if (!asking__leave(asking)) {
        return;
    }
    if (again) {
        repeat_start(asking);
        return;
    }
    answer_note_first(asking);
    asking__try_over(asking);
}

/* --- The request ------------------------------------------------------------------------------ */

static void request_send(struct asking *asking) {
    const struct model_limits *limits = &asking->models->options.limits;
    char url[URL_MAX];
    route_url(asking->route, asking->stream.wire->path, url, sizeof url);
    const struct fetch_call call = {
        .method = "POST",
        .url = url,
        .headers = asking->route->headers,
        .header_count = asking->route->header_count,
        .body = text_bytes(&asking->body),
        .allow = asking->route->allow,
        .limits = {.connect_ms = limits->connect_ms != 0 ? limits->connect_ms : CONNECT_MS,
                   .answer_ms = limits->answer_ms != 0 ? limits->answer_ms : ANSWER_MS,
                   .stall_ms = limits->stall_ms != 0 ? limits->stall_ms : STALL_MS,
                   .size_max = STREAM_SIZE_MAX},
        .head = on_head,
        .piece = on_piece,
        .done = on_done,
        .ctx = asking,
    };
    if (err_failed(fetch_start(asking->models->options.client, &call, &asking->fetch))) {
        asking__fail(asking, MODEL_OVERLOADED, "%s", model_cause_text(MODEL_OVERLOADED));
    }
}

struct building {
    struct pool_job job;
    struct route *route;
    struct model_request *request; /* Owned; goes back to the call. */
    struct wire_order order;
    parameter_set known; /* Refused, as everybody knows. */
    char *model;         /* Owned. */
    struct text body;
};

static void build_run(struct loop_work *work) {
    struct building *building = CONTAINER_OF(work, struct building, job.work);
    wire_of(building->route->connection->kind)->build(&building->order, &building->body);
}

static void build_done(struct loop_work *work) {
    struct building *building = CONTAINER_OF(work, struct building, job.work);
    struct asking *asking = job_end(&building->job);
    if (asking != NULL) {
        text_done(&asking->body);
        asking->body = building->body;
        asking->request = building->request;
        asking->wanted = building->order.wanted & ~building->known;
        asking->sent = building->order.sent;
        asking->stream.answer_tool = building->order.answer_tool;
        building->request = NULL;
        building->body = text_up_to(0);
    }
    model_request_free(building->request);
    text_done(&building->body);
    route_unref(building->route);
    mem_free(building->model);
    mem_free(building);
    if (asking != NULL && text_failed(&asking->body)) {
        asking__fail(asking, MODEL_BAD_REQUEST, "the request is larger than %d bytes",
                     REQUEST_SIZE_MAX);
    } else if (asking != NULL) {
        request_send(asking);
    }
}

static void request_start(struct asking *asking) {
    const struct model_connection *connection = asking->route->connection;
    asking->stream.wire = wire_of(connection->kind);
    if (asking->body.len > 0) {
        request_send(asking);
        return;
    }
    struct building *building = mem_new(sizeof *building);
    building->route = route_ref(asking->route);
    building->request = asking->request;
    asking->request = NULL;
    building->model = mem_copy(asking->model.data, asking->model.len);
    const struct parameter_target target = models__target(asking->channel, asking->model);
    const struct model_info info = models__info(asking->models, asking->channel, asking->model);
    building->known = parameters_known(&target);
    building->order = (struct wire_order){
        .request = building->request,
        .base_url = connection->base_url,
        .model = {building->model, asking->model.len},
        .facts = asking->facts,
        .refused = parameters_left_out(building->known, info.refused | asking->without),
        .beside_tools = parameters_beside_tools(&target)};
    building->body = text_up_to((size_t)REQUEST_SIZE_MAX * 2);
    job_start(asking, &building->job, build_run, build_done);
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
        request_start(asking);
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
    asking__fail(asking, MODEL_TIMED_OUT, "the call was not done in time, all tries together");
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
        asking__fail(asking, MODEL_MODEL_UNKNOWN, "%s",
                     asking->kind == ASKING_TEST_ANY ? "the provider lists no models: name one"
                                                     : "a model is named CONNECTION/MODEL");
    } else if (asking->kind != ASKING_USUAL) {
        asking->facts = models__info(models, channel, asking->model).facts;
        channel->running++;
        models->running++;
        asking__start(asking);
    } else if (models->waiting >= MODEL_QUEUE_MAX) {
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
                              .error_body = text_up_to(FAULT_BODY_MAX),
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
