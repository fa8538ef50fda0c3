/* server.h: the HTTP server as main and serve see it: open, listen, drain, close.
 *
 * Promise    what the limits say is never exceeded by any client. A drain loses no answer that was
 *            being made and ends each stream with a frame from which its client can resume.
 * Ownership  the caller owns the server; everything in the options is borrowed for its life, unless
 *            said otherwise. http_close is asynchronous: memory goes after `closed` was called.
 * Threads    the loop.
 * Failure    a listener that cannot be had leaves the server as it was. ERR_ADDRESS_TAKEN: another
 *            process listens on that TCP port.
 */
#ifndef DROVER_HTTP_SERVER_H
#define DROVER_HTTP_SERVER_H

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"
#include "http/http.h"
#include "journal/hub.h"
#include "loop/loop.h"

struct http_server;

/* Zero means the default, which stands beside each. */
struct http_limits {
    size_t connections_max;  /* 12,000. The soft limit of descriptors is raised to suit. */
    size_t per_address_max;  /* 256; a loopback address has connections_max. */
    size_t pipeline_max;     /* 32 requests in flight on one connection; then it is not read. */
    size_t headers_max;      /* 100. */
    size_t head_bytes_max;   /* 16 kB of header fields. */
    size_t url_bytes_max;    /* 8 kB. */
    size_t body_bytes_max;   /* 1 MB. */
    size_t bodies_bytes_max; /* 256 MB of bodies at once, over all connections, and of bytes read
                               * ahead of the requests in flight. */
    size_t values_bytes_max; /* 256 MB of what bodies are as JSON values: up to 80 times as much. */
    size_t answers_bytes_max; /* 128 MB of answers that wait for their clients; small ones pass. */
    /* 32 MB of the same, from which on a connection is not read while it has a request in flight. A
     * request that was begun after another one counts until it is answered: a read as 1 MB, which
     * is what a page may have, one that waits for an event and any other as 64 kB. */
    size_t ahead_bytes_max;
    size_t head_ms;           /* 10 s from its first byte until a head is complete. */
    size_t body_ms;           /* Each 10 s of a body must bring 4 kB or its end. */
    size_t idle_ms;           /* 60 s between requests. */
    size_t look_ms;           /* 10 s to find out whether a client is inside a run. */
    size_t write_ms;          /* 30 s without the client taking a byte. */
    size_t linger_ms;         /* 2 s for the client to read a last answer. */
    size_t heartbeat_ms;      /* 15 s: SSE comments; WebSocket pings, pong within the next one. */
    size_t subscriptions_max; /* 1,000 streams on one WebSocket. */
    size_t unsigned_max;      /* 32 WebSockets of an address that have not signed in. */
    size_t sign_in_ms;        /* 5 s for each of them. */
};

struct route_table {
    const struct route *routes;
    size_t count;
    void *ctx; /* For each row that has no ctx of its own. */
    void (*handle)(struct exchange *exchange, void *ctx); /* The same of handlers. */
};

/* UNKNOWN: nobody can tell, so the client may only read. */
enum http_inside { HTTP_OUTSIDE, HTTP_INSIDE_RUN, HTTP_INSIDE_UNKNOWN };

struct http_options {
    struct loop *loop;
    const struct hub *hub;            /* For /metrics; may be NULL. */
    const struct route_table *tables; /* The array is copied, the routes are not. */
    size_t table_count;
    /* Route of the paths that no other route has, but for those below a first segment of other
     * routes; with `fallback_ctx`, and not in openapi.json. May be NULL. */
    const struct route *fallback;
    void *fallback_ctx;
    struct http_limits limits;
    const char *version; /* Of the daemon, for openapi.json and /healthz. */
    int64_t epoch;       /* Value of the header Drover-Epoch. */
    /* Names beside the loopback ones: "name" (any port) or "name:port". End with NULL; may be
     * NULL. Origins are whole: "https://name". The same host as in Host is always allowed. */
    const char *const *allowed_hosts, *const *allowed_origins;
    bool insecure_loopback; /* Loopback listeners need no token. */

    /* Each of these may be NULL; they get `ctx`. */
    void *ctx;
    bool (*check)(void *ctx, struct bytes token, struct identity *ret_identity);
    /* The origin under which a proxy makes the daemon known, accepted as one that is allowed by
     * its host and its origin; empty: none. */
    struct bytes (*public_origin)(void *ctx);
    /* Called once for each connection to a Unix socket, in the pool, with the pid of the client:
     * the run inside of which that is, if it is in one (ids as in identity.inside). */
    enum http_inside (*inside)(void *ctx, int pid, struct id *ret_run);
    /* Asked for routes that begin a run: an error is the answer. */
    struct err (*room)(void *ctx, struct why *why);
    /* /readyz: an error is the answer, with `why` as detail. NULL: ready while not draining. */
    struct err (*ready)(void *ctx, struct why *why);
    void (*status)(void *ctx,
                   struct text *text); /* /readyz: appends members, each after a comma. */
    bool (*held)(void *ctx); /* The daemon holds: each answer has the header Drover-Held. */
    void (*metrics)(void *ctx, struct text *text); /* Appends Prometheus lines. */
    /* Called once for each answer with a 5xx code that is no client's doing, to be logged. */
    void (*failed)(void *ctx, const struct exchange *exchange, struct err err,
                   const struct why *why);
};

/* Number of connections above `connections_max` that are still told why they are refused. */
size_t http_refused_max(size_t connections_max);

MUST_CHECK struct err http_open(const struct http_options *options, struct http_server **ret_server,
                                struct why *why);

/* `host` is an address or "localhost"; port 0 picks one. */
MUST_CHECK struct err http_listen_tcp(struct http_server *server, const char *host, uint16_t port,
                                      uint16_t *ret_port, struct why *why);
/* The umask takes from the mode. A socket left behind by a dead daemon is replaced, one that is
 * served is ERR_BUSY. Any path length: it is bound through its directory's descriptor. */
MUST_CHECK struct err http_listen_unix(struct http_server *server, const char *path, mode_t mode,
                                       struct why *why);

/* Whoever came with this token is sent away: streams end with a `closing` frame whose code is
 * `unauthorized`, reads that wait or are being made are answered with 401, and so are requests that
 * have not reached their handler. An answer that a handler is writing stays true. `check` must
 * refuse the token already. Many connections are notified in several turns of the loop. */
void http_revoke(struct http_server *server, const char *token);

/* Stops accepting; idle connections close, waits are told, streams end with `closing`, answers in
 * flight are finished; what is left after limit_ms is cut. `drained` is called once, when no
 * connection is left. */
void http_drain(struct http_server *server, unsigned limit_ms,
                void (*drained)(struct http_server *server, void *ctx), void *ctx);

/* Cuts what is left, then `closed` (may be NULL) once; the server is gone when it runs. Handlers
 * that have not answered yet may still answer until then and after: to nobody. */
void http_close(struct http_server *server, void (*closed)(void *ctx), void *ctx);

struct http_stats {
    uint64_t connections, streams_sse, streams_websocket, requests_in_flight; /* Now. */
    uint64_t unread_bytes; /* Of answers that wait for their clients. Now. */
    uint64_t accepted, refused, requests, protocol_errors, timeouts; /* Since the start. */
    uint64_t answers[6]; /* By first digit of the status; [0] unused. */
    uint64_t bytes_read, bytes_written;
};
void http_get_stats(const struct http_server *server, struct http_stats *ret_stats);

#endif
