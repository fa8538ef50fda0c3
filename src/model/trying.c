/* trying.c: one try over HTTP.
 *
 * The body is written in the pool, once, and sent again with each try. What comes back is fed to
 * the stream; an event that would keep the loop for too long is parsed in the pool, while the
 * server waits.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "base/memory.h"
#include "model/models_inside.h"

enum {
    CONNECT_MS = 10000,
    ANSWER_MS = 300000,
    STALL_MS = 120000,
    LINGER_MS = 1000, /* For the end of an answer whose final marker came. */
    URL_MAX = CONNECTION_URL_MAX + 64,
};
/* The largest answer, with 300 bytes of wrapping for each few of text. */
#define STREAM_SIZE_MAX ((size_t)256 << 20)

/* --- The body --------------------------------------------------------------------------------- */

struct building {
    struct loop_work work;
    struct models *models;
    struct asking *asking; /* NULL: nobody wants it any more. */
    struct route *route;
    struct model_request *request; /* Owned. */
    struct wire_order order;
    const struct wire *wire;
    char *model; /* Owned. */
    struct text body;
};

static void send_request(struct asking *asking);

static void build_run(struct loop_work *work) {
    struct building *building = CONTAINER_OF(work, struct building, work);
    building->wire->build(&building->order, &building->body);
    model_request_free(building->request); /* It may be large: not on the loop. */
    building->request = NULL;
    building->order.request = NULL;
}

static void build_done(struct loop_work *work) {
    struct building *building = CONTAINER_OF(work, struct building, work);
    struct models *models = building->models;
    struct asking *asking = building->asking;
    models->jobs--;
    if (asking != NULL) {
        text_done(&asking->body);
        asking->body = building->body;
        text_init(&building->body, 0);
        asking->building = NULL;
    }
    text_done(&building->body);
    route_unref(building->route);
    mem_free(building->model);
    mem_free(building);
    if (asking == NULL) {
        models__check_closed(models);
    } else if (text_failed(&asking->body)) {
        asking__fail(asking, MODEL_BAD_REQUEST, "the request is larger than %d bytes",
                     REQUEST_SIZE_MAX);
    } else {
        send_request(asking);
    }
}

static void build(struct asking *asking) {
    struct building *building = mem_new(sizeof *building);
    const struct model_connection *connection = asking->route->connection;
    building->models = asking->models;
    building->asking = asking;
    building->route = route_ref(asking->route);
    building->request = asking->request;
    asking->request = NULL;
    building->model = mem_copy(asking->model.data, asking->model.len);
    building->wire = wire_of(connection->kind);
    building->order = (struct wire_order){.request = building->request,
                                          .base_url = connection->base_url,
                                          .model = {building->model, asking->model.len},
                                          .facts = asking->facts};
    text_init(&building->body, (size_t)REQUEST_SIZE_MAX * 2);
    building->work.run = build_run;
    building->work.done = build_done;
    asking->building = building;
    asking->models->jobs++;
    loop_work(asking->models->loop, &building->work);
}

/* --- What comes ------------------------------------------------------------------------------- */

struct parsing {
    struct loop_work work;
    struct models *models;
    struct asking *asking; /* NULL: nobody wants it any more. */
    char *data;            /* Owned. */
    size_t len;
    char name[SSE_NAME_MAX + 1];
    json_t *json; /* Owned. */
    struct err parsed;
};

static void feed(struct asking *asking, struct bytes piece);

static void parse_run(struct loop_work *work) {
    struct parsing *parsing = CONTAINER_OF(work, struct parsing, work);
    parsing->parsed = stream_parse((struct bytes){parsing->data, parsing->len}, &parsing->json);
}

static void parse_done(struct loop_work *work) {
    struct parsing *parsing = CONTAINER_OF(work, struct parsing, work);
    struct models *models = parsing->models;
    struct asking *asking = parsing->asking;
    models->jobs--;
    if (asking == NULL) {
        models__check_closed(models);
    } else {
        asking->parsing = NULL;
        asking__enter(asking);
        stream_take_json(&asking->stream, parsing->name, parsing->parsed, parsing->json);
        if (asking__leave(asking)) {
            size_t len = 0;
            AUTO(mem_release) char *rest = text_take(&asking->rest, &len);
            feed(asking, (struct bytes){rest, len});
        }
    }
    json_release(&parsing->json);
    mem_free(parsing->data);
    mem_free(parsing);
}

/* The server waits until this event is read, and what came behind it too. */
static void parse_elsewhere(struct asking *asking, const struct sse_event *event,
                            struct bytes rest) {
    struct parsing *parsing = mem_new(sizeof *parsing);
    parsing->models = asking->models;
    parsing->asking = asking;
    memcpy(parsing->name, event->name.data, event->name.len);
    parsing->data = text_take(&asking->stream.sse.data, &parsing->len);
    text_add(&asking->rest, rest.data, rest.len);
    fetch_pause(asking->fetch);
    parsing->work.run = parse_run;
    parsing->work.done = parse_done;
    asking->parsing = parsing;
    asking->models->jobs++;
    loop_work(asking->models->loop, &parsing->work);
}

static void lingered(struct timer *timer) {
    struct asking *asking = CONTAINER_OF(timer, struct asking, linger);
    asking__enter(asking);
    stream_end(&asking->stream);
    if (asking__leave(asking)) {
        asking__try_over(asking);
    }
}

static void note_first(struct asking *asking) {
    if (asking->stream.answer.begun && asking->first_ns == 0) {
        asking->first_ns = world_mono_ns(asking->models->world);
    }
}

static void feed(struct asking *asking, struct bytes piece) {
    struct stream *stream = &asking->stream;
    struct sse_event event;
    asking__enter(asking);
    while (stream_pull(stream, &piece, &event)) {
        if (event.data.len > LIMIT_LOOP_PARSE_MAX) {
            parse_elsewhere(asking, &event, piece);
            break;
        }
        stream_take(stream, &event);
    }
    if (!asking__leave(asking)) {
        return;
    }
    note_first(asking);
    if (asking->parsing != NULL) {
        return;
    }
    if (stream->answer.failure.cause != MODEL_NONE) {
        asking__try_over(asking);
        return;
    }
    if (stream->over) {
        timer_start(asking->models->loop, &asking->linger, LINGER_MS, lingered);
    }
    fetch_resume(asking->fetch);
}

static bool is_stream(const struct fetch_answer *answer) {
    struct bytes type;
    /* Some say nothing, or something odd, and stream all the same; JSON and pages are none. */
    return !fetch_answer_header(answer, "content-type", &type) ||
           (memmem(type.data, type.len, "json", 4) == NULL &&
            memmem(type.data, type.len, "html", 4) == NULL);
}

static void on_head(void *ctx, const struct fetch_answer *answer) {
    struct asking *asking = ctx;
    asking->status = answer->status;
    asking->streaming = answer->status >= 200 && answer->status < 300 && is_stream(answer);
    asking->hint = retry_hint_of(answer, world_wall_ms(asking->models->world));
}

static void on_piece(void *ctx, struct bytes piece) {
    struct asking *asking = ctx;
    if (asking->streaming) {
        feed(asking, piece);
        return;
    }
    /* The beginning says what was wrong; the rest of a page is nobody's business. */
    size_t room = FAULT_BODY_MAX - asking->error_body.len;
    text_add(&asking->error_body, piece.data, piece.len < room ? piece.len : room);
}

/* --- The end ---------------------------------------------------------------------------------- */

static struct bytes error_body(const struct asking *asking) {
    const struct text *body = &asking->error_body;
    return (struct bytes){body->data != NULL ? body->data : "", body->len};
}

static void judge_status(struct asking *asking, const char *secret) {
    struct answer *answer = &asking->stream.answer;
    int status = asking->status;
    if (status >= 300 && status < 400) {
        answer_fail(answer, MODEL_BAD_REQUEST,
                    "HTTP %d: the provider is elsewhere; set the base URL to where it is", status);
        answer->failure.status = status;
    } else if (status < 200 || status >= 400) {
        fault_of_answer(status, error_body(asking), secret, &answer->failure);
    } else {
        /* Some answer 200 with an error for a body. */
        fault_of_answer(status, error_body(asking), secret, &answer->failure);
        if (answer->failure.cause == MODEL_BAD_REQUEST) {
            model_failure_set(&answer->failure, MODEL_BAD_RESPONSE,
                              "HTTP %d with a body that is no stream of events", status);
        }
    }
}

static void on_done(void *ctx, const struct fetch_result *result) {
    struct asking *asking = ctx;
    struct answer *answer = &asking->stream.answer;
    const char *secret = asking->route->connection->key;
    asking->fetch = NULL;
    bool broke = result->fault != FETCH_NONE && !answer->stopped && answer_goes_on(answer);
    asking__enter(asking);
    if (asking->status != 0 && !asking->streaming) {
        judge_status(asking, secret);
    } else if (broke) {
        fault_of_fetch(result->fault, result->detail, asking->route->authority, &answer->failure);
        if (answer->begun && answer->failure.cause == MODEL_UNREACHABLE) {
            answer->failure.cause = MODEL_STREAM_BROKEN;
        }
    }
    if (answer->failure.cause == MODEL_NONE) {
        stream_end(&asking->stream);
    }
    if (asking__leave(asking)) {
        note_first(asking);
        asking__try_over(asking);
    }
}

/* --- The beginning ---------------------------------------------------------------------------- */

static uint64_t limit(uint64_t set_ms, uint64_t default_ms) {
    return set_ms != 0 ? set_ms : default_ms;
}

static void send_request(struct asking *asking) {
    const struct model_limits *limits = &asking->models->options.limits;
    char url[URL_MAX];
    route_url(asking->route, asking->stream.wire->path, url, sizeof url);
    const struct fetch_call call = {
        .method = "POST",
        .url = url,
        .headers = asking->route->headers,
        .header_count = asking->route->header_count,
        .body = {asking->body.data, asking->body.len},
        .allow = asking->route->allow,
        .limits = {.connect_ms = limit(limits->connect_ms, CONNECT_MS),
                   .answer_ms = limit(limits->answer_ms, ANSWER_MS),
                   .stall_ms = limit(limits->stall_ms, STALL_MS),
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

void trying__start(struct asking *asking) {
    asking->stream.wire = wire_of(asking->route->connection->kind);
    if (asking->body.len == 0) {
        build(asking);
    } else {
        send_request(asking);
    }
}

void trying__stop(struct asking *asking) {
    if (asking->fetch != NULL) {
        fetch_cancel(asking->fetch);
        asking->fetch = NULL;
    }
    if (asking->building != NULL) {
        asking->building->asking = NULL;
        asking->building = NULL;
    }
    if (asking->parsing != NULL) {
        asking->parsing->asking = NULL;
        asking->parsing = NULL;
    }
}
