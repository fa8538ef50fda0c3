/* body.c: from a whole body to its handler, and what must wait meanwhile.
 *
 * A small body is parsed at once, a large one in the pool. Requests behind one that is in the pool
 * do not begin (conn_has_room), so that none overtakes it.
 */
#include "base/json/json.h"
#include "base/memory.h"
#include "http/inside.h"

struct body_work {
    struct loop_work work;
    struct exchange *exchange; /* Lives until it is answered, so until after `done`. */
    json_t *json;
    size_t values_bytes;
    struct err err;
    struct why why;
};

/* Upper bound of the memory that the values of a text take: each stands behind one of these four
 * bytes, or begins with one. The dearest is an empty object in an array, 240 bytes behind two of
 * them. A text with more of them than that is refused before it comes so far. */
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
        why_set(&body->why, "the values of all bodies together are larger than the server's limit");
        body->err = err_make(ERR_OVERLOADED, "http: body");
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
            why_set(&body->why, "no fields are taken here: send no body, or {}");
            body->err = err_make(ERR_BAD_FIELD, "http: body");
        } else if (name != NULL) {
            why_set(&body->why, "%s: no fields are taken here", name);
            body->err = err_make(ERR_UNKNOWN_FIELD, "http: body");
        }
    }
    if (err_failed(body->err)) {
        exchange_problem(exchange, body->err, &body->why);
    } else {
        exchange_handle(exchange);
    }
}

/* The connection reads on in its next turn, when what it waited for is done. */
static void exchange_wake_next(const struct exchange *exchange) {
    if (exchange->conn != NULL) {
        conn_answered(exchange->conn);
    }
}

void exchange_hold_next(struct exchange *exchange) {
    exchange->holds_next = true;
}

void exchange_release_next(struct exchange *exchange) {
    exchange->holds_next = false;
    exchange_wake_next(exchange);
}

static void body_parsed_in_pool(struct loop_work *work) {
    struct body_work *body = CONTAINER_OF(work, struct body_work, work);
    exchange_wake_next(body->exchange);
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
