/* inside.h: what the two files behind script.h share. Nobody else includes it.
 *
 *   scripts.c   the zygote, and the queue of those who wait for it
 *   worker.c    one worker: its socket, its process, its CPU time
 *
 * Threads    the loop.
 */
#ifndef DROVER_SCRIPT_INSIDE_H
#define DROVER_SCRIPT_INSIDE_H

#include <uv.h>

#include "base/link.h"
#include "script/protocol.h"
#include "script/script.h"

enum worker_state {
    WORKER_WAITING, /* For a zygote. */
    WORKER_ASKED,   /* A zygote was asked for it, and has not answered. */
    WORKER_LIVE,
    WORKER_ENDED, /* `ended` was called, or silenced. The memory goes with the handle. */
    WORKER_STATES
};

/* Input of a worker. `view` has the bytes that were received and not yet heard: in `kept`, or for
 * the length of a turn in the buffer that all share. */
struct inlet {
    struct bytes view;
    char *kept; /* Owned; NULL when nothing is kept. */
    size_t size;
    size_t hearing; /* Of the frame that is being heard or was paused at, with its header. */
    bool paused;
    bool over; /* Nothing more comes. */
    bool shut; /* Nothing more is heard. */
};

/* Output to a worker, the oldest frame first. */
struct outgoing;
struct outlet {
    struct outgoing *first, *last; /* Owned. */
    size_t waiting;                /* Bytes. */
    bool broken;                   /* The other end is gone; the inlet will tell. */
};

struct script_worker {
    struct script_worker *prev, *next;  /* All of scripts->workers. */
    struct script_worker *next_waiting; /* WAITING. */
    struct scripts *scripts;            /* Borrowed: it outlives us. */
    const struct script_watch *watch;   /* Borrowed. */
    void *ctx;                          /* The caller's. */
    struct script_bounds bounds;        /* Without the owner. */
    char *owner;                        /* Owned; NULL: its process takes no other script. */
    struct link resting;                /* In scripts->resting: nobody holds the worker. */
    uint64_t rests_since;               /* scripts->rounds by then. */
    uint64_t id; /* Never used again: a note about a closed worker finds nobody. */
    enum worker_state state;
    int fd;     /* Owned, as are the next two; -1: none. */
    int theirs; /* WAITING. */
    int pidfd;  /* LIVE. */
    int pid;
    uv_poll_t poll; /* There is one where poll.data is set. */
    int events;     /* That it waits for; 0: none. */
    struct loop_task task;
    struct inlet inlet;
    struct outlet outlet;
    enum { CPU_RESTS, CPU_BUSY, CPU_MEASURED } cpu;
    uint64_t cpu_from_ns; /* MEASURED: its CPU clock then. */
    /* judged: `end` is decided. ended: its process has, or there is none. */
    bool judged, ended;
    bool awaited; /* Its socket is over, and its process must follow. */
    struct script_end end;
};

struct zygote;
struct scripts {
    struct loop *loop; /* Borrowed. */
    char *program;     /* Owned: a path. */
    void (*failed)(void *ctx, struct err err);
    void *ctx;    /* Borrowed. */
    char *buffer; /* Owned: all sockets are read into it, one after the other. */
    struct script_worker *workers;
    struct script_worker *waiting, **waiting_end;
    struct link resting; /* Workers that were given back; the latest last. */
    unsigned rests;      /* Number of them. */
    uint64_t rounds;     /* Times that `rouse` rang. */
    struct timer rouse;  /* While some rest: ends the ones that have for long. */
    uint64_t id;         /* Of the latest worker. */

    struct zygote *zygote;         /* Owned; NULL: none. */
    struct loop_task kick;         /* Starts what waits. */
    struct shortage *shortage;     /* Borrowed; NULL: none. */
    struct shortage_waiter waiter; /* For its end, to kick. */
    struct timer pause;            /* After failures in a row. */
    bool pausing;
    unsigned failures;     /* Zygotes in a row that bore nobody. */
    unsigned births;       /* That were asked for and not answered. */
    unsigned awaited;      /* Workers whose end the zygote must tell. */
    struct timer patience; /* While one of these two is not 0. */
    bool patient;

    struct timer cpu; /* While a worker is busy. */
    bool cpu_watched;
    size_t handles; /* The memory goes with the last one. */
    bool closing;
    struct scripts_stats stats;
};

enum { SCRIPTS_BUFFER_SIZE = 64 << 10 };

/* scripts.c */
void scripts__enqueue(struct scripts *scripts, struct script_worker *worker);
void scripts__dequeue(struct scripts *scripts, struct script_worker *worker);
/* The number of answers that the zygote owes has changed. While it owes one, the daemon waits for
 * the zygote, as long as that says something now and then. */
void scripts__await(struct scripts *scripts);
void scripts__handle_closed(struct scripts *scripts);
/* Of a zygote or a worker; at worst it has ended. */
void pidfd_kill(int pidfd);

/* worker.c */
void worker__asked(struct script_worker *worker);
void worker__born(struct script_worker *worker, int pid, int pidfd);
/* The process has ended, or there will be none. Reported from the loop, when all was heard. */
void worker__over(struct script_worker *worker, enum script_end_kind kind, int number,
                  const char *detail);

#endif
