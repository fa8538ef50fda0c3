/* inside.h: an exchange and the server, as the parts of the server know them. Connections: conn.h.
 *
 * Threads    the loop.
 */
#ifndef DROVER_HTTP_INSIDE_H
#define DROVER_HTTP_INSIDE_H

#include <stdatomic.h>

#include "http/http.h"
#include "http/outlet.h"
#include "http/request.h"
#include "http/server.h"
#include "http/target.h"

enum {
    READ_SIZE = 64 << 10,    /* One buffer for all: what is read is used up at once. */
    SCRATCH_SIZE = 64 << 10, /* Answers of one write are gathered here. */
    /* Bytes that an answer counts for while it is made, after others: of a page, and any other. */
    AHEAD_PAGE = 1 << 20,
    AHEAD_SMALL = 64 << 10,
    ANSWER_HEAD_MAX = 1280,
    ANSWER_EXTRA_MAX = 512,
};

/* --- Exchange; the table of edges is in exchange.c -------------------------------------------- */

/*   HEAD ──> EXPECTED ──> BODY ──> PARSING ──> HANDLING <──> HOLDING
 *    │ └──────────────────^ └─────────────────^    │  │
 *    └──────── refused, from each of these ────────┴──┼──> ANSWERED ──> WRITTEN
 *                                                     └──> STREAMING (an outlet takes over) */
enum exchange_state {
    EXCHANGE_HEAD,     /* Being read; nothing was checked. */
    EXCHANGE_EXPECTED, /* The head was checked; "100 Continue" is owed. */
    EXCHANGE_BODY,     /* The head was checked; the body is being read. */
    EXCHANGE_PARSING,  /* The body, in the pool. */
    EXCHANGE_HANDLING,
    EXCHANGE_HOLDING, /* The same, and the next request of the connection does not begin. */
    EXCHANGE_ANSWERED,
    EXCHANGE_WRITTEN, /* The answer is out; the rest of the body may still have to be dropped. */
    EXCHANGE_STREAMING,
    EXCHANGE_STATES,
};

struct exchange_hook { /* Called at most once. */
    void (*run)(struct exchange *exchange, void *ctx);
    void *ctx;
};

struct exchange {
    struct exchange *next; /* In the connection's queue, or among the spare ones. */
    struct http_server *server;
    struct conn *conn; /* NULL: the client is gone. */
    enum exchange_state state;
    bool head_only; /* HEAD. */
    bool close;     /* The connection ends after this answer. */
    bool revoked;   /* Its token was, after the check. */
    uint16_t extra_len;
    int status;
    const struct route *route; /* NULL until it is known. */
    void *ctx;                 /* The handler's. */
    void (*handle)(struct exchange *exchange, void *ctx);
    const char *media; /* Static. */
    const char *cache; /* Cache-Control. Static; NULL: no-store. */
    char *body;        /* Owned: the answer's. */
    size_t body_len;
    char *decoded;       /* Owned: what target and query were decoded into, if they had to be. */
    json_t *json;        /* Owned. */
    size_t values_bytes; /* What `json` counts for among the server's. */
    size_t ahead_bytes;  /* Guess at its answer, while one that began after others is made. */
    struct outlet *outlet;
    struct exchange_hook gone, drain;
    /* Called before an exchange without a connection is freed. */
    struct exchange_hook answered;
    struct identity identity;
    struct bytes params[PATH_PARAMS_MAX];
    struct query_value query[QUERY_PARAMS_MAX]; /* From here on not zeroed. */
    char extra[ANSWER_EXTRA_MAX];               /* Header lines of the handler. */
    struct request request;
};

struct exchange *exchange_new(struct conn *conn); /* NULL: no memory. */
void exchange_free(struct exchange *exchange);
void exchange_go(struct exchange *exchange, enum exchange_state to);
void exchange_notify(struct exchange *exchange, struct exchange_hook *hook); /* One of its own. */
/* Size that the answer of a request after others is likely to have: AHEAD_PAGE or AHEAD_SMALL. */
void exchange_guess(struct exchange *exchange, size_t bytes);
/* GET or HEAD: the answer shows what is stored. For a head that was checked. */
MUST_CHECK bool exchange_is_read(const struct exchange *exchange);
/* The request is complete, and was not refused. */
void exchange_run(struct exchange *exchange);
/* check.c: all that can be said before the body. Refuses by answering. */
void exchange_check(struct exchange *exchange);
/* The part of that which is about the rights of the identity with the route. */
MUST_CHECK struct err exchange_check_rights(struct exchange *exchange, const struct conn *conn,
                                            struct why *why);
/* A POST that came as a message on a connection that is a stream: checked and handled as any, and
 * answered by the hook, perhaps inside the call. The answer is in `status` and `body`. When the
 * call fails, the hook is not called. */
struct exchange_ask {
    struct bytes path;
    json_t *json; /* A reference is added. */
    const struct identity *identity;
    struct exchange_hook answered;
};
MUST_CHECK struct err exchange_perform(struct conn *conn, const struct exchange_ask *ask);
/* Writes at most ANSWER_HEAD_MAX bytes, and returns how many; of a stream, `fields` are lines. */
size_t reply_head_write(const struct exchange *exchange, char *out);
size_t reply_stream_head_write(struct http_server *server, const char *status_line,
                               const char *fields, char *out);

/* A refusal as RFC 9457 and problem_schema have it. */
#define PROBLEM_MEDIA "application/problem+json"
extern const char problem_schema[];
void problem_write(struct text *text, struct err err, const struct why *why,
                   const struct problem_about *about);

/* --- Server ----------------------------------------------------------------------------------- */

enum server_state {
    SERVER_OPEN,
    SERVER_DRAINING, /* No new connections; no request after those that have begun. */
    SERVER_CUTTING,  /* The drain took too long. */
    SERVER_CLOSING,
    SERVER_CLOSED, /* Only exchanges keep it. */
    SERVER_STATES,
};

struct http_server {
    struct loop *loop;
    enum server_state state;
    struct http_options options; /* `tables` is not valid after http_open. */
    struct http_limits limits;   /* With the defaults filled in. */
    struct request_limits request_limits;
    struct router router;
    struct addresses *addresses; /* Owned. */
    struct listener *listeners;  /* Owned. */
    struct link conns;           /* Owned, in no order. */
    struct link *walk;           /* The next one that a walk visits. */
    char (*revoked)[ID_SIZE];    /* Owned: tokens that the walk looks for. */
    size_t revoked_count;
    struct loop_task walker;
    struct timer drain_limit;
    struct exchange *spare; /* Owned. */
    unsigned spare_count, listeners_open;
    size_t exchange_count;      /* Not the spare ones. */
    size_t ahead_bytes;         /* Of all exchanges: guess at answers that are being made. */
    size_t remains_count;       /* What is being freed in the pool. */
    struct link waiting;        /* WebSockets that have not signed in, the oldest first. */
    size_t look_count;          /* Clients that are looked at in the pool. */
    size_t body_bytes;          /* Of all exchanges and remains, and what held connections keep. */
    atomic_size_t values_bytes; /* Of their parsed bodies, as an upper bound. The pool adds. */
    size_t answer_bytes;        /* Those that wait to be written, or to be taken, or to be freed. */
    void (*drained)(struct http_server *server, void *ctx);
    void *drained_ctx;
    void (*on_closed)(void *ctx);
    void *closed_ctx;
    struct http_stats stats;
    int64_t date_s;
    char date[40]; /* "Date: …\r\n" of that second. */
    char read_buffer[READ_SIZE], scratch[SCRATCH_SIZE];
};
void server_exchange_gone(struct http_server *server); /* Or its remains. */
void server_walk(struct http_server *server); /* Of all connections, from the first one on. */
extern const struct route builtin_routes[];   /* builtin.c */
extern const size_t builtin_route_count;

#endif
