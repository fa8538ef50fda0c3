/* fetch.h: the daemon's outgoing HTTP requests, over libcurl on the loop.
 *
 *   waiting ──> running ──> ended ──> told (`done`, once)
 *      └───────────┴──────────┴── fetch_cancel: gone at once, and nothing is told
 *
 * Promise    `done` is called exactly once, unless the request was cancelled. Callbacks come from
 *            the loop, never inside a call of ours; each may cancel its own request and any other.
 *            What the server sent before a failure is handed over before `done` tells of it.
 * Guard      the address of each socket is judged (address.h) before it is connected, and that of a
 *            connection that is used again before the request is sent: another request may have
 *            been allowed more. No redirect is followed: whoever wants that reads `location` and
 *            asks again, and is judged again. No proxy, cookies, netrc or name in the URL, whatever
 *            the environment says; only http and https.
 * Shortage   a request for which no descriptor was free is put back, first of those that wait, and
 *            none begins until the pause is over (shortage.h). Its total time goes on.
 * Bounds     running_max at once, FETCH_WAITING_MAX more wait; pieces that nobody takes are kept up
 *            to FETCH_HELD_MAX, then the server has to wait.
 * Ownership  the client is the caller's. What fetch_call points to is borrowed until `done` or the
 *            cancel; method, URL and headers are copied.
 * Threads    the loop. libcurl is opened in the pool with the first request.
 */
#ifndef DROVER_LOOP_FETCH_H
#define DROVER_LOOP_FETCH_H

#include "base/base.h"
#include "base/err.h"
#include "loop/address.h"
#include "loop/loop.h"
#include "loop/shortage.h"

enum {
    FETCH_RUNNING_MAX = 64,  /* The default of running_max. */
    FETCH_BEGUN_AT_ONCE = 4, /* In one turn of the loop. */
    FETCH_WAITING_MAX = 1000,
    FETCH_HEADERS_MAX = 64,
    FETCH_HEAD_MAX = 64 << 10, /* Bytes of an answer's header. */
    FETCH_HELD_MAX = 64 << 10,
};

/* Kinds of failure, each with the beginning of a sentence about it. */
#define FETCH_FAULTS(X)                                                                            \
    X(NONE, "answered")                                                                            \
    X(LIBRARY, "no request can be made")                                                           \
    X(URL, "the URL cannot be used")                                                               \
    X(RESOLVE, "the host's name could not be resolved")                                            \
    X(REFUSED, "the address is not allowed")                                                       \
    X(CONNECT, "no connection")                                                                    \
    X(TLS, "TLS failed")                                                                           \
    X(CONNECT_TIMEOUT, "not connected in time")                                                    \
    X(ANSWER_TIMEOUT, "no answer in time")                                                         \
    X(STALL_TIMEOUT, "the answer stopped coming")                                                  \
    X(TOTAL_TIMEOUT, "not finished in time")                                                       \
    X(TOO_LARGE, "the answer is larger than allowed")                                              \
    X(CUT_OFF, "the connection broke off")                                                         \
    X(NOT_HTTP, "the answer is not valid HTTP")                                                    \
    X(FAILED, "the request failed")

enum fetch_fault {
#define X(fault, text) FETCH_##fault,
    FETCH_FAULTS(X)
#undef X
        FETCH_FAULT_COUNT
};
const char *fetch_fault_text(enum fetch_fault fault);

struct fetch_header {
    const char *name, *value;
};

struct fetch_answer {
    int status;        /* 0: none came. */
    struct bytes head; /* Header lines of the answer. */
};
/* The value of the first header of that name, without blanks around it. */
MUST_CHECK bool fetch_answer_header(const struct fetch_answer *answer, const char *name,
                                    struct bytes *ret_value);

struct fetch_result {
    enum fetch_fault fault;
    struct fetch_answer answer; /* May be there although a fault came after it. */
    const char *detail;         /* "", or more about the fault. */
};

/* 0 in any of them: no such limit. */
struct fetch_limits {
    uint64_t connect_ms; /* Name, connection and TLS. */
    uint64_t answer_ms;  /* From there to the first byte of the answer. */
    uint64_t stall_ms;   /* Between two pieces; not while the caller has it paused. */
    uint64_t total_ms;   /* From the start, waiting for a place included. */
    size_t size_max;     /* Of the answer's body. */
};

struct fetch_call {
    const char *method, *url;
    const struct fetch_header *headers;
    size_t header_count;
    struct bytes body;
    const struct address_list *allow; /* NULL: public addresses only. */
    struct fetch_limits limits;
    /* NULL: not wanted. `head` comes before the first piece. */
    void (*head)(void *ctx, const struct fetch_answer *answer);
    void (*piece)(void *ctx, struct bytes piece);
    void (*done)(void *ctx, const struct fetch_result *result);
    void *ctx;
};

struct fetch_options {
    struct loop *loop;
    const char *ca_file; /* PEM; NULL: the system's. Borrowed for life. */
    size_t running_max;  /* 0: FETCH_RUNNING_MAX. Each has a connection of its own. */
    /* Borrowed for life; NULL: a request without a descriptor fails. */
    struct shortage *shortage;
};

struct fetch;
struct fetch_request;
void fetch_open(const struct fetch_options *options, struct fetch **ret_client);
/* Whoever has requests has cancelled them. `closed`, from the loop: the client is no more. */
void fetch_close(struct fetch *client, void (*closed)(void *ctx), void *ctx);

/* ERR_OVERLOADED: too many wait. The request is the client's, until `done` or fetch_cancel. */
MUST_CHECK struct err fetch_start(struct fetch *client, const struct fetch_call *call,
                                  struct fetch_request **ret_request);
void fetch_cancel(struct fetch_request *request);
/* No piece and no `done` until the resume. */
void fetch_pause(struct fetch_request *request);
void fetch_resume(struct fetch_request *request);

/* The machine was suspended (sleep_watch.h): connections whose peer does not answer the kernel are
 * ended within some seconds, as CUT_OFF; the others go on. */
void fetch_after_sleep(struct fetch *client);

struct fetch_stats {
    uint64_t started, failed, running, waiting;
};
void fetch_get_stats(const struct fetch *client, struct fetch_stats *ret_stats);

#endif
