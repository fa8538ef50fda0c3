/* client.h: a small blocking HTTP/1.1 client of the daemon.
 *
 * Promise    one connection, kept alive between requests; nothing waits longer than its time-out,
 *            and Ctrl-C ends any wait (ERR_INTERRUPTED). An answer from 400 on becomes the error
 *            that the daemon named, with its detail in *why.
 * Ownership  the caller owns the client; the options are borrowed for its life.
 * Threads    one.
 * Failure    ERR_UNREACHABLE: nobody listens there. ERR_NO_PERMISSION: it is another user's socket,
 *            or a sandbox around the command forbids the connection.
 *            ERR_IO: the connection broke, or a proxy lost
 *            the daemon; whether the request was carried out is not known. The next request
 *            connects again. ERR_INTERNAL: the answer is not HTTP, which no repeat cures.
 */
#ifndef DROVER_CLI_BASE_CLIENT_H
#define DROVER_CLI_BASE_CLIENT_H

#include <sys/types.h>

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "base/text.h"

/* Called about so often while something is waited for; it may not use the same client. */
struct client_tick {
    int64_t every_ms;
    void (*run)(void *ctx);
    void *ctx;
};

struct client_options {
    const char *data;               /* The data directory; its socket is used when url is NULL. */
    const char *url;                /* "http://host:port", "unix:PATH"; NULL: the socket there. */
    const char *token;              /* NULL: none. */
    const char *environment;        /* Header of what is sent to the socket; NULL: none. Base64. */
    int interrupt_fd;               /* Readable when the user pressed Ctrl-C; -1: none. */
    void (*before_wait)(void *ctx); /* Flush what was printed; may be NULL. */
    void *ctx;
    const struct client_tick *tick; /* Borrowed; NULL: nobody wants to be called. */
    /* Called where nobody listens on the socket; after ERR_OK it is tried again. `was_there`: a
     * daemon was, for this client. NULL: that is the error of the request. */
    struct err (*start)(void *ctx, bool was_there, struct why *why);
    void *start_ctx;
};

struct client;
/* Does not connect yet. */
MUST_CHECK struct err client_open(const struct client_options *options, struct client **ret_client,
                                  struct why *why);
void client_close(struct client *client);   /* NULL is allowed. */
void client_hang_up(struct client *client); /* The next request connects anew. */

/* Whether a file of that user may be the own one: within a user namespace that is not known. */
MUST_CHECK bool client_may_be_own(uid_t user);

struct client_request {
    const char *method, *target;
    struct bytes body;         /* Empty: none. */
    const char *type;          /* Of the body; NULL: application/json. */
    const char *key;           /* Idempotency-Key; NULL: none. */
    const char *accept;        /* NULL: application/json. */
    const char *websocket_key; /* Asks for a WebSocket; NULL: no. */
    int64_t timeout_ms;        /* For each wait; 0: 30 s. */
};

/* The whole answer. *ret_body is owned (text_done); it may be NULL. */
MUST_CHECK struct err client_call(struct client *client, const struct client_request *request,
                                  struct text *ret_body, struct why *why);

/* The head of the answer, then pieces of its body. A length of 0 is its end. */
MUST_CHECK struct err client_begin(struct client *client, const struct client_request *request,
                                   struct why *why);
MUST_CHECK struct err client_read(struct client *client, int64_t timeout_ms,
                                  struct bytes *ret_piece, struct why *why);
/* For callers that poll several descriptors: sends the request and does not wait for its answer,
 * then takes what has come of it. An empty piece is neither an end nor an error. */
MUST_CHECK struct err client_ask(struct client *client, const struct client_request *request,
                                 struct why *why);
enum client_more { CLIENT_MORE, CLIENT_OVER };
MUST_CHECK struct err client_read_now(struct client *client, struct bytes *ret_piece,
                                      enum client_more *ret_more, struct why *why);
/* A connection was made at least once: a daemon is, or was, at that address. */
bool client_was_connected(const struct client *client);
int client_fd(const struct client *client); /* -1: not connected. Borrowed, for poll(2). */
/* A member of the last problem, as `unmet` or `verdict`. Borrowed; NULL: it had none. */
const json_t *client_problem(const struct client *client, const char *member);
/* A header "Drover-…" of the last answer, its name in lower case; NULL: it was not there. */
const char *client_header(const struct client *client, const char *name);

/* After a WebSocket was agreed on: bytes as they are. *ret_len 0: the daemon closed. */
MUST_CHECK struct err client_raw_read(struct client *client, int64_t timeout_ms, char *bytes,
                                      size_t size, size_t *ret_len, struct why *why);
MUST_CHECK struct err client_raw_write(struct client *client, const char *bytes, size_t len,
                                       struct why *why);

/* The code of a name from the daemon; ERR_INTERNAL: it is newer than we are. */
enum err_code client_error_code(const char *name); /* NULL is allowed. */
/* The same request may succeed later: the daemon was away, busy, or short of room. */
bool client_may_pass(struct err err);

/* Sleeps unless interrupted. */
MUST_CHECK struct err client_pause(const struct client_options *options, int64_t pause_ms);

struct client_address {
    char host[256];
    char port[8];
    const char *path; /* Path of a Unix socket, borrowed from the URL; NULL: host and port. */
};
/* "http://host:port[/]" or "unix:PATH". */
MUST_CHECK struct err client_url_parse(const char *url, struct client_address *ret_address,
                                       struct why *why);

/* Adds a path segment or a value of a query, percent-encoded. */
void client_add_escaped(struct text *target, const char *text);

#endif
