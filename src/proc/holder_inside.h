/* holder_inside.h: what the files behind holder.h share. Nobody else includes it.
 *
 * Threads    the loop.
 */
#ifndef DROVER_PROC_HOLDER_INSIDE_H
#define DROVER_PROC_HOLDER_INSIDE_H

#include <uv.h>

#include "base/text.h"
#include "proc/holder.h"
#include "proc/link.h"
#include "proc/nursery.h"

struct reap;

enum holder_state {
    HOLDER_STARTING,
    HOLDER_FOLLOWING,
    HOLDER_LOSING, /* The link broke before a claim: waits a moment for its exit code. */
    HOLDER_ENDED,  /* `ended` was called, or silenced. The memory goes with the pipe. */
    HOLDER_STATES
};

/* What is to be said. Wishes of one kind replace each other, so this never grows, and one write at
 * a time carries all there are. */
struct holder_wishes {
    bool keep, status, stop, resize, input, input_end;
    unsigned grace_ms, rows, columns;
    int64_t input_from, input_end_at;
    uint64_t signals; /* Bit N - 1: signal N. */
};

/* Input that was handed over and not yet accepted; kept, since the holder may ask for it again. */
struct holder_piece {
    char *data; /* Owned; NULL: none. */
    int64_t offset;
    size_t len;
};

struct holder {
    struct holder *prev, *next; /* All of holders->live. */
    struct holders *holders;    /* Borrowed: it outlives us. */
    enum holder_state state;
    struct holder_news news;
    void *ctx;                    /* The caller's. */
    char name[PROTOCOL_NAME_MAX]; /* Empty where we started it: the link is private then. */
    int pid;                      /* Of one that is our own child; else 0. */
    int nursery;                  /* The pid of that which made it; else 0. */
    bool silent;                  /* See holder_is_silent. */
    bool asked;                   /* For a status, and it has not come yet. */
    bool collected;               /* Its process ended before its link did, with `status`. */
    int status;
    int64_t sizes[LOG_STREAMS]; /* As told. */
    uv_pipe_t pipe;
    struct link_reader reader;
    struct timer patience; /* STARTING, LOSING. */

    uv_write_t write;
    bool writing, deaf; /* deaf: a write failed; the reading side will tell. */
    struct text said;   /* What `write` carries. */
    struct holder_wishes wishes;
    struct holder_piece piece;
};

/* A holder that is our own child, until it was collected. */
struct started {
    int pid;
    struct holder *holder; /* Borrowed; NULL when its link ended before it. */
};

struct holders {
    struct loop *loop;       /* Borrowed. */
    struct spool *spool;     /* Borrowed. */
    char *program;           /* Owned: a path. */
    struct reap *reap;       /* Owned. */
    struct holder *live;     /* First of a list. */
    struct started *started; /* Owned. */
    size_t started_count, started_size;
    struct nursery nursery;
    char *buffer;      /* Owned: all pipes read into it, one after the other. */
    size_t pipes_open; /* The memory goes with the last one. */
    bool closing;
    struct holders_stats stats;
};

enum {
    HOLDERS_BUFFER_SIZE = 64 << 10,
    SAID_MAX = PROTOCOL_INPUT_MAX + 8192, /* A piece, and all other wishes at once. */
};

/* holders.c */
void holders__add_started(struct holders *holders, struct holder *holder);
void holders__pipe_closed(struct holders *holders);

/* holder.c: the process behind it was collected. */
void holder__reaped(struct holder *holder, int status);

/* holder_out.c: says what is wished, as soon as nothing else is being said. */
void holder__say(struct holder *holder);
void holder__accepted(struct holder *holder, int64_t size);
/* True: the piece in flight was asked for again. False: the caller must send from `size` on. */
MUST_CHECK bool holder__gap(struct holder *holder, int64_t size);
void holder__say_bye(struct holder *holder);

/* holder_spawn.c */
struct holder_spawn {
    const char *program;
    int order_fd; /* Borrowed, as is the next: it gets copies. -1: it becomes a nursery. */
    int link_fd;
};
MUST_CHECK struct err holder__spawn(const struct holder_spawn *spawn, int *ret_pid);
/* A connected pair; ours does not block. */
MUST_CHECK struct err holder__make_link(int *ret_ours, int *ret_theirs);
MUST_CHECK struct err holder__connect(const struct spool *spool, const char *name, int *ret_fd);

#endif
