/* exchange.c: the face of one request to its handler, and the life of what it holds. */
#include <string.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "http/inside.h"
#include "http/problem.h"

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
    struct remains *pooled = large && !server->closing ? mem_try(sizeof *pooled) : NULL;
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
    if (server->spare_count < SPARE_MAX && !server->closing) {
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
    static const unsigned edges[EXCHANGE_STATES] = {
        [EXCHANGE_READING] =
            1U << EXCHANGE_PARSING | 1U << EXCHANGE_HANDLING | 1U << EXCHANGE_ANSWERED,
        [EXCHANGE_PARSING] = 1U << EXCHANGE_HANDLING | 1U << EXCHANGE_ANSWERED,
        [EXCHANGE_HANDLING] = 1U << EXCHANGE_ANSWERED | 1U << EXCHANGE_STREAMING,
    };
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

/* What was written is written, and its client may know; what is read is not shown any more. */
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
    if (exchange->server->draining) {
        server_walk(exchange->server);
    }
}

/* --- The answer ------------------------------------------------------------------------------- */

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
        exchange_free(exchange);
    } else {
        conn_answered(exchange->conn);
    }
}

static void exchange_refuse(struct exchange *exchange, struct err err, const char *detail) {
    struct why why;
    why_set(&why, "%s", detail);
    exchange_problem(exchange, err, &why);
}

void exchange_refuse_revoked(struct exchange *exchange) {
    exchange_refuse(exchange, err_make(ERR_UNAUTHORIZED, "http: revoked"), "the token was revoked");
}

void exchange_reply(struct exchange *exchange, int status, const char *media, struct text *body) {
    struct http_server *server = exchange->server;
    assert(status >= 200 && status < 600);
    if (exchange->revoked && exchange_is_read(exchange)) {
        exchange_refuse_revoked(exchange);
        return;
    }
    if (body != NULL && text_failed(body)) {
        struct err err = text_error(body, "http: answer");
        text_clear(body);
        exchange_refuse(exchange, err,
                        err.code == ERR_OUT_OF_MEMORY ? "the answer does not fit into memory"
                                                      : "the answer is longer than its limit");
        return;
    }
    /* Clients that ask for much and read nothing share a bound. */
    if (body != NULL && body->len > ANSWER_SMALL &&
        server->answer_bytes + body->len > server->limits.answers_bytes_max) {
        struct remains remains = {.server = server};
        remains.body = text_take(body, &remains.body_len);
        server->answer_bytes += remains.body_len;
        remains_end(&remains, /* large */ true);
        exchange_refuse(exchange, err_make(ERR_OVERLOADED, "http: answer"),
                        "more answers wait for their clients than the server's limit");
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

void exchange_problem(struct exchange *exchange, struct err err, const struct why *why) {
    exchange_problem_about(exchange, err, why, /* run */ "");
}

void exchange_problem_about(struct exchange *exchange, struct err err, const struct why *why,
                            const char *run) {
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
    AUTO(text_done) struct text text = text_up_to(PROBLEM_MAX);
    problem_write(&text, err, why, run);
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
