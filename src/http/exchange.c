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
    if (exchange == NULL) {
        exchange = mem_try(sizeof *exchange);
        if (exchange == NULL) {
            return NULL;
        }
    } else {
        server->spare = exchange->next;
        server->spare_count--;
    }
    memset(exchange, 0, offsetof(struct exchange, query));
    exchange->server = server;
    exchange->conn = conn;
    request_init(&exchange->request, server->limits.body_bytes_max);
    server->exchange_count++;
    return exchange;
}

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

static void uncount(struct http_server *server, const struct remains *remains) {
    server->answer_bytes -= remains->body_len;
    server->body_bytes -= remains->sent_size;
    atomic_fetch_sub_explicit(&server->values_bytes, remains->values_bytes, memory_order_relaxed);
}

static void remains_gone(struct loop_work *work) {
    struct remains *remains = CONTAINER_OF(work, struct remains, work);
    struct http_server *server = remains->server;
    uncount(server, remains);
    mem_free(remains);
    server->remains_count--;
    server_exchange_gone(server);
}

/* A large body may be a hundred thousand values, a connection may be cut with thirty answers of a
 * megabyte: to free that takes milliseconds, so the pool does it. Until then it counts among the
 * bytes of the server, which stays for that long: a pool that is behind must not hide memory. */
static void free_in_pool(struct http_server *server, const struct remains *what) {
    struct remains *remains = server->closing ? NULL : mem_try(sizeof *remains);
    if (remains == NULL) {
        struct remains now = *what;
        remains_free(&now.work);
        uncount(server, &now);
        return;
    }
    *remains = *what;
    remains->server = server;
    remains->work.run = remains_free;
    remains->work.done = remains_gone;
    server->remains_count++;
    loop_work(server->loop, &remains->work);
}

static void free_here(struct http_server *server, struct remains *remains) {
    remains_free(&remains->work);
    uncount(server, remains);
}

/* What the client sent is of no use once it is answered, and the answer may wait for long. */
static void free_sent(struct exchange *exchange) {
    struct request *request = &exchange->request;
    struct remains remains = {.json = exchange->json,
                              .values_bytes = exchange->values_bytes,
                              .sent = request->body,
                              .sent_size = request->body_size};
    exchange->json = NULL;
    exchange->values_bytes = 0;
    request->body = NULL;
    request->body_size = 0;
    /* A body that was refused on its way is one piece, and the last one of its connection. */
    bool one_piece = err_failed(request->err) || remains.sent == NULL;
    if (request->body_len > BODY_INLINE_MAX && !one_piece) {
        free_in_pool(exchange->server, &remains);
    } else {
        free_here(exchange->server, &remains);
    }
}

static void free_answer(struct exchange *exchange) {
    struct remains remains = {.body = exchange->body, .body_len = exchange->body_len};
    if (exchange->body_len > FREE_INLINE) {
        free_in_pool(exchange->server, &remains);
    } else {
        free_here(exchange->server, &remains);
    }
}

static void ahead_end(struct exchange *exchange) {
    exchange->server->ahead_bytes -= exchange->ahead_bytes;
    exchange->ahead_bytes = 0;
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
    ahead_end(exchange);
    free_sent(exchange);
    free_answer(exchange);
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
    static const bool legal[EXCHANGE_STATES][EXCHANGE_STATES] = {
        [EXCHANGE_READING] =
            {[EXCHANGE_PARSING] = true, [EXCHANGE_HANDLING] = true, [EXCHANGE_ANSWERED] = true},
        [EXCHANGE_PARSING] = {[EXCHANGE_HANDLING] = true, [EXCHANGE_ANSWERED] = true},
        [EXCHANGE_HANDLING] = {[EXCHANGE_ANSWERED] = true, [EXCHANGE_STREAMING] = true},
    };
    assert(legal[exchange->state][to]);
    exchange->state = to;
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
    struct bytes name = bytes_of(lower_name);
    return request_find_header(&exchange->request, name, ret_value);
}

bool exchange_accepts(const struct exchange *exchange, const char *media) {
    struct bytes wanted = bytes_of(media);
    for (unsigned i = 0; i < exchange->request.header_count; i++) {
        struct bytes name = request_header_name(&exchange->request, i);
        if (name.len == 6 && memcmp(name.data, "accept", 6) == 0 &&
            header_accepts(request_header_value(&exchange->request, i), wanted)) {
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

void exchange_on_gone(struct exchange *exchange, void (*gone)(struct exchange *exchange, void *ctx),
                      void *ctx) {
    exchange->gone = gone;
    exchange->gone_ctx = ctx;
    exchange_guess(exchange,
                   AHEAD_SMALL); /* A few waits must not keep all others from sending ahead. */
}

void exchange_on_drain(struct exchange *exchange,
                       void (*drain)(struct exchange *exchange, void *ctx), void *ctx) {
    exchange->drain = drain;
    exchange->drain_ctx = ctx;
    if (exchange->server->draining) {
        server_drain_again(exchange->server);
    }
}

/* --- The answer ------------------------------------------------------------------------------- */

void exchange_add_header(struct exchange *exchange, const char *name, const char *value) {
    size_t name_len = strlen(name), value_len = strlen(value);
    size_t need = name_len + value_len + 4;
    assert(strpbrk(value, "\r\n") == NULL);
    assert(exchange->extra_len + need <= ANSWER_EXTRA_MAX);
    char *out = exchange->extra + exchange->extra_len;
    memcpy(out, name, name_len);
    memcpy(out + name_len, ": ", 2);
    memcpy(out + name_len + 2, value, value_len);
    memcpy(out + name_len + 2 + value_len, "\r\n", 2);
    exchange->extra_len = (uint16_t)(exchange->extra_len + need);
}

static void finish(struct exchange *exchange, int status) {
    exchange->status = status;
    exchange->gone = NULL;
    exchange->drain = NULL;
    exchange_go(exchange, EXCHANGE_ANSWERED);
    exchange->server->stats.answers[status / 100]++;
    exchange->server->answer_bytes += exchange->body_len;
    ahead_end(exchange);
    free_sent(exchange);
    if (exchange->conn == NULL) {
        exchange_free(exchange);
    } else {
        conn_answered(exchange->conn);
    }
}

void exchange_refuse_revoked(struct exchange *exchange) {
    struct why why;
    why_set(&why, "the token was revoked");
    exchange_problem(exchange, err_make(ERR_UNAUTHORIZED, "http: revoked"), &why);
}

/* What was written is written, and its client may know; what is read is not shown any more. */
bool exchange_is_read(const struct exchange *exchange) {
    struct bytes method = exchange_method(exchange);
    return exchange->head_only || (method.len == 3 && memcmp(method.data, "GET", 3) == 0);
}

/* Clients that ask for much and read nothing share a bound. */
static bool has_room(const struct http_server *server, size_t len) {
    return len <= ANSWER_SMALL || server->answer_bytes + len <= server->limits.answers_bytes_max;
}

void exchange_reply(struct exchange *exchange, int status, const char *media, struct text *body) {
    assert(status >= 200 && status < 600);
    if (exchange->revoked && exchange_is_read(exchange)) {
        exchange_refuse_revoked(exchange);
        return;
    }
    if (body != NULL && text_failed(body)) {
        struct err err = text_error(body, "http: answer");
        struct why why;
        why_set(&why, err.code == ERR_OUT_OF_MEMORY ? "the answer does not fit into memory"
                                                    : "the answer is longer than its limit");
        text_clear(body);
        exchange_problem(exchange, err, &why);
        return;
    }
    if (body != NULL && !has_room(exchange->server, body->len)) {
        struct remains remains = {0};
        remains.body = text_take(body, &remains.body_len);
        exchange->server->answer_bytes += remains.body_len;
        free_in_pool(exchange->server, &remains);
        struct why why;
        why_set(&why, "more answers wait for their clients than the server's limit");
        exchange_problem(exchange, err_make(ERR_OVERLOADED, "http: answer"), &why);
        return;
    }
    exchange->media = media;
    if (body != NULL && body->len > 0) {
        exchange->body = text_take(body, &exchange->body_len);
    }
    finish(exchange, status);
}

/* Refusals that pass by themselves say when to come again. */
static bool is_temporary(enum err_code code) {
    return code == ERR_OVERLOADED || code == ERR_TOO_MANY || code == ERR_CLOSING ||
           code == ERR_BUSY;
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
    struct http_server *server = exchange->server;
    if (server->options.failed != NULL && is_our_failure(exchange, err.code)) {
        server->options.failed(server->options.ctx, exchange, err, why);
    }
    if (err.code == ERR_UNAUTHORIZED) {
        exchange_add_header(exchange, "WWW-Authenticate", "Bearer realm=\"drover\"");
    }
    if (is_temporary(err.code)) {
        exchange_add_header(exchange, "Retry-After", "1");
    }
    AUTO(text_done) struct text text;
    text_init(&text, PROBLEM_MAX);
    problem_write(&text, err, why, run);
    exchange->media = PROBLEM_MEDIA;
    if (!text_failed(&text)) {
        exchange->body = text_take(&text, &exchange->body_len);
    }
    finish(exchange, err_http_status(err.code));
}

/* --- A stream --------------------------------------------------------------------------------- */

void exchange_hand_over(struct exchange *exchange, struct outlet *outlet) {
    exchange->gone = NULL;
    exchange->drain = NULL;
    if (exchange->revoked) {
        outlet->ops->gone(outlet);
        exchange_refuse_revoked(exchange);
        return;
    }
    exchange->outlet = outlet;
    memcpy(outlet->token, exchange->identity.token, sizeof outlet->token);
    exchange_go(exchange, EXCHANGE_STREAMING);
    ahead_end(exchange);
    free_sent(exchange);
    if (exchange->conn == NULL) {
        exchange_free(exchange);
        outlet->ops->gone(outlet);
        return;
    }
    conn_answered(exchange->conn);
}
