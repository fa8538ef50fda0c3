/* http.h: what a resource sees of the server: a route and an exchange.
 *
 * Promise    a handler runs only for a request that passed every check of its route: host, origin,
 *            token and scope, query table, media type, and a body that is valid JSON. Each exchange
 *            is answered exactly once, by the handler or later. A client that went away changes
 *            nothing for the handler: answers to nobody are dropped. Answers on one connection
 *            leave in the order of its requests, and its handlers begin in that order.
 * Ownership  the server owns the exchange; it lives until it was answered: don't touch it after
 *            that. Bytes reached through it are borrowed for that long.
 * Threads    the loop.
 */
#ifndef DROVER_HTTP_HTTP_H
#define DROVER_HTTP_HTTP_H

#include "base/base.h"
#include "base/err.h"
#include "base/fields/fields.h"
#include "base/id.h"
#include "base/json/json.h"
#include "base/scope.h"
#include "base/text.h"

struct exchange;
struct request_kind;
struct page_kind;
struct resource_handlers;

enum { OWNER_SIZE = 65 };
struct identity {
    char owner[OWNER_SIZE]; /* "local" for the Unix socket and --insecure-loopback. */
    char token[ID_SIZE];    /* The id of the token that said so; "": none was needed. */
    /* The page whose key was sent, read while the request is checked; NULL: it was no such key. */
    const char *origin;
    unsigned scopes;
    bool
        owns_socket; /* By the Unix socket, as the user who runs the daemon, and without a token. */
    char inside[ID_SIZE]; /* The run inside of which the client is; "": of none. */
    bool by_run_token;    /* Known by the token of that run, from wherever. */
};

/* Rights of a client inside a run (server.h) with a route of the scope run. Reads are always
 * allowed, and what needs another scope never is. */
enum route_inside {
    INSIDE_NEVER,
    INSIDE_BELOW,  /* Changes only what was begun inside the run (api/base/request.h). */
    INSIDE_ALWAYS, /* Begins something, which is below the run, or leaves others as they are. */
};

/* Query parameters are read by table; one that is not in it is refused by name, twice the same too.
 * A table has at most QUERY_PARAMS_MAX rows. */
enum { QUERY_PARAMS_MAX = 16, PATH_PARAMS_MAX = 4 };
enum query_kind { QUERY_TEXT, QUERY_INT, QUERY_FLAG };
struct query_param {
    const char *name, *about;
    enum query_kind kind;
    int64_t min, max, absent; /* INT: bounds and default. TEXT: max is the length in bytes. */
    bool required;
    const char *words; /* TEXT of a list's filter: its words, with commas; NULL: any. */
};

/* A table of its own: any parameters, which nobody here reads; a page has them for its script. */
extern const struct query_param query_any[];

/* Members that every parameter has. */
#define QUERY(name_, kind_, about_) .name = (name_), .kind = (kind_), .about = (about_)

/* One row per method and path. Router, permission, OPTIONS, 405, openapi.json and the docs are all
 * derived from it. Path parameters: "/api/v1/streams/{id}/events". */
struct route {
    const char *method, *path, *summary;
    unsigned scope;                  /* 0: no token needed. */
    bool has_body;                   /* Required. */
    bool body_optional;              /* With has_body: an empty one is fine, too. */
    const char *body_media;          /* NULL: application/json, parsed. Else: any image type, or
                               application/octet-stream, as it is. */
    enum route_inside inside;        /* With the scope run. */
    bool run_token;                  /* The token of a run is taken; by no other route. */
    bool begins_run;                 /* Refused where there is no room (server.h). */
    bool signs_in;                   /* Over TCP, a page may say who it is later: websocket.h. */
    bool idempotent_key;             /* Idempotency-Key is honoured (docs). */
    const struct query_param *query; /* Ends with .name NULL; NULL: none allowed. */
    /* For openapi.json: the fields, or JSON Schema text where there are none; may be NULL. */
    struct field_shape body, answer;
    const char *body_schema, *answer_schema;
    int answer_status;                                    /* The 2xx of success; 0: 200. */
    const char *answer_media;                             /* NULL: application/json. */
    const char *stream_media;                             /* Its endless answer, if it has one. */
    size_t body_max;                                      /* Bytes; 0: the server's (1 MB). */
    unsigned body_depth;                                  /* Of JSON; 0: JSON_DEPTH_MAX. */
    void (*handle)(struct exchange *exchange, void *ctx); /* NULL: that of the table. */
    void *ctx; /* Borrowed for the server's life. NULL: the ctx of the table (server.h). */
    /* The resource's own: what `handle` does for this route (api/base/request.h). */
    const struct request_kind *request;
    const struct page_kind *page;
    const struct resource_handlers *handlers; /* Of a resource (api/base/resource.h). */
};
/* Members that every row of a table of routes has. */
#define ROUTE(method_, path_, scope_, summary_)                                                    \
    .method = (method_), .path = (path_), .scope = (scope_), .summary = (summary_)
static inline int route_status(const struct route *route) {
    return route->answer_status == 0 ? 200 : route->answer_status;
}

/* Work that grows with the body is done on the loop up to here, and above in the pool. */
enum { BODY_INLINE_MAX = 8 << 10, EMPTY_BODY_MAX = 1 << 10 };

/* --- The request ------------------------------------------------------------------------------ */
struct bytes exchange_method(const struct exchange *exchange);
struct bytes exchange_target(const struct exchange *exchange); /* Path and query, as sent. */
struct bytes exchange_param(const struct exchange *exchange, unsigned at); /* Percent-decoded. */
/* Position in the route's table; values were checked before the handler ran, and hold no NUL. */
bool exchange_query_given(const struct exchange *exchange, unsigned at);
struct bytes exchange_query_text(const struct exchange *exchange, unsigned at);
int64_t exchange_query_int(const struct exchange *exchange, unsigned at); /* FLAG: 0 or 1. */
MUST_CHECK bool exchange_header(const struct exchange *exchange, const char *lower_name,
                                struct bytes *ret_value);
/* An error where the route begins a run and there is no room for one (server.h). The server has
 * asked already, but for requests with an Idempotency-Key: a repeat needs no room. */
MUST_CHECK struct err exchange_room(const struct exchange *exchange, struct why *why);
/* ERR_KEY_ORIGIN: the request is not one that a browser sends for a page of this origin, by Host,
 * Origin and Sec-Fetch-Site. */
MUST_CHECK struct err exchange_check_page(const struct exchange *exchange, struct bytes origin,
                                          struct why *why);
bool exchange_accepts(const struct exchange *exchange, const char *media); /* Named explicitly. */
struct bytes exchange_body(const struct exchange *exchange);               /* As sent, unchunked. */
/* The body of a route with has_body, parsed before the handler ran (over BODY_INLINE_MAX: in the
 * pool). Borrowed like all else; json_incref keeps it longer. NULL without has_body, or where an
 * optional body is empty. */
json_t *exchange_json(const struct exchange *exchange);
const struct identity *exchange_identity(const struct exchange *exchange);
const struct route *exchange_route(const struct exchange *exchange);

/* For a handler that goes through the pool before it asks the store: no later request of the
 * connection begins until this is let go, so that none overtakes. An answer lets go too. */
void exchange_hold_next(struct exchange *exchange);
void exchange_release_next(struct exchange *exchange);

/* --- The answer: one of these, once ----------------------------------------------------------- */
/* Takes the text's bytes; a failed builder becomes 503 out_of_memory. */
void exchange_reply(struct exchange *exchange, int status, const char *media, struct text *body);
/* `code` gives status and title; `why` (may be NULL) is the detail. What failed on our side is
 * logged once, here. */
void exchange_problem(struct exchange *exchange, struct err err, const struct why *why);
/* Further members of a refusal; what is zero is left out. */
struct problem_about {
    const char *run;      /* The run that is in the way; NULL or "": none. */
    struct bytes unmet;   /* JSON list of sentences: conditions that are not met. */
    struct bytes verdict; /* JSON object: the verdict that stands, for which a later one is late. */
};
void exchange_problem_about(struct exchange *exchange, struct err err, const struct why *why,
                            const struct problem_about *about);
/* `value` is static; without it the answer says no-store. Before answering. */
void exchange_set_cache(struct exchange *exchange, const char *value);
/* Adds a header to the answer; before answering. At most 8, short. */
void exchange_add_header(struct exchange *exchange, const char *name, const char *value);

/* True: the connection is closed, and nobody gets the answer, which must still be given. */
MUST_CHECK bool exchange_is_orphaned(const struct exchange *exchange);
/* A client that went away: `gone` is called (once, on the loop) if it is set and the exchange has
 * not been answered. The handler must still answer. For waits (long-poll). */
void exchange_on_gone(struct exchange *exchange, void (*gone)(struct exchange *exchange, void *ctx),
                      void *ctx);
/* The server began to drain, or the token was revoked: waits should answer now. Same rules. */
void exchange_on_drain(struct exchange *exchange,
                       void (*drain)(struct exchange *exchange, void *ctx), void *ctx);

#endif
