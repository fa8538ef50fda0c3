/* fetch_inside.h: what the files of the client know of each other. Only they include it.
 *
 *   fetch.c           requests: waiting, told, cancelled, timed
 *   fetch_answer.c    what an answer says: its headers, the words of a fault
 *   fetch_transfer.c  one request as libcurl sees it: options, guard, what arrives
 *   fetch_engine.c    libcurl's sockets and clock on our loop; opening and closing it
 *
 * libcurl may not be called from most of its own callbacks. So those only keep what came and mark
 * what went wrong; the rest happens when libcurl has returned, or in the request's task.
 */
#ifndef DROVER_LOOP_FETCH_INSIDE_H
#define DROVER_LOOP_FETCH_INSIDE_H

#include "base/text.h"
#include "loop/curl_library.h"
#include "loop/fetch.h"

enum fetch_stage { STAGE_WAITING, STAGE_RUNNING, STAGE_ENDED, STAGE_TOLD };

struct fetch_request {
    struct fetch_request *prev, *next; /* Among those that wait. */
    struct fetch *client;              /* Borrowed. */
    struct fetch_call call;            /* method, url and headers: owned copies, below. */
    char *method, *url, *host;         /* Owned; host: as libcurl reads it in the URL. */
    struct text headers;               /* "Name: value", each with its terminator. */
    enum fetch_stage stage;

    CURL *easy;              /* Owned while it runs, as is */
    struct curl_slist *list; /* what was made of the headers. */
    char error[CURL_ERROR_SIZE];

    struct text head; /* Of the answer. */
    int status;
    bool head_whole, head_told;
    struct text held; /* Pieces that were not handed over yet. */
    size_t received;
    bool asked;            /* Connected; the request goes out. */
    bool starved;          /* The socket found no free descriptor, */
    int starved_os;        /* by this errno. */
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
    CURLM *multi;                 /* Owned, once warm. */
    struct timer timer;           /* libcurl's clock, and */
    struct loop_task soon;        /* what it wants done at once. */
    size_t sockets;               /* Watched by libuv, or not yet closed there. */
    struct fetch_request waiting; /* The head of a ring. */
    size_t waiting_count, running_count, live;
    uint64_t started, failed;
    bool beginning, closing;
    struct loop_task more;         /* Begins what waits, when there was too much for one turn, or */
    struct shortage *shortage;     /* after a shortage (borrowed; may be NULL), */
    struct shortage_waiter waiter; /* for whose end this waits. */
    void (*closed)(void *ctx);
    void *closed_ctx;
};

/* fetch.c */
void fetch__end(struct fetch_request *request, enum fetch_fault fault, const char *detail);
void fetch__begin_waiting(struct fetch *client);
void fetch__load_failed(struct fetch *client);
/* For a request that was not sent. True: no descriptor was free, and it waits again. */
MUST_CHECK bool fetch__wait_again(struct fetch_request *request, enum fetch_fault fault);
void fetch__phase(struct fetch_request *request, uint64_t after_ms, enum fetch_fault fault);

/* fetch_transfer.c: FETCH_NONE: it is on its way; else `request->detail` may say more. */
MUST_CHECK enum fetch_fault fetch__transfer_begin(struct fetch_request *request);
void fetch__transfer_free(struct fetch_request *request); /* Not begun is fine. */
MUST_CHECK enum fetch_fault fetch__transfer_judge(const struct fetch_request *request,
                                                  CURLcode code);

/* fetch_engine.c */
void fetch__load(struct fetch *client);
void fetch__unload(struct fetch *client); /* Ends with closed(). */

#endif
