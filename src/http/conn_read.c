/* conn_read.c: from the bytes of a connection to its requests, one after the other. */
#include <string.h>

#include "base/memory.h"
#include "http/inside.h"

enum {
    TURN_REQUESTS_MAX = 64, /* Of one connection, before the others get their turn. */
    LINGER_BYTES_MAX = 4 << 20,
};

void conn_read_stop(struct conn *conn) {
    if (conn->reading_on) {
        (void)uv_read_stop(&conn->uv.stream); /* Always succeeds. */
        conn->reading_on = false;
    }
}

/* --- Admission -------------------------------------------------------------------------------- */

/* One request at a time is always possible. More of them share bounds for the whole server: each
 * takes some kilobytes, its answer may be a page, and there may be very many connections. A client
 * that does not take its answers gets no more of them. */
bool conn_has_room(const struct conn *conn) {
    const struct http_server *server = conn->server;
    const struct exchange *last = conn->last;
    if (conn->in_flight >= server->limits.pipeline_max || conn->writing != NULL ||
        conn->upgrading) {
        return false;
    }
    if (last == NULL) {
        return true;
    }
    /* A large body takes its way through the pool, and a later request must not overtake it: a
     * client that sends two appends in a row means them in that order. */
    if (last->state == EXCHANGE_PARSING || (last->state == EXCHANGE_HANDLING && last->holds_next)) {
        return false;
    }
    /* Answers that wait for their clients, and a guess at those that are being made for requests
     * behind others. Without the guess a client could ask for many pages in one write, before the
     * first of them is there to be counted. */
    return server->exchange_count < (size_t)server->limits.connections_max * 2 &&
           server->answer_bytes + server->ahead_bytes < server->limits.ahead_bytes_max;
}

static bool request_may_begin(const struct conn *conn) {
    return conn->turn_requests < TURN_REQUESTS_MAX && conn_has_room(conn);
}

/* False: there is no memory for a further exchange. */
static bool request_begin(struct conn *conn) {
    struct exchange *exchange = exchange_new(conn);
    if (exchange == NULL) {
        conn_close(conn);
        return false;
    }
    if (conn->last != NULL) {
        conn->last->next = exchange;
    } else {
        conn->first = exchange;
    }
    conn->last = conn->reading = exchange;
    exchange->ahead_bytes = conn->in_flight > 0 ? AHEAD_SMALL : 0;
    conn->server->ahead_bytes += exchange->ahead_bytes;
    conn->in_flight++;
    conn->turn_requests++;
    return true;
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
    if (request_begin(conn)) {
        conn_refuse(conn, err, why);
    }
}

/* --- Holding ---------------------------------------------------------------------------------- */

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
static void conn_hold(struct conn *conn, struct bytes rest) {
    struct http_server *server = conn->server;
    assert(conn->stash == NULL);
    assert(rest.len > 0);
    if (server->body_bytes + rest.len <= server->limits.bodies_bytes_max) {
        conn->stash = mem_try(rest.len);
    }
    if (conn->stash != NULL) {
        memcpy(conn->stash, rest.data, rest.len);
        conn->stash_len = rest.len;
        server->body_bytes += rest.len;
        conn_read_stop(conn);
        conn_go(conn, CONN_HELD);
        conn_deadline(conn, 0);
    } else if (conn->upgrading) {
        conn_close(conn); /* Bytes behind an upgrade are no request that could be refused. */
    } else {
        struct why why;
        why_set(&why, "too much came behind requests that are not answered yet, over all");
        conn_reject(conn, err_make(ERR_OVERLOADED, "http: hold"), &why);
    }
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* The head is there: the checks decide whether its request may reach the handler. */
static void request_check(struct conn *conn, struct exchange *exchange, enum parse_result result) {
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
    /* After "100 Continue" the client's time begins when that is sent, behind earlier answers. */
    conn_deadline(conn, exchange->continue_due ? 0 : conn->server->limits.body_ms);
}

static void request_end(struct conn *conn, struct exchange *exchange) {
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

/* Feeds the parser up to the end of a head, of a body or of the bytes. False: nothing more can be
 * read now. */
static bool conn_parse_step(struct conn *conn, struct bytes *bytes) {
    struct http_server *server = conn->server;
    if (conn->reading == NULL) {
        if (!request_may_begin(conn)) {
            conn_hold(conn, *bytes);
            return false;
        }
        if (!request_begin(conn)) {
            return false;
        }
    }
    struct exchange *exchange = conn->reading;
    struct request *request = &exchange->request;
    size_t used, before = request->body_size;
    enum parse_result result =
        parser_feed(&conn->parser, request, &server->request_limits, *bytes, &used);
    *bytes = (struct bytes){bytes->data + used, bytes->len - used};
    /* Bodies are bounded one by one, and all together. */
    server->body_bytes += request->body_size - before;
    if (result != PARSE_FAILED && request->body_size > before &&
        server->body_bytes > server->limits.bodies_bytes_max) {
        request->err = err_make(ERR_OVERLOADED, "http: body");
        why_set(&request->why, "all bodies together are larger than the server's limit");
        result = PARSE_FAILED;
    }
    if (result == PARSE_FAILED) {
        conn_refuse(conn, request->err, &request->why);
        return false;
    }
    if (conn->state == CONN_IDLE) {
        conn_go(conn, CONN_HEAD);
        if (result == PARSE_MORE) {
            conn_deadline(conn, server->limits.head_ms);
        }
    }
    if (result != PARSE_MORE && !exchange->checked) {
        request_check(conn, exchange, result);
    }
    if (result == PARSE_WHOLE) {
        request_end(conn, exchange);
    }
    return true;
}

static bool conn_reads_requests(const struct conn *conn) {
    return conn->state == CONN_IDLE || conn->state == CONN_HEAD || conn->state == CONN_BODY;
}

static void conn_parse(struct conn *conn, struct bytes bytes) {
    conn->corked = true;
    while (bytes.len > 0 && conn_reads_requests(conn) && conn_parse_step(conn, &bytes)) {
    }
    conn->corked = false;
    conn_flush(conn);
}

void conn_read(struct conn *conn, struct bytes bytes) {
    conn->turn_requests = 0;
    if (conn->state == CONN_STREAM) {
        conn->outlet->ops->receive(conn->outlet, bytes);
    } else if (conn_reads_requests(conn)) {
        conn_parse(conn, bytes);
    } else {
        /* A client that keeps sending after a refusal gets the answers to it and to its earlier
         * requests first, and is cut then. */
        conn->lingered += bytes.len;
        if (conn->lingered > LINGER_BYTES_MAX && conn->state == CONN_ENDING) {
            conn_read_stop(conn);
        } else if (conn->lingered > LINGER_BYTES_MAX) {
            conn_close(conn);
        }
    }
    /* libuv would go on reading this one socket many times; the others come first. */
    if (bytes.len == READ_SIZE && conn->reading_on && conn->state != CONN_CLOSING) {
        conn_read_stop(conn);
        loop_soon(conn->server->loop, &conn->task);
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
 * write shows which; requests that are in flight are answered, waits at once. */
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
    for (struct exchange *at = conn->first, *next; at != NULL; at = next) {
        next = at->next;
        exchange_notify(at, &at->gone);
    }
    conn_flush(conn);
}

void conn_read_more(struct conn *conn) {
    if (conn->state == CONN_HELD && request_may_begin(conn)) {
        conn_go(conn, CONN_IDLE);
        if (conn->close_after) {
            conn_go(conn, CONN_ENDING);
        }
        size_t len = 0;
        AUTO(mem_release) char *kept = conn_stash_take(conn, &len);
        if (kept != NULL) {
            conn_parse(conn, (struct bytes){kept, len});
        }
    }
    bool hears_enough = (conn->state == CONN_STREAM && conn->sated) ||
                        (conn->state == CONN_ENDING && conn->lingered > LINGER_BYTES_MAX);
    if (conn->state == CONN_HELD || conn->state == CONN_CLOSING || conn->reading_on ||
        hears_enough) {
        return;
    }
    if (!conn->eof && !conn->broken) {
        conn_start(conn);
    } else if (conn->eof && conn_reads_requests(conn)) {
        conn_read_eof(conn);
    }
}
