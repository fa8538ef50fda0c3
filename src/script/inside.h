/* inside.h: what the files behind script.h share. Nobody else includes it.
 *
 * Threads    the loop.
 */
#ifndef DROVER_SCRIPT_INSIDE_H
#define DROVER_SCRIPT_INSIDE_H

#include <uv.h>

#include "script/protocol.h"
#include "script/script.h"
#include "script/zygote.h"

enum worker_state {
    WORKER_WAITING, /* For a zygote. */
    WORKER_ASKED,   /* A zygote was told, and has not answered. */
    WORKER_LIVE,
    WORKER_ENDED, /* `ended` was called, or silenced. The memory goes with the handle. */
    WORKER_STATES
};

/* What comes in. `view` is what was received and not yet heard: in `kept`, or for the length of a
 * turn in the buffer that all share. */
struct inlet {
    struct bytes view;
    char *kept; /* Owned; NULL when nothing is kept. */
    size_t size;
    size_t hearing; /* Of the frame that is being heard or was paused at, with its header. */
    bool paused;
    bool over; /* Nothing more comes. */
    bool shut; /* Nothing more is heard. */
};

/* A frame on its way out, or what is left of it. */
struct outgoing {
    struct outgoing *next;
    char *frame; /* Owned. */
    size_t len, done;
    uint8_t header[SCRIPT_HEADER_SIZE]; /* Counts in `done`. */
};
struct outlet {
    struct outgoing *first, *last; /* Owned. */
    size_t waiting;                /* Bytes. */
    bool broken;                   /* The other end is gone; the inlet will tell. */
};

/* Of a worker whose script computes. */
struct busy {
    struct script_worker *prev, *next;
    bool listed, measured;
    uint64_t from_ns; /* Its CPU clock when it was first looked at. */
};

struct script_worker {
    struct script_worker *prev, *next;  /* All of scripts->workers. */
    struct script_worker *next_waiting; /* WAITING. */
    struct scripts *scripts;            /* Borrowed: it outlives us. */
    const struct script_watch *watch;   /* Borrowed. */
    void *ctx;                          /* The caller's. */
    struct script_bounds bounds;
    uint64_t id; /* Its place among scripts->slots, and which use of that place. */
    enum worker_state state;
    int fd;     /* Owned, as are the next two; -1: none. */
    int theirs; /* WAITING. */
    int pidfd;  /* LIVE. */
    int pid;
    uv_poll_t poll;
    bool polled; /* The handle is there. */
    int events;  /* That it waits for; 0: none. */
    struct loop_task task;
    struct inlet inlet;
    struct outlet outlet;
    struct busy busy;
    /* judged: `end` is decided. ended: its process has, or there is none. */
    bool judged, ended;
    bool awaited; /* Its socket is over, and its process must follow. */
    struct script_end end;
};

/* An id is a place and the number of its use: a note on one that was closed finds nobody. */
struct slot {
    struct script_worker *worker; /* Borrowed; NULL: free. */
    uint32_t use;
    uint32_t next_free;
};

struct scripts {
    struct loop *loop; /* Borrowed. */
    char *program;     /* Owned: a path. */
    void (*failed)(void *ctx, struct err err);
    void *ctx;    /* Borrowed. */
    char *buffer; /* Owned: all sockets are read into it, one after the other. */
    struct script_worker *workers;
    struct script_worker *waiting, **waiting_end;
    struct slot *slots; /* Owned. */
    uint32_t slot_count, slot_size, slot_free;

    struct zygote *zygote;         /* Owned; NULL: none. */
    struct loop_task kick;         /* Starts what waits. */
    struct shortage *shortage;     /* Borrowed; NULL: none. */
    struct shortage_waiter waiter; /* For its end, to kick. */
    struct timer pause;            /* After failures in a row. */
    bool pausing, wanted;          /* wanted: also without a worker. */
    unsigned failures;             /* Zygotes in a row that bore nobody. */
    unsigned births;               /* That were asked for and not answered. */
    unsigned awaited;              /* Workers whose end the zygote must tell. */
    struct timer patience;         /* While one of these two is not 0. */
    bool patient;

    struct script_worker *busy; /* First of a list. */
    struct timer cpu;
    bool cpu_watched;
    size_t handles; /* The memory goes with the last one. */
    bool closing;
    struct scripts_stats stats;
};

enum { SCRIPTS_BUFFER_SIZE = 64 << 10 };

/* scripts.c */
void scripts__slot_take(struct scripts *scripts, struct script_worker *worker);
void scripts__slot_give(struct scripts *scripts, const struct script_worker *worker);
void scripts__enqueue(struct scripts *scripts, struct script_worker *worker);
void scripts__dequeue(struct scripts *scripts, struct script_worker *worker);
/* What the zygote owes has changed: it is waited for while that is something, as long as it says
 * something now and then. */
void scripts__await(struct scripts *scripts);
void scripts__handle_closed(struct scripts *scripts);

/* worker.c */
void worker__asked(struct script_worker *worker);
void worker__born(struct script_worker *worker, int pid, int pidfd);
/* The process has ended, or there will be none. Told from the loop, when all was heard. */
void worker__over(struct script_worker *worker, struct script_end end);
/* For what it did: it is killed, and that is why. */
void worker__condemn(struct script_worker *worker, enum script_end_kind kind, const char *detail);
/* Waits for what it needs of its socket. */
void worker__listen(struct script_worker *worker);

/* inlet.c: receives, unless a whole frame is there or it is paused, and lets frames be heard. */
void inlet__turn(struct script_worker *worker);
MUST_CHECK bool inlet__has_frame(const struct script_worker *worker);
void inlet__done(struct inlet *inlet);

/* outlet.c */
void outlet__turn(struct script_worker *worker);
void outlet__done(struct outlet *outlet);

#endif
