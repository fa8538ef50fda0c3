/* posting.c: a single try of a call over HTTP.
 *
 *   request   written in the pool, once, and sent again with each try
 *   answer    fed to the stream; an event that would keep the loop for too long is parsed in the
 *             pool, while the server waits
 *   refusal   of a parameter: the request is made again without it, within the same try
 *
 * It ends with asking__try_over, or asking__fail, or is stopped from outside. */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "model/calls/inside.h"

enum {
    CONNECT_MS = 10000, /* Defaults of model_limits. */
    ANSWER_MS = 300000,
    STALL_MS = 120000,
    LINGER_MS = 1000, /* For the end of an answer whose final marker came. */
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

/* Remembers refusals of the model here, and reports them to be stored. */
static void refused_learn(const struct asking *asking, parameter_set parameters) {
    struct models *models = asking->models;
    AUTO(text_done) struct text name = text_up_to(CONNECTION_NAME_MAX + MODEL_NAME_MAX + 2);
    text_addf(&name, "%s/%.*s", asking->channel->name, (int)asking->model.len, asking->model.data);
    const struct model_refused refused = {.name = text_bytes(&name),
                                          .parameters = parameters,
                                          .until_ms =
                                              world_wall_ms(models->world) + MODEL_REFUSED_MS};
    if (parameters != 0 && asking->channel->route != NULL) {
        models_refuse(models, &refused);
        if (models->refused != NULL) {
            models->refused(models->refused_ctx, &refused);
        }
    }
}

/* An answer without the tools that it was to use would be invented. */
static bool needs_tools(const struct model_request *request) {
    return request->tool_count > 0 && !request->no_calls;
}

/* The request was refused for a parameter: it is made again without it, within the same try. */
static bool repeat_without(struct asking *asking) {
    static const bool final[MODEL_CAUSE_COUNT] = {
        [MODEL_QUOTA] = true,   [MODEL_AUTH_FAILED] = true,  [MODEL_CONTEXT_OVERFLOW] = true,
        [MODEL_REFUSED] = true, [MODEL_BAD_RESPONSE] = true,
    };
    if (asking->request == NULL || asking->repeats == MODEL_REPEATS_MAX ||
        final[asking->stream.answer.failure.cause]) {
        return false;
    }
    const struct parameter_refusal refusal =
        parameters_refused(asking->status, text_bytes(&asking->error_body), asking->sent);
    asking->without |= refusal.parameters;
    asking->found |= refusal.passing ? 0 : refusal.parameters;
    /* No request will be taken that could show it: a call that needs its tools ends here. */
    if ((refusal.parameters & PARAMETER_SET(TOOLS)) != 0 && needs_tools(asking->request)) {
        refused_learn(asking, PARAMETER_SET(TOOLS));
    }
    return refusal.parameters != 0;
}

static void repeat_start(struct asking *asking) {
    asking->repeats++;
    asking->status = 0;
    asking->hint = (struct retry_hint){.timed = false};
    text_clear(&asking->body);
    text_clear(&asking->error_body);
    stream_clear(&asking->stream, asking->route->connection->key);
    posting__start(asking);
}

static void request_release(void *request) {
    model_request_free(request);
}

/* The provider took the request as it is: what it was made without is remembered, and nothing of it
 * is changed any more. */
static void request_taken(struct asking *asking) {
    struct models *models = asking->models;
    const parameter_set found = asking->found;
    asking->found = 0;
    if (asking->request != NULL) {
        loop_free(models->loop, request_release, asking->request, SIZE_MAX);
        asking->request = NULL;
    }
    refused_learn(asking, found);
}

/* --- The answer ------------------------------------------------------------------------------- */

struct parsing {
    struct pool_job job;
    char *owned;       /* The data stands in it. */
    struct bytes data; /* The event's. */
    char name[SSE_NAME_MAX + 1];
    json_t *json; /* Owned. */
    struct err parsed;
};

static void answer_feed(struct asking *asking, struct bytes piece);

static void parse_run(struct loop_work *work) {
    struct parsing *parsing = CONTAINER_OF(work, struct parsing, job.work);
    parsing->parsed = stream_parse(parsing->data, &parsing->json);
}

/* The event may be large: it is freed in the pool. */
static void on_event_parse(struct loop_work *work) {
    struct parsing *parsing = CONTAINER_OF(work, struct parsing, job.work);
    parse_run(work);
    mem_free(parsing->owned);
    parsing->owned = NULL;
}

static void on_event_parsed(struct loop_work *work) {
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
    mem_free(parsing->owned);
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
        /* The server waits until this event is read, and what followed it. */
        struct parsing *parsing = mem_new(sizeof *parsing);
        memcpy(parsing->name, event.name.data, event.name.len);
        parsing->owned = sse_take(&stream->sse, &parsing->data);
        text_add(&asking->rest, piece.data, piece.len);
        fetch_pause(asking->fetch);
        job_start(asking, &parsing->job, on_event_parse, on_event_parsed);
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
    asking->heard_ns = world_mono_ns(asking->models->world);
    asking->status = answer->status;
    asking->streaming = answer->status >= 200 && answer->status < 300 && is_stream;
    asking->hint = retry_hint_of(answer, world_wall_ms(asking->models->world));
    if (asking->streaming) {
        request_taken(asking);
    }
}

static void on_piece(void *ctx, struct bytes piece) {
    struct asking *asking = ctx;
    asking->heard_ns = world_mono_ns(asking->models->world);
    if (asking->streaming) {
        answer_feed(asking, piece);
        return;
    }
    /* The beginning says what was wrong; the rest of a page is nobody's business. */
    const bool good = asking->status >= 200 && asking->status < 300;
    size_t room = (good ? ANSWER_TEXT_MAX : FAULT_BODY_MAX) - asking->error_body.len;
    text_add(&asking->error_body, piece.data, piece.len < room ? piece.len : room);
}

/* A body that came whole, of a server that does not stream: parsed in the pool, as a large event.
 */
static void whole_done(struct loop_work *work) {
    struct parsing *parsing = CONTAINER_OF(work, struct parsing, job.work);
    struct asking *asking = job_end(&parsing->job);
    if (asking != NULL) {
        const struct success success = {
            .status = asking->status, .body = parsing->data, .json = parsing->json};
        asking__enter(asking);
        stream_take_whole(&asking->stream, &success);
        stream_end(&asking->stream);
        if (asking__leave(asking)) {
            if (asking->stream.answer.failure.cause == MODEL_NONE) {
                request_taken(asking);
            }
            answer_note_first(asking);
            asking__try_over(asking);
        }
    }
    json_release(&parsing->json);
    mem_free(parsing->owned);
    mem_free(parsing);
}

static void whole_start(struct asking *asking) {
    struct parsing *parsing = mem_new(sizeof *parsing);
    text_add_str(&asking->error_body, ""); /* There are bytes, if it has none. */
    parsing->owned = text_take(&asking->error_body, &parsing->data.len);
    parsing->data.data = parsing->owned;
    job_start(asking, &parsing->job, parse_run, whole_done);
}

static void on_done(void *ctx, const struct fetch_result *result) {
    struct asking *asking = ctx;
    struct answer *answer = &asking->stream.answer;
    asking->fetch = NULL;
    int status = asking->status;
    if (status >= 200 && status < 300 && !asking->streaming && result->fault == FETCH_NONE) {
        whole_start(asking);
        return;
    }
    asking__enter(asking);
    if (status >= 300 && status < 400) {
        answer_fail(answer, MODEL_BAD_REQUEST,
                    "HTTP %d: the provider is elsewhere; set the base URL to where it is", status);
        answer->failure.status = status;
    } else if (status >= 400 && !asking->streaming) {
        fault_of_answer(status, text_bytes(&asking->error_body), asking->route->connection->key,
                        &answer->failure);
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

void posting__start(struct asking *asking) {
    const struct model_connection *connection = asking->route->connection;
    asking->stream.wire = wire_of(connection->kind);
    if (asking->body.len > 0) {
        request_send(asking);
        return;
    }
    const struct model_info info = models__info(asking->models, asking->channel, asking->model);
    const parameter_set refused = info.refused | asking->without;
    if (needs_tools(asking->request) &&
        ((refused & PARAMETER_SET(TOOLS)) != 0 || info.facts.tools == ABILITY_NO)) {
        asking__fail(asking, MODEL_BAD_REQUEST,
                     "%s/%.*s takes no tools: choose another model, or ask without tools "
                     "(\"tools\": [] of the session or the agent)",
                     asking->channel->name, (int)asking->model.len, asking->model.data);
        return;
    }
    struct building *building = mem_new(sizeof *building);
    building->route = route_ref(asking->route);
    building->request = asking->request;
    asking->request = NULL;
    building->model = mem_copy(asking->model.data, asking->model.len);
    const struct parameter_target target = models__target(asking->channel, asking->model);
    building->known = parameters_known(&target);
    building->order = (struct wire_order){.request = building->request,
                                          .base_url = connection->base_url,
                                          .model = {building->model, asking->model.len},
                                          .facts = asking->facts,
                                          .refused = parameters_left_out(building->known, refused),
                                          .beside_tools = parameters_beside_tools(&target)};
    building->body = text_up_to((size_t)REQUEST_SIZE_MAX * 2);
    job_start(asking, &building->job, build_run, build_done);
}

void posting__stop(struct asking *asking) {
    if (asking->fetch != NULL) {
        fetch_cancel(asking->fetch);
        asking->fetch = NULL;
    }
    if (asking->job != NULL) {
        asking->job->asking = NULL;
        asking->job = NULL;
    }
    timer_stop(asking->models->loop, &asking->linger);
}
