/* fetch_transfer.h: a client and its requests, as the parts of fetch*.c know them.
 *
 * Threads    the loop; `load` runs in the pool.
 */
#ifndef DROVER_LOOP_FETCH_TRANSFER_H
#define DROVER_LOOP_FETCH_TRANSFER_H

#include "base/text.h"
#include "loop/curl_library.h"
#include "loop/fetch.h"

enum fetch_stage { STAGE_WAITING, STAGE_RUNNING, STAGE_ENDED, STAGE_TOLD };
enum fetch_head { HEAD_COMING, HEAD_WHOLE, HEAD_TOLD };

struct fetch_request {
    struct link link;          /* Among those that wait. */
    struct fetch *client;      /* Borrowed. */
    struct fetch_call call;    /* method, url and headers: owned copies, below. */
    char *method, *url, *host; /* Owned; host: as libcurl reads it in the URL. */
    struct text headers;       /* "Name: value", each with its terminator. */
    enum fetch_stage stage;

    CURL *easy;              /* Owned while it runs, like the next. */
    struct curl_slist *list; /* Headers for libcurl. */
    char error[CURL_ERROR_SIZE];

    enum fetch_head head_state;
    struct text head; /* Header lines of the answer. */
    int status;
    struct text held; /* Pieces that were not handed over yet. */
    size_t received;
    int starved_os;        /* The errno by which the socket found no free descriptor; 0: it did. */
    bool asked;            /* Connected; the request goes out. */
    bool held_back;        /* libcurl waits for us to take what is held. */
    bool paused;           /* By the caller. */
    bool *gone;            /* Set by a cancel while a callback of this request runs. */
    struct loop_task tell; /* Hands over what there is. */
    struct timer phase, total;
    enum fetch_fault phase_fault; /* Fault that is reported when `phase` fires. */
    enum fetch_fault broken;      /* Found by us inside a callback of libcurl's. */
    enum fetch_fault fault;       /* Once ended. */
    char refused[96];             /* The address that was not allowed, and why. */
    char detail[sizeof(struct why)];
};

enum fetch_engine { ENGINE_COLD, ENGINE_LOADING, ENGINE_WARM };

struct fetch {
    struct loop *loop;   /* Borrowed. */
    const char *ca_file; /* Borrowed; may be NULL. */
    size_t running_max;
    enum fetch_engine engine;
    struct loop_work load;
    struct err load_err;
    struct why load_why;
    struct curl_library curl; /* Written by the pool while it loads. */
    struct curl_trust trust;
    CURLM *multi;          /* Owned, once warm. */
    struct timer timer;    /* libcurl's clock. */
    struct loop_task soon; /* Work that libcurl wants done at once. */
    size_t sockets;        /* Watched by libuv, or not yet closed there. */
    struct link watched;   /* Sockets that libuv watches. */
    struct link waiting;   /* Requests. */
    size_t waiting_count, running_count, live;
    uint64_t started, failed;
    unsigned begun; /* Since `more` ran last. */
    bool beginning, closing;
    struct loop_task more;         /* Begins what waits, when there was too much for one turn, or */
    struct shortage *shortage;     /* after a shortage (borrowed; may be NULL), */
    struct shortage_waiter waiter; /* for whose end this waits. */
    void (*closed)(void *ctx);
    void *closed_ctx;
};

/* --- fetch.c ---------------------------------------------------------------------------------- */

/* The phase of a request ends with this fault unless the next one begins in time; 0: no limit. */
void fetch__phase_begin(struct fetch_request *request, uint64_t after_ms, enum fetch_fault fault);
/* After each call of libcurl's in which transfers may have ended. */
void fetch__take_ended(struct fetch *client);
/* Ends the close of the client once no socket is left. */
void fetch__unload_when_quiet(struct fetch *client);

/* --- fetch_transfer.c ------------------------------------------------------------------------- */

/* FETCH_NONE: it is on its way; else `request->detail` may say more. */
MUST_CHECK enum fetch_fault fetch__transfer_begin(struct fetch_request *request);
void fetch__transfer_free(struct fetch_request *request); /* Not begun is fine. */
/* The fault that this end of the transfer means; FETCH_NONE: it was answered. */
MUST_CHECK enum fetch_fault fetch__transfer_judge(const struct fetch_request *request,
                                                  CURLcode code);
/* Keeps the detail, cut at worst; returns the fault. */
enum fetch_fault fetch__fail(struct fetch_request *request, enum fetch_fault fault,
                             const char *detail);

/* --- fetch_sockets.c -------------------------------------------------------------------------- */

/* False: not enough memory for libcurl's handle of all transfers. */
MUST_CHECK bool fetch__multi_open(struct fetch *client);
/* Lets the kernel notice a peer that went away. */
void fetch__socket_probe(int fd);

#endif
