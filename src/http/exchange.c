/* exchange.c: the face of one request to its handler, and the life of what it holds; the bytes of
 * its answer, and the way of its body to the handler. */
#include <string.h>
#include <time.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "http/conn.h"

enum {
    SPARE_MAX = 32, /* Exchanges kept for the next requests. */
    PROBLEM_MAX = 4096,
    ANSWER_SMALL = 16 << 10,
    FREE_INLINE = 64 << 10, /* Larger answers are freed in the pool. */
};

/* --- Life ------------------------------------------------------------------------------------- */

struct exchange *exchange_new(struct conn *conn) {
    struct http_server *server = conn->server;
    struct exchange *exchange = server->spare;
    if (exchange != NULL) {
        server->spare = exchange->next;
        server->spare_count--;
    } else {
        exchange = mem_try(sizeof *exchange);
        if (exchange == NULL) {
            return NULL;
        }
    }
    memset(exchange, 0, offsetof(struct exchange, query));
    exchange->server = server;
    exchange->conn = conn;
    request_init(&exchange->request, server->limits.body_bytes_max);
    server->exchange_count++;
    return exchange;
}

/* Memory of an exchange that is not needed any more. */
struct remains {
    struct loop_work work;
    struct http_server *server;
    json_t *json;
    char *body, *sent; /* The answer's, the request's. */
    size_t body_len, sent_size, values_bytes;
};

static void remains_free(struct loop_work *work) {
    struct remains *remains = CONTAINER_OF(work, struct remains, work);
    json_decref(remains->json);
    mem_free(remains->body);
    mem_free(remains->sent);
}

static void remains_uncount(const struct remains *remains) {
    struct http_server *server = remains->server;
    server->answer_bytes -= remains->body_len;
    server->body_bytes -= remains->sent_size;
    atomic_fetch_sub_explicit(&server->values_bytes, remains->values_bytes, memory_order_relaxed);
}

static void remains_freed(struct loop_work *work) {
    struct remains *remains = CONTAINER_OF(work, struct remains, work);
    struct http_server *server = remains->server;
    remains_uncount(remains);
    mem_free(remains);
    server->remains_count--;
    server_exchange_gone(server);
}

/* A large body may be a hundred thousand values, a connection may be cut with thirty answers of a
 * megabyte: to free that takes milliseconds, so the pool does it. Until then it counts among the
 * bytes of the server, which stays for that long: a pool that is behind must not hide memory. */
static void remains_end(struct remains *remains, bool large) {
    struct http_server *server = remains->server;
    struct remains *pooled =
        large && server->state < SERVER_CLOSING ? mem_try(sizeof *pooled) : NULL;
    if (pooled == NULL) {
        remains_free(&remains->work);
        remains_uncount(remains);
        return;
    }
    *pooled = *remains;
    pooled->work = (struct loop_work){.run = remains_free, .done = remains_freed};
    server->remains_count++;
    loop_work(server->loop, &pooled->work);
}

/* The bytes of a request are of no use once it is answered, and the answer may wait for long. */
static void exchange_free_sent(struct exchange *exchange) {
    struct request *request = &exchange->request;
    struct remains remains = {.server = exchange->server,
                              .json = exchange->json,
                              .values_bytes = exchange->values_bytes,
                              .sent = request->body,
                              .sent_size = request->body_size};
    exchange->json = NULL;
    exchange->values_bytes = 0;
    request->body = NULL;
    request->body_size = 0;
    /* A body that was refused on its way is one piece, and the last one of its connection. */
    bool one_piece = err_failed(request->err) || remains.sent == NULL;
    remains_end(&remains, request->body_len > BODY_INLINE_MAX && !one_piece);
}

void exchange_guess(struct exchange *exchange, size_t bytes) {
    if (exchange->ahead_bytes > 0) {
        exchange->server->ahead_bytes += bytes;
        exchange->server->ahead_bytes -= exchange->ahead_bytes;
        exchange->ahead_bytes = bytes;
    }
}

void exchange_free(struct exchange *exchange) {
    struct http_server *server = exchange->server;
    struct remains answer = {
        .server = server, .body = exchange->body, .body_len = exchange->body_len};
    exchange_guess(exchange, 0);
    exchange_free_sent(exchange);
    remains_end(&answer, exchange->body_len > FREE_INLINE);
    request_done(&exchange->request);
    mem_free(exchange->decoded);
    if (server->spare_count < SPARE_MAX && server->state < SERVER_CLOSING) {
        exchange->next = server->spare;
        server->spare = exchange;
        server->spare_count++;
    } else {
        mem_free(exchange);
    }
    server->exchange_count--;
    server_exchange_gone(server);
}

void exchange_go(struct exchange *exchange, enum exchange_state to) {
#define TO(state) (1U << EXCHANGE_##state)
    static const unsigned edges[EXCHANGE_STATES] = {
        [EXCHANGE_HEAD] = TO(EXPECTED) | TO(BODY) | TO(ANSWERED),
        [EXCHANGE_EXPECTED] = TO(BODY) | TO(PARSING) | TO(HANDLING) | TO(ANSWERED),
        [EXCHANGE_BODY] = TO(PARSING) | TO(HANDLING) | TO(ANSWERED),
        [EXCHANGE_PARSING] = TO(HANDLING) | TO(ANSWERED),
        [EXCHANGE_HANDLING] = TO(HOLDING) | TO(ANSWERED) | TO(STREAMING),
        [EXCHANGE_HOLDING] = TO(HANDLING) | TO(ANSWERED) | TO(STREAMING),
        [EXCHANGE_ANSWERED] = TO(WRITTEN),
    };
#undef TO
    assert((edges[exchange->state] & 1U << to) != 0);
    exchange->state = to;
}

void exchange_notify(struct exchange *exchange, struct exchange_hook *hook) {
    struct exchange_hook once = *hook;
    hook->run = NULL;
    if (once.run != NULL) {
        once.run(exchange, once.ctx);
    }
}

/* --- The request ------------------------------------------------------------------------------ */

struct bytes exchange_method(const struct exchange *exchange) {
    return request_method(&exchange->request);
}

struct bytes exchange_target(const struct exchange *exchange) {
    return request_target(&exchange->request);
}

struct bytes exchange_param(const struct exchange *exchange, unsigned at) {
    assert(at < PATH_PARAMS_MAX);
    assert(exchange->params[at].data != NULL);
    return exchange->params[at];
}

static const struct query_value *query_at(const struct exchange *exchange, unsigned at) {
    assert(at < QUERY_PARAMS_MAX);
    assert(exchange->route != NULL);
    assert(exchange->route->query != NULL);
    return &exchange->query[at];
}

bool exchange_query_given(const struct exchange *exchange, unsigned at) {
    return query_at(exchange, at)->given;
}

struct bytes exchange_query_text(const struct exchange *exchange, unsigned at) {
    return query_at(exchange, at)->text;
}

int64_t exchange_query_int(const struct exchange *exchange, unsigned at) {
    return query_at(exchange, at)->number;
}

bool exchange_header(const struct exchange *exchange, const char *lower_name,
                     struct bytes *ret_value) {
    return request_find_header(&exchange->request, bytes_of(lower_name), ret_value);
}

bool exchange_accepts(const struct exchange *exchange, const char *media) {
    const struct request *request = &exchange->request;
    for (unsigned i = 0; i < request->header_count; i++) {
        if (bytes_is(request_header_name(request, i), "accept") &&
            header_accepts(request_header_value(request, i), bytes_of(media))) {
            return true;
        }
    }
    return false;
}

struct bytes exchange_body(const struct exchange *exchange) {
    const char *body = exchange->request.body;
    return (struct bytes){body == NULL ? "" : body, exchange->request.body_len};
}

json_t *exchange_json(const struct exchange *exchange) {
    return exchange->json;
}

const struct identity *exchange_identity(const struct exchange *exchange) {
    return &exchange->identity;
}

const struct route *exchange_route(const struct exchange *exchange) {
    return exchange->route;
}

bool exchange_is_orphaned(const struct exchange *exchange) {
    return exchange->conn == NULL;
}

/* An answer that says what was written is true after all; one that shows rows is not shown to a
 * token that was revoked. */
bool exchange_is_read(const struct exchange *exchange) {
    return exchange->head_only || bytes_is(exchange_method(exchange), "GET");
}

void exchange_on_gone(struct exchange *exchange, void (*gone)(struct exchange *exchange, void *ctx),
                      void *ctx) {
    exchange->gone = (struct exchange_hook){.run = gone, .ctx = ctx};
    /* A few waits must not keep all others from sending ahead. */
    exchange_guess(exchange, AHEAD_SMALL);
}

void exchange_on_drain(struct exchange *exchange,
                       void (*drain)(struct exchange *exchange, void *ctx), void *ctx) {
    exchange->drain = (struct exchange_hook){.run = drain, .ctx = ctx};
    if (exchange->server->state >= SERVER_DRAINING && exchange->conn != NULL) {
        server_walk(exchange->server);
    }
}

/* --- The head of an answer -------------------------------------------------------------------- */

/* Status lines are whole, since an answer is written many thousand times a second. */
static const struct {
    int status;
    struct bytes line;
} status_lines[] = {
#define LINE(code, words)                                                                          \
    { code, BYTES_INIT("HTTP/1.1 " #code " " words "\r\n") }
    LINE(200, "OK"),
    LINE(201, "Created"),
    LINE(202, "Accepted"),
    LINE(204, "No Content"),
    LINE(304, "Not Modified"),
    LINE(400, "Bad Request"),
    LINE(401, "Unauthorized"),
    LINE(403, "Forbidden"),
    LINE(404, "Not Found"),
    LINE(405, "Method Not Allowed"),
    LINE(406, "Not Acceptable"),
    LINE(408, "Request Timeout"),
    LINE(409, "Conflict"),
    LINE(410, "Gone"),
    LINE(411, "Length Required"),
    LINE(412, "Precondition Failed"),
    LINE(413, "Content Too Large"),
    LINE(414, "URI Too Long"),
    LINE(415, "Unsupported Media Type"),
    LINE(417, "Expectation Failed"),
    LINE(421, "Misdirected Request"),
    LINE(422, "Unprocessable Content"),
    LINE(426, "Upgrade Required"),
    LINE(429, "Too Many Requests"),
    LINE(431, "Request Header Fields Too Large"),
    LINE(500, "Internal Server Error"),
    LINE(501, "Not Implemented"),
    LINE(503, "Service Unavailable"),
    LINE(505, "HTTP Version Not Supported"),
    LINE(507, "Insufficient Storage")
#undef LINE
};

static char *put(char *out, struct bytes bytes) {
    memcpy(out, bytes.data, bytes.len);
    return out + bytes.len;
}

static char *put_number(char *out, size_t number) {
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return put(out, (struct bytes){digits + at, sizeof digits - at});
}

static char *put_status(char *out, int status) {
    for (size_t i = 0; i < COUNT_OF(status_lines); i++) {
        if (status_lines[i].status == status) {
            return put(out, status_lines[i].line);
        }
    }
    out = put_number(put(out, BYTES("HTTP/1.1 ")), (size_t)status);
    return put(out, BYTES(" Status\r\n"));
}

/* The clock is asked once for each answer, the text made once a second. */
static char *put_common(char *out, struct http_server *server) {
    int64_t now_s = world_wall_ms(loop_world(server->loop)) / 1000;
    if (now_s != server->date_s) {
        time_t now = (time_t)now_s;
        struct tm utc;
        if (gmtime_r(&now, &utc) != NULL) {
            (void)strftime(server->date, sizeof server->date, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n",
                           &utc); /* The length is fixed, and fits. */
        }
        server->date_s = now_s;
    }
    const struct http_options *options = &server->options;
    bool held = options->held != NULL && options->held(options->ctx);
    out = put(put(out, bytes_of(server->date)), BYTES("Drover-Version: " DROVER_VERSION "\r\n"));
    out = put_number(put(out, BYTES("Drover-Epoch: ")), (size_t)options->epoch);
    out = put(out, BYTES("\r\n"));
    return held ? put(out, BYTES("Drover-Held: 1\r\n")) : out;
}

size_t reply_head_write(const struct exchange *exchange, char *out) {
    char *at = put_status(out, exchange->status);
    at = put_common(at, exchange->server);
    if (exchange->media != NULL) {
        assert(strlen(exchange->media) < 200);
        at = put(at, BYTES("Content-Type: "));
        at = put(at, bytes_of(exchange->media));
        at = put(at, BYTES("\r\n"));
    }
    if (exchange->status != 204 && exchange->status != 304) {
        at = put(at, BYTES("Content-Length: "));
        at = put_number(at, exchange->body_len);
        at = put(at, BYTES("\r\n"));
    }
    at = put(at, BYTES("Cache-Control: "));
    at = put(at, bytes_of(exchange->cache == NULL ? "no-store" : exchange->cache));
    at = put(at, BYTES("\r\nX-Content-Type-Options: nosniff\r\n"));
    if (exchange->close) {
        at = put(at, BYTES("Connection: close\r\n"));
    } else if (exchange->request.minor == 0) {
        at = put(at, BYTES("Connection: keep-alive\r\n"));
    }
    at = put(at, (struct bytes){exchange->extra, exchange->extra_len});
    at = put(at, BYTES("\r\n"));
    assert((size_t)(at - out) <= ANSWER_HEAD_MAX);
    return (size_t)(at - out);
}

size_t reply_stream_head_write(struct http_server *server, const char *status_line,
                               const char *fields, char *out) {
    char *at = put_common(put(out, bytes_of(status_line)), server);
    at = put(at, bytes_of(fields));
    at = put(at, BYTES("\r\n"));
    assert((size_t)(at - out) <= ANSWER_HEAD_MAX);
    return (size_t)(at - out);
}

/* --- The answer ------------------------------------------------------------------------------- */

void exchange_set_cache(struct exchange *exchange, const char *value) {
    assert(strlen(value) < 100);
    exchange->cache = value;
}

void exchange_add_header(struct exchange *exchange, const char *name, const char *value) {
    struct bytes parts[] = {bytes_of(name), BYTES(": "), bytes_of(value), BYTES("\r\n")};
    assert(strpbrk(value, "\r\n") == NULL);
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        assert(exchange->extra_len + parts[i].len <= ANSWER_EXTRA_MAX);
        memcpy(exchange->extra + exchange->extra_len, parts[i].data, parts[i].len);
        exchange->extra_len = (uint16_t)(exchange->extra_len + parts[i].len);
    }
}

static void exchange_finish(struct exchange *exchange, int status) {
    exchange->status = status;
    exchange->gone.run = NULL;
    exchange->drain.run = NULL;
    exchange_go(exchange, EXCHANGE_ANSWERED);
    exchange->server->stats.answers[status / 100]++;
    exchange->server->answer_bytes += exchange->body_len;
    exchange_guess(exchange, 0);
    exchange_free_sent(exchange);
    if (exchange->conn == NULL) {
        exchange_notify(exchange, &exchange->answered);
        exchange_free(exchange);
    } else {
        conn_answered(exchange->conn);
    }
}

static void exchange_refuse_revoked(struct exchange *exchange) {
    struct why why;
    struct err err = err_why(&why, ERR_UNAUTHORIZED, "the token was revoked");
    exchange_problem(exchange, err, &why);
}

void exchange_reply(struct exchange *exchange, int status, const char *media, struct text *body) {
    struct http_server *server = exchange->server;
    struct why why;
    struct err err = ERR_OK;
    assert(status >= 200 && status < 600);
    if (exchange->revoked && exchange_is_read(exchange)) {
        exchange_refuse_revoked(exchange);
        return;
    }
    if (body != NULL && text_failed(body)) {
        err = text_error(body, "http: answer");
        text_clear(body);
        why_set(&why, err.code == ERR_OUT_OF_MEMORY ? "the answer does not fit into memory"
                                                    : "the answer is longer than its limit");
    } else if (body != NULL && body->len > ANSWER_SMALL &&
               server->answer_bytes + body->len > server->limits.answers_bytes_max) {
        /* Clients that ask for much and read nothing share a bound. */
        struct remains remains = {.server = server};
        remains.body = text_take(body, &remains.body_len);
        server->answer_bytes += remains.body_len;
        remains_end(&remains, /* large */ true);
        err = err_why(&why, ERR_OVERLOADED,
                      "the answers that wait for slow clients exceed the server's limit");
    }
    if (err_failed(err)) {
        exchange_problem(exchange, err, &why);
        return;
    }
    exchange->media = media;
    if (body != NULL && body->len > 0) {
        exchange->body = text_take(body, &exchange->body_len);
    }
    exchange_finish(exchange, status);
}

/* Not all that has a 5xx status is trouble of ours. What a stranger can cause as often as he likes
 * is counted in the metrics; in the log it would hide the rest, and fill the disk. */
static bool is_our_failure(const struct exchange *exchange, enum err_code code) {
    bool clients = code == ERR_NOT_IMPLEMENTED || code == ERR_BAD_VERSION;
    bool refused_unread = code == ERR_OVERLOADED && exchange->route == NULL;
    bool was_asked = exchange->route != NULL && strcmp(exchange->route->path, "/readyz") == 0;
    return err_http_status(code) >= 500 && code != ERR_CLOSING && !clients && !refused_unread &&
           !was_asked;
}

const char problem_schema[] =
    "{\"type\":\"object\",\"required\":[\"type\",\"title\",\"status\",\"code\"],"
    "\"properties\":{\"type\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},"
    "\"status\":{\"type\":\"integer\"},\"detail\":{\"type\":\"string\"},"
    "\"code\":{\"type\":\"string\"},\"run\":{\"type\":\"string\"},"
    "\"unmet\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
    "\"verdict\":{\"type\":\"object\"}}}";

void problem_write(struct text *text, struct err err, const struct why *why,
                   const struct problem_about *about) {
    text_addf(text, "{\"type\":\"urn:drover:problem:%s\"", err_name(err.code));
    text_add_member(text, "title", bytes_of(err_title(err.code)));
    text_add_member_int(text, "status", err_http_status(err.code));
    if (why != NULL && why->text[0] != '\0') {
        text_add_member(text, "detail", bytes_of(why->text));
    }
    if (about->run != NULL && about->run[0] != '\0') {
        text_add_member(text, "run", bytes_of(about->run));
    }
    if (about->unmet.len > 0) {
        text_add_name(text, "unmet");
        json_add_stored(text, about->unmet);
    }
    if (about->verdict.len > 0) {
        text_add_name(text, "verdict");
        json_add_stored(text, about->verdict);
    }
    text_add_member(text, "code", bytes_of(err_name(err.code)));
    text_add_char(text, '}');
}

void exchange_problem(struct exchange *exchange, struct err err, const struct why *why) {
    exchange_problem_about(exchange, err, why, &(struct problem_about){.run = NULL});
}

void exchange_problem_about(struct exchange *exchange, struct err err, const struct why *why,
                            const struct problem_about *about) {
    const struct http_options *options = &exchange->server->options;
    if (options->failed != NULL && is_our_failure(exchange, err.code)) {
        options->failed(options->ctx, exchange, err, why);
    }
    if (err.code == ERR_UNAUTHORIZED) {
        exchange_add_header(exchange, "WWW-Authenticate", "Bearer realm=\"drover\"");
    }
    /* Refusals that pass by themselves say when to come again. */
    if (err.code == ERR_OVERLOADED || err.code == ERR_TOO_MANY || err.code == ERR_CLOSING ||
        err.code == ERR_BUSY) {
        exchange_add_header(exchange, "Retry-After", "1");
    }
    AUTO(text_done)
    struct text text = text_up_to(PROBLEM_MAX + about->unmet.len + about->verdict.len);
    problem_write(&text, err, why, about);
    exchange->media = PROBLEM_MEDIA;
    if (!text_failed(&text)) {
        exchange->body = text_take(&text, &exchange->body_len);
    }
    exchange_finish(exchange, err_http_status(err.code));
}

/* --- A stream --------------------------------------------------------------------------------- */

void exchange_hand_over(struct exchange *exchange, struct outlet *outlet) {
    exchange->gone.run = NULL;
    exchange->drain.run = NULL;
    if (exchange->revoked) {
        outlet->ops->gone(outlet);
        exchange_refuse_revoked(exchange);
        return;
    }
    exchange->outlet = outlet;
    memcpy(outlet->token, exchange->identity.token, sizeof outlet->token);
    exchange_go(exchange, EXCHANGE_STREAMING);
    exchange_guess(exchange, 0);
    exchange_free_sent(exchange);
    if (exchange->conn == NULL) {
        outlet->ops->gone(outlet); /* First: with its last exchange a closed server is freed. */
        exchange_free(exchange);
        return;
    }
    conn_answered(exchange->conn);
}

/* --- From a whole body to its handler --------------------------------------------------------- */

/* A small body is parsed at once, a large one in the pool. Requests after one in the pool do not
 * begin (conn_has_room), so that none overtakes it. */
struct body_work {
    struct loop_work work;
    struct exchange *exchange; /* Lives until it is answered, so until after `done`. */
    json_t *json;
    size_t values_bytes;
    struct err err;
    struct why why;
};

/* Upper bound of the memory that the values of a text take. Each value follows one of these four
 * bytes, or begins with one. The largest for its length is an empty object in an array: 240 bytes
 * for two of them. A text with more than MARKS_MAX of them is refused first. */
static size_t values_bytes_max(struct bytes text) {
    enum { PER_MARK = 128, PER_BYTE = 2, MARKS_MAX = 3 * JSON_VALUES_MAX };
    size_t marks = 1;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (in_string && c == '\\') {
            i++;
        } else if (c == '"') {
            in_string = !in_string;
        } else if (!in_string && (c == ',' || c == ':' || c == '[' || c == '{')) {
            marks++;
        }
    }
    return (marks < MARKS_MAX ? marks : MARKS_MAX) * PER_MARK + text.len * PER_BYTE;
}

/* From any thread. Bodies are bounded as they come, but a body of a megabyte may be fifty of them
 * as values, and all that wait for the pool, or for the store, are there at once. */
static void body_parse(struct loop_work *work) {
    struct body_work *body = CONTAINER_OF(work, struct body_work, work);
    struct http_server *server = body->exchange->server;
    unsigned depth = body->exchange->route->body_depth;
    struct bytes bytes = exchange_body(body->exchange);
    size_t values_bytes = values_bytes_max(bytes);
    size_t before =
        atomic_fetch_add_explicit(&server->values_bytes, values_bytes, memory_order_relaxed);
    if (before + values_bytes > server->limits.values_bytes_max) {
        atomic_fetch_sub_explicit(&server->values_bytes, values_bytes, memory_order_relaxed);
        body->err = err_why(&body->why, ERR_OVERLOADED,
                            "the values of all bodies together exceed the server's limit");
        return;
    }
    body->values_bytes = values_bytes; /* Given back with the exchange's content. */
    body->err = json_parse(bytes.data, bytes.len, depth == 0 ? JSON_DEPTH_MAX : depth, &body->json,
                           &body->why);
}

static void exchange_handle(struct exchange *exchange) {
    if (exchange->revoked) {
        exchange_refuse_revoked(exchange);
        return;
    }
    exchange_go(exchange, EXCHANGE_HANDLING);
    exchange->handle(exchange, exchange->ctx);
}

static void body_parsed(struct body_work *body) {
    struct exchange *exchange = body->exchange;
    exchange->values_bytes = body->values_bytes;
    exchange->json = body->json;
    /* A route that takes no body: fields that it would ignore are refused by name. */
    if (!exchange->route->has_body && !err_failed(body->err)) {
        const char *name = json_object_iter_key(json_object_iter(body->json));
        if (!json_is_object(body->json)) {
            body->err = err_why(&body->why, ERR_BAD_FIELD,
                                "no fields are accepted here: send no body, or {}");
        } else if (name != NULL) {
            body->err =
                err_why(&body->why, ERR_UNKNOWN_FIELD, "%s: no fields are accepted here", name);
        }
    }
    if (err_failed(body->err)) {
        exchange_problem(exchange, body->err, &body->why);
    } else {
        exchange_handle(exchange);
    }
}

void exchange_hold_next(struct exchange *exchange) {
    if (exchange->state != EXCHANGE_HOLDING) {
        exchange_go(exchange, EXCHANGE_HOLDING);
    }
}

/* The connection reads on in its next turn, when what it waited for is done. */
void exchange_release_next(struct exchange *exchange) {
    if (exchange->state == EXCHANGE_HOLDING) {
        exchange_go(exchange, EXCHANGE_HANDLING);
    }
    if (exchange->conn != NULL) {
        conn_answered(exchange->conn);
    }
}

static void body_parsed_in_pool(struct loop_work *work) {
    struct body_work *body = CONTAINER_OF(work, struct body_work, work);
    exchange_release_next(body->exchange);
    body_parsed(body);
    mem_free(body);
}

void exchange_run(struct exchange *exchange) {
    const struct route *route = exchange->route;
    bool optional = route->body_optional || !route->has_body;
    if ((optional && exchange->request.body_len == 0) || route->body_media != NULL) {
        exchange_handle(exchange);
        return;
    }
    struct body_work body = {.exchange = exchange,
                             .work = {.run = body_parse, .done = body_parsed_in_pool}};
    exchange_go(exchange, EXCHANGE_PARSING);
    if (exchange->request.body_len <= BODY_INLINE_MAX) {
        body_parse(&body.work);
        body_parsed(&body);
        return;
    }
    struct body_work *pooled = mem_new(sizeof *pooled);
    *pooled = body;
    loop_work(exchange->server->loop, &pooled->work);
}

/* --- A request that came as a message --------------------------------------------------------- */

static struct err perform_check(struct exchange *exchange, const struct conn *conn,
                                struct bytes path, struct why *why) {
    struct target target;
    exchange->decoded = mem_copy(path.data, path.len); /* Lives as long: parameters point there. */
    struct err err = target_parse((struct bytes){exchange->decoded, path.len},
                                  NULL /* nothing is to be decoded */, &target, why);
    if (err_failed(err)) {
        return err;
    }
    const struct router_row *row =
        router_match(&exchange->server->router, &target, exchange->params);
    const struct router_entry *entry = row == NULL ? NULL : router_entry_find(row, BYTES("POST"));
    if (entry == NULL) {
        return err_why(why, ERR_NOT_FOUND, "there is no such path");
    }
    exchange->route = entry->route;
    exchange->ctx = entry->ctx;
    exchange->handle = entry->handle;
    err = exchange_check_rights(exchange, conn, why);
    if (!err_failed(err)) {
        err = exchange_room(exchange, why);
    }
    return err_failed(err) ? err
                           : query_read(exchange->route->query, &target, exchange->query, why);
}

struct err exchange_perform(struct conn *conn, const struct exchange_ask *ask) {
    struct why why = {0};
    struct exchange *exchange = exchange_new(conn);
    if (exchange == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "http: message");
    }
    exchange->conn = NULL;
    exchange->answered = ask->answered;
    exchange->identity = *ask->identity;
    struct err err = perform_check(exchange, conn, ask->path, &why);
    if (err_failed(err)) {
        const struct problem_about about = {
            .run = err.code == ERR_INSIDE_RUN ? exchange->identity.inside : NULL};
        exchange_problem_about(exchange, err, &why, &about);
        return ERR_OK;
    }
    exchange->json = json_incref(ask->json);
    exchange_go(exchange, EXCHANGE_BODY);
    exchange_handle(exchange);
    return ERR_OK;
}
