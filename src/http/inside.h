/* inside.h: what the parts of the server know of each other.
 *
 * server.c opens listeners and takes connections, conn.c drives them, exchange.c is the face of one
 * request, and check.c decides whether it may reach its handler.
 *
 * Threads    the loop.
 */
#ifndef DROVER_HTTP_INSIDE_H
#define DROVER_HTTP_INSIDE_H

#include <stdatomic.h>
#include <uv.h>

#include "http/host.h"
#include "http/http.h"
#include "http/outlet.h"
#include "http/request.h"
#include "http/server.h"
#include "http/target.h"
#include "loop/address.h"

enum {
    READ_SIZE = 64 << 10,    /* One buffer for all: what is read is used up at once. */
    SCRATCH_SIZE = 64 << 10, /* Answers of one write are gathered here. */
    /* Bytes that an answer counts for while it is made, behind others: of a page, and any other. */
    AHEAD_PAGE = 1 << 20,
    AHEAD_SMALL = 64 << 10,
    ANSWER_HEAD_MAX = 1280,
    ANSWER_EXTRA_MAX = 512,
    ADDRESS_SIZE = 64,
};

/* --- Exchange --------------------------------------------------------------------------------- */

/*   READING ──> PARSING ──> HANDLING ──> ANSWERED
 *      │  └────────────────────^  │          ^
 *      └───────── refused ────────┼──────────┤
 *                                 └──> STREAMING (an outlet takes over) */
enum exchange_state {
    EXCHANGE_READING,
    EXCHANGE_PARSING, /* The body, in the pool. */
    EXCHANGE_HANDLING,
    EXCHANGE_ANSWERED,
    EXCHANGE_STREAMING,
    EXCHANGE_STATES,
};

/* Called at most once. */
struct exchange_hook {
    void (*run)(struct exchange *exchange, void *ctx);
    void *ctx;
};

struct exchange {
    struct exchange *next; /* In the connection's queue, or among the spare ones. */
    struct http_server *server;
    struct conn *conn; /* NULL: the client is gone. */
    enum exchange_state state;
    bool checked;      /* The head was; the answer may be known already. */
    bool head_only;    /* HEAD. */
    bool close;        /* The connection ends after this answer. */
    bool written;      /* The answer is out; the rest of the body is still to be dropped. */
    bool continue_due; /* "100 Continue" is owed. */
    bool revoked;      /* Its token was, after the check. */
    bool holds_next;   /* While it is with its handler, the next request does not begin. */
    uint16_t extra_len;
    int status;
    const struct route *route; /* NULL until it is known. */
    void *ctx;                 /* The handler's. */
    void (*handle)(struct exchange *exchange, void *ctx);
    const char *media; /* Static. */
    char *body;        /* Owned: the answer's. */
    size_t body_len;
    char *decoded;       /* Owned: what target and query were decoded into, if they had to be. */
    json_t *json;        /* Owned. */
    size_t values_bytes; /* What `json` counts for among the server's. */
    size_t ahead_bytes;  /* Guess at its answer, while one that began behind others is made. */
    struct outlet *outlet;
    struct exchange_hook gone, drain;
    struct identity identity;
    struct bytes params[PATH_PARAMS_MAX];
    struct query_value query[QUERY_PARAMS_MAX]; /* From here on not zeroed. */
    char extra[ANSWER_EXTRA_MAX];               /* Header lines of the handler. */
    struct request request;
};

struct exchange *exchange_new(struct conn *conn);
void exchange_free(struct exchange *exchange);
void exchange_go(struct exchange *exchange, enum exchange_state to);
void exchange_notify(struct exchange *exchange, struct exchange_hook *hook); /* One of its own. */
/* Size that the answer of a request behind others is likely to have: AHEAD_PAGE or AHEAD_SMALL. */
void exchange_guess(struct exchange *exchange, size_t bytes);
/* GET or HEAD: the answer shows what is stored. For a head that was checked. */
MUST_CHECK bool exchange_is_read(const struct exchange *exchange);
/* The request is complete, and was not refused. */
void exchange_run(struct exchange *exchange);
/* check.c: all that can be said before the body. Refuses by answering. */
void exchange_check(struct exchange *exchange);

/* Writes at most ANSWER_HEAD_MAX bytes, and returns how many. */
size_t reply_head_write(const struct exchange *exchange, char *out);
/* The head of a stream; `fields` are whole lines. */
size_t reply_stream_head_write(struct http_server *server, const char *status_line,
                               const char *fields, char *out);

/* Refusals as application/problem+json (RFC 9457):
 * {"type":"urn:drover:problem:bad_query","title":…,"status":400,"detail":…,"code":"bad_query"}
 * `code` and `type` are stable; `detail` is for people and left out when there is none. `run`: the
 * member of that name; "": none. */
#define PROBLEM_MEDIA "application/problem+json"
extern const char problem_schema[]; /* For openapi.json. */
void problem_write(struct text *text, struct err err, const struct why *why, const char *run);

/* --- Connection ------------------------------------------------------------------------------- */

/* The state of a connection; the table of edges is in conn.c. */
enum conn_state {
    CONN_IDLE,    /* Between requests. Others may still be in flight. */
    CONN_HEAD,    /* In the middle of a head. */
    CONN_BODY,    /* In the middle of a body. */
    CONN_HELD,    /* Not read: enough in flight, or an upgrade is being decided. */
    CONN_STREAM,  /* An outlet has it. */
    CONN_ENDING,  /* No more requests; answers are on their way. */
    CONN_LINGER,  /* Our side is shut; what still comes is dropped, so that the client reads. */
    CONN_CLOSING, /* uv_close was called. */
    CONN_STATES,
};

struct listener;
struct conn_write;

struct conn {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    struct http_server *server;
    struct listener *listener; /* Borrowed: lives as long as the server. */
    struct link link;          /* In the server's list. */
    enum conn_state state;
    bool local;       /* Needs no token. */
    bool close_after; /* No request after those that have begun. */
    bool eof;         /* The client has shut its side. */
    bool reading_on;  /* uv_read_start was called. */
    bool sated;       /* Its outlet wants to hear no more for now. */
    bool corked;      /* Answers are gathered until the bytes at hand are used up. */
    bool upgrading;   /* A WebSocket handshake is with its handler. */
    bool broken;      /* To be closed at the next turn. */
    unsigned in_flight, turn_requests;
    struct parser parser;
    struct exchange *first, *last; /* Owned, in the order of the requests. */
    struct exchange *reading;      /* The last one, while it is not complete. */
    struct outlet *outlet;         /* Borrowed. */
    struct conn_write *writing;    /* Owned; NULL: nothing waits for the client. */
    char *stash;                   /* Owned: bytes that came while it was held. */
    size_t stash_len;
    struct loop_task task; /* Flush, then go on reading. */
    struct timer timer;    /* Armed at `timer_due_ms`; looks at `deadline_ms` when it fires. */
    uint64_t timer_due_ms, deadline_ms, progress;
    size_t lingered;
    struct address_slot *address; /* Borrowed: counts the connections of one address. */
};

struct conn *conn_new(struct listener *listener);
void conn_start(struct conn *conn); /* It was accepted. */
void conn_close(struct conn *conn); /* At once; twice is fine. */
void conn_drain(struct conn *conn);
void conn_revoke(struct conn *conn); /* Of the server's list of revoked tokens. */
void conn_reject(struct conn *conn, struct err err, const struct why *why); /* Before any read. */
void conn_answered(struct conn *conn);  /* One of its exchanges got its answer. */
void conn_read_more(struct conn *conn); /* What was stashed, then the socket. */
void conn_read_stop(struct conn *conn);
void conn_deadline(struct conn *conn, unsigned after_ms); /* 0: none. */

/* --- Server ----------------------------------------------------------------------------------- */

/* How many connections each address holds: IPv4 in its mapped form, IPv6 by its first 64 bits.
 * Finding, adding and releasing take constant time; a slot lives as long as one connection holds
 * it. */
struct address_slot {
    struct address_slot *next; /* In its bucket. */
    struct address address;
    unsigned count;
};
enum { ADDRESS_BUCKETS = 256 };
struct addresses {
    struct address_slot *buckets[ADDRESS_BUCKETS]; /* Owned. */
};
/* NULL when that address holds count_max already. */
MUST_CHECK struct address_slot *addresses_take(struct addresses *addresses, struct address address,
                                               unsigned count_max);
void addresses_release(struct addresses *addresses, struct address_slot *slot); /* NULL is fine. */

struct listener {
    struct http_server *server;
    struct listener *next;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    bool is_unix, loopback, open;
    bool waiting; /* A connection was not taken in yet: enough for this turn. */
    unsigned turn_accepts;
    struct loop_task task; /* The next turn's. */
    struct host_rules rules;
    char address[ADDRESS_SIZE]; /* What rules.address points to. */
    char *path;                 /* Owned: the socket's, to remove it again. */
};

struct http_server {
    struct loop *loop;
    struct http_options options; /* `tables` is not valid after http_open. */
    struct http_limits limits;   /* With the defaults filled in. */
    struct request_limits request_limits;
    struct router router;
    struct addresses addresses;
    struct listener *listeners; /* Owned. */
    struct link conns;          /* Owned, in no order. */
    struct link *walk;          /* The next one that a walk visits. */
    char (*revoked)[ID_SIZE];   /* Owned: tokens that the walk looks for. */
    size_t revoked_count;
    struct loop_task walker;
    struct timer drain_limit;
    struct exchange *spare; /* Owned. */
    unsigned spare_count, listeners_open;
    size_t exchange_count;      /* Not the spare ones. */
    size_t ahead_bytes;         /* Of all exchanges: guess at answers that are being made. */
    size_t remains_count;       /* What is being freed in the pool. */
    size_t body_bytes;          /* Of all exchanges and remains, and what held connections keep. */
    atomic_size_t values_bytes; /* Of their parsed bodies, as an upper bound. The pool adds. */
    size_t answer_bytes;        /* Those that wait to be written, or to be taken, or to be freed. */
    bool draining, cutting, closing, closed;
    void (*drained)(struct http_server *server, void *ctx);
    void *drained_ctx;
    void (*on_closed)(void *ctx);
    void *closed_ctx;
    struct http_stats stats;
    int64_t date_s;
    char date[40]; /* "Date: …\r\n" of that second. */
    char read_buffer[READ_SIZE], scratch[SCRATCH_SIZE];
};

/* Visits every connection, from the first one on: revoked tokens, a drain, a cut. */
void server_walk(struct http_server *server);
/* The last connection or listener may have gone: notifies the owner who waits for that. */
void server_end_if_empty(struct http_server *server);
void server_exchange_gone(struct http_server *server); /* Or its remains. */
/* builtin.c: /healthz, /readyz, /metrics, /api/v1/openapi.json. */
extern const struct route builtin_routes[];
extern const size_t builtin_route_count;

#endif
