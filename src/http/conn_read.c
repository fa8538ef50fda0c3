#include <string.h>

#include "base/memory.h"
#include "http/inside.h"

enum {
    TURN_REQUESTS_MAX = 64, /* Of one connection, before the others are looked at again. */
    LINGER_BYTES_MAX = 4 << 20,
};

void conn_read_stop(struct conn *conn) {
    if (conn->reading_on) {
        (void)uv_read_stop(&conn->uv.stream); /* Always succeeds. */
        conn->reading_on = false;
    }
}

static void queue(struct conn *conn, struct exchange *exchange) {
    exchange->next = NULL;
    if (conn->last != NULL) {
        conn->last->next = exchange;
    } else {
        conn->first = exchange;
    }
    conn->last = exchange;
    conn->reading = exchange;
    exchange->ahead_bytes = conn->in_flight > 0 ? AHEAD_SMALL : 0;
    conn->server->ahead_bytes += exchange->ahead_bytes;
    conn->in_flight++;
    conn->turn_requests++;
}

/* A large body takes its way through the pool, and what comes behind it is not to overtake it: a
 * client that sends two appends in a row means them in that order. */
static bool is_behind_pool(const struct conn *conn) {
    const struct exchange *last = conn->last;
    return last != NULL && (last->state == EXCHANGE_PARSING ||
                            (last->state == EXCHANGE_HANDLING && last->holds_next));
}

/* Bytes of answers that wait for their clients, and a guess at those that are being made for
 * requests behind others. Without the guess a client could ask for many pages in one write, before
 * the first of them is there to be counted. */
static size_t bytes_ahead(const struct http_server *server) {
    return server->answer_bytes + server->ahead_bytes;
}

/* One request at a time is always possible. More of them share bounds for the whole server: each
 * takes some kilobytes, its answer may be a page, and there may be very many connections. A client
 * that does not take its answers gets no more of them. */
bool conn_has_room(const struct conn *conn) {
    const struct http_limits *limits = &conn->server->limits;
    size_t shared_max = (size_t)limits->connections_max * 2;
    return conn->in_flight < limits->pipeline_max && conn->writing == NULL && !conn->upgrading &&
           !is_behind_pool(conn) &&
           (conn->in_flight == 0 || (conn->server->exchange_count < shared_max &&
                                     bytes_ahead(conn->server) < limits->ahead_bytes_max));
}

static bool may_begin(const struct conn *conn) {
    return conn->turn_requests < TURN_REQUESTS_MAX && conn_has_room(conn);
}

void conn_refuse(struct conn *conn, struct err err, const struct why *why) {
    struct exchange *exchange = conn->reading;
    assert(exchange != NULL);
    conn->server->stats.protocol_errors++;
    conn->reading = NULL;
    conn_deadline(conn, 0);
    conn_go(conn, CONN_ENDING);
    exchange->close = true;
    if (exchange->state == EXCHANGE_READING) {
        exchange_problem(exchange, err, why);
    } else {
        conn_answered(conn); /* Its refusal is out or on its way; the connection ends now. */
    }
}

void conn_reject(struct conn *conn, struct err err, const struct why *why) {
    struct exchange *exchange = exchange_new(conn);
    if (exchange == NULL) {
        conn_close(conn);
        return;
    }
    queue(conn, exchange);
    conn_refuse(conn, err, why);
}

/* False: there is no room, for this one or for all. */
static bool stash(struct conn *conn, struct bytes rest) {
    struct http_server *server = conn->server;
    if (server->body_bytes + rest.len > server->limits.bodies_bytes_max) {
        return false;
    }
    conn->stash = mem_try(rest.len);
    if (conn->stash == NULL) {
        return false;
    }
    memcpy(conn->stash, rest.data, rest.len);
    conn->stash_len = rest.len;
    server->body_bytes += rest.len;
    return true;
}

char *conn_stash_take(struct conn *conn, size_t *ret_len) {
    char *taken = conn->stash;
    if (taken != NULL) {
        conn->server->body_bytes -= conn->stash_len;
        *ret_len = conn->stash_len;
        conn->stash = NULL;
    }
    return taken;
}

/* Of each connection at most one read is kept. But there may be very many connections, and what
 * they send need not be a request that anybody knows: so all of it counts among the bodies. */
static void hold(struct conn *conn, struct bytes rest) {
    assert(conn->stash == NULL);
    if (rest.len > 0 && !stash(conn, rest)) {
        struct why why;
        why_set(&why, "too much came behind requests that are not answered yet, over all");
        if (conn->upgrading) { /* Nothing behind it can be refused: what comes is no request. */
            conn_close(conn);
        } else {
            conn_reject(conn, err_make(ERR_OVERLOADED, "http: hold"), &why);
        }
        return;
    }
    conn_read_stop(conn);
    conn_go(conn, CONN_HELD);
    conn_deadline(conn, 0);
}

/* The head is there: may it reach its handler? */
static void check(struct conn *conn, struct exchange *exchange, enum parse_result result) {
    exchange_check(exchange);
    if (exchange->state == EXCHANGE_READING && exchange_is_read(exchange)) {
        exchange_guess(exchange, AHEAD_PAGE); /* Not before: a stranger may send half a head. */
    }
    if (result == PARSE_WHOLE) {
        return;
    }
    if (exchange->state == EXCHANGE_ANSWERED && exchange->close) {
        conn->reading = NULL;
        conn_deadline(conn, 0);
        conn_go(conn, CONN_ENDING);
        return;
    }
    conn_go(conn, CONN_BODY);
    conn->progress = 0;
    /* The client's time begins when it was told to go on, behind the answers before this one. */
    conn_deadline(conn, exchange->continue_due ? 0 : conn->server->limits.body_ms);
}

static void whole(struct conn *conn, struct exchange *exchange) {
    conn->reading = NULL;
    conn->server->stats.requests++;
    conn_deadline(conn, 0);
    conn_go(conn, CONN_IDLE);
    if (exchange->close || conn->close_after) {
        conn_go(conn, CONN_ENDING);
    }
    if (exchange->state == EXCHANGE_READING) {
        conn->upgrading = exchange->request.wants_upgrade;
        exchange_run(exchange);
    }
}

/* Bodies are bounded one by one, and all together. */
static enum parse_result feed(struct conn *conn, struct exchange *exchange, struct bytes bytes,
                              size_t *ret_used) {
    struct http_server *server = conn->server;
    struct request *request = &exchange->request;
    size_t before = request->body_size;
    enum parse_result result =
        parser_feed(&conn->parser, request, &server->request_limits, bytes, ret_used);
    server->body_bytes += request->body_size - before;
    if (result != PARSE_FAILED && request->body_size > before &&
        server->body_bytes > server->limits.bodies_bytes_max) {
        request->err = err_make(ERR_OVERLOADED, "http: body");
        why_set(&request->why, "all bodies together are larger than the server's limit");
        return PARSE_FAILED;
    }
    return result;
}

/* False: nothing more can be read now. */
static bool step(struct conn *conn, struct bytes *bytes) {
    if (conn->reading == NULL) {
        if (!may_begin(conn)) {
            hold(conn, *bytes);
            return false;
        }
        struct exchange *exchange = exchange_new(conn);
        if (exchange == NULL) {
            conn_close(conn);
            return false;
        }
        queue(conn, exchange);
    }
    struct exchange *exchange = conn->reading;
    size_t used;
    enum parse_result result = feed(conn, exchange, *bytes, &used);
    *bytes = (struct bytes){bytes->data + used, bytes->len - used};
    if (result == PARSE_FAILED) {
        conn_refuse(conn, exchange->request.err, &exchange->request.why);
        return false;
    }
    if (result == PARSE_MORE) {
        if (conn->state == CONN_IDLE) {
            conn_go(conn, CONN_HEAD);
            conn_deadline(conn, conn->server->limits.head_ms);
        }
        return true;
    }
    if (!exchange->checked) {
        if (conn->state == CONN_IDLE) {
            conn_go(conn, CONN_HEAD);
        }
        check(conn, exchange, result);
    }
    if (result == PARSE_WHOLE) {
        whole(conn, exchange);
    }
    return true;
}

static bool reads_requests(const struct conn *conn) {
    return conn->state == CONN_IDLE || conn->state == CONN_HEAD || conn->state == CONN_BODY;
}

static void parse(struct conn *conn, struct bytes bytes) {
    conn->corked = true;
    while (bytes.len > 0 && reads_requests(conn) && step(conn, &bytes)) {
    }
    conn->corked = false;
    conn_flush(conn);
}

/* Whoever keeps sending after he was refused gets the answer first, and those to what he had asked
 * before, and is cut then. */
static void drop(struct conn *conn, size_t len) {
    conn->lingered += len;
    if (conn->lingered > LINGER_BYTES_MAX && conn->state == CONN_ENDING) {
        conn_read_stop(conn);
    } else if (conn->lingered > LINGER_BYTES_MAX) {
        conn_close(conn);
    }
}

static bool hears_enough(const struct conn *conn) {
    return (conn->state == CONN_STREAM && conn->sated) ||
           (conn->state == CONN_ENDING && conn->lingered > LINGER_BYTES_MAX);
}

void conn_read(struct conn *conn, struct bytes bytes) {
    conn->turn_requests = 0;
    if (conn->state == CONN_STREAM) {
        conn->outlet->ops->receive(conn->outlet, bytes);
    } else if (reads_requests(conn)) {
        parse(conn, bytes);
    } else {
        drop(conn, bytes.len);
    }
    /* libuv would go on reading this one socket many times; the others come first. */
    if (bytes.len == READ_SIZE && conn->reading_on && conn->state != CONN_CLOSING) {
        conn_read_stop(conn);
        loop_soon(conn->server->loop, &conn->task);
    }
}

static void tell_gone(struct conn *conn) {
    for (struct exchange *at = conn->first, *next; at != NULL; at = next) {
        next = at->next;
        if (at->gone != NULL) {
            void (*gone)(struct exchange *, void *) = at->gone;
            at->gone = NULL;
            gone(at, at->gone_ctx);
        }
    }
}

void conn_half_closed(struct conn *conn) {
    if (conn->outlet->ops->half_closed != NULL) {
        conn->outlet->ops->half_closed(conn->outlet);
    } else {
        outlet_cut(conn->outlet);
    }
}

/* The client shut its side: perhaps only that (it still reads), perhaps it is gone. Nothing but a
 * write tells which; requests that are in flight are answered, waits at once. */
void conn_read_eof(struct conn *conn) {
    conn->eof = true;
    conn->reading_on = false;
    if (conn->state == CONN_STREAM) {
        conn_half_closed(conn);
        return;
    }
    if (conn->state == CONN_LINGER || (conn->state == CONN_IDLE && conn->first == NULL)) {
        conn_close(conn);
        return;
    }
    if (conn->reading != NULL && (conn->state == CONN_HEAD || conn->state == CONN_BODY)) {
        struct why why;
        why_set(&why, "the request was cut off");
        conn_refuse(conn, err_make(ERR_BAD_REQUEST, "http: read"), &why);
    } else if (conn->state == CONN_IDLE) {
        conn_go(conn, CONN_ENDING);
    }
    tell_gone(conn);
    conn_flush(conn);
}

static void resume(struct conn *conn) {
    if (!may_begin(conn)) {
        return;
    }
    conn_go(conn, CONN_IDLE);
    if (conn->close_after) {
        conn_go(conn, CONN_ENDING);
    }
    size_t len = 0;
    AUTO(mem_release) char *kept = conn_stash_take(conn, &len);
    if (kept != NULL) {
        parse(conn, (struct bytes){kept, len});
    }
}

void conn_read_more(struct conn *conn) {
    if (conn->state == CONN_HELD) {
        resume(conn);
    }
    if (conn->state == CONN_HELD || conn->state == CONN_CLOSING || conn->reading_on ||
        hears_enough(conn)) {
        return;
    }
    if (conn->eof) {
        if (reads_requests(conn)) {
            conn_read_eof(conn);
        }
        return;
    }
    if (!conn->broken) {
        conn_start(conn);
    }
}
