/* holder.h: the daemon's side of a holder: started here, or found alive after a restart.
 *
 *   starting ──claimed──> following ──exited──> ended
 *      │ └──void──> ended     │
 *      └────── link lost ─────┴──> lost   (ask the spool: spool_decide)
 *
 * Promise    exactly one of `ended` callbacks comes, and nothing after it; none comes inside the
 *            call that asked for it. holder_close is immediate and silences it: the holder itself
 *            goes on by itself, and can be adopted again.
 * Ownership  a struct holder belongs to holder.c from start or adopt until `ended` or
 *            holder_close; `ctx` is the caller's.
 * Threads    the loop, which is the main thread. holder_start forks and execs (some 0.3 ms).
 * Failure    holder_start, holder_adopt: no callback will come.
 */
#ifndef DROVER_PROC_HOLDER_H
#define DROVER_PROC_HOLDER_H

#include "base/base.h"
#include "base/err.h"
#include "loop/loop.h"
#include "proc/spool/spool.h"

/* --- Where holders come from ------------------------------------------------------------------ */

/* One per daemon: the program on the disk, the spool, and who reaps. */
struct holders;
struct holders_options {
    struct loop *loop;    /* Borrowed for life. */
    struct spool *spool;  /* Borrowed for life. */
    const char *data_dir; /* The program is written to DIR/libexec/HASH/holder if it isn't there. */
    /* A child that is no holder ended; `status` as waitpid(2) has it. May be NULL. */
    void (*child_ended)(void *ctx, int pid, int status);
    void *ctx;
};
/* Blocks on the disk: before the loop runs. Also makes this process the reaper of orphans, and deaf
 * to SIGPIPE. Nobody else may wait for children. */
MUST_CHECK struct err holders_open(const struct holders_options *options,
                                   struct holders **ret_holders);
/* Closes what is still followed, silently. NULL is allowed. The loop must turn again, or end. */
void holders_close(struct holders *holders);

/* --- What a holder is told -------------------------------------------------------------------- */

struct holder_order {
    const char *name, *nonce;
    const char *const *argv; /* Ends with NULL. */
    const char *const *env;  /* Whole; ends with NULL. DROVER_RUN is added by the holder. */
    const char *cwd;
    const char *cgroup;       /* Where it gets one of its own: see cgroups.h. NULL: nowhere. */
    const char *const *write; /* With ORDER_SANDBOX: folders beside `cwd`. Ends with NULL, or is. */
    const char *const *hide;  /* With ORDER_SANDBOX: resolved paths; ends with NULL. NULL: none. */
    unsigned flags;           /* Of enum order_flag. */
    struct bytes input;
    /* 0: none, or the default. */
    uint64_t timeout_ms, grace_ms, log_max, memory_max, processes_max;
    uint64_t files; /* Soft limit of descriptors; 0: as the daemon's. */
    unsigned rows, columns;
    unsigned umask; /* base/process/umask.h */
};
/* The order as a sealed memfd. Any thread: it grows with the environment. */
MUST_CHECK struct err holder_order_make(const struct holder_order *order, const char *spool_path,
                                        int *ret_fd);

/* --- One of them ------------------------------------------------------------------------------ */

enum holder_end {
    /* `exit` is filled: it is also on the disk. The holder may hold its lock for a moment more. */
    HOLDER_EXITED,
    HOLDER_VOID, /* Somebody decided that it must not run. */
    /* The link broke: the holder died, or talked nonsense. Ask the spool. `exit` is NULL, but for a
     * holder that ended before its claim and said why: EXIT_NOT_STARTED with `os`. */
    HOLDER_LOST,
};
/* Borrowed until `ended` or holder_close; all are wanted, and all may call holder_close. */
struct holder_news {
    void (*claimed)(void *ctx); /* Not after an adoption: it is the spool that says so. */
    void (*grown)(void *ctx, enum log_stream stream, int64_t size); /* It only ever grows. */
    /* Input, by offset: send on from here. Comes once after each adoption, too. */
    void (*accepted)(void *ctx, int64_t size);
    void (*disk_full)(void *ctx, bool full);
    void (*ended)(void *ctx, enum holder_end end, const struct spool_exit *exit);
};
struct holder;
/* Takes the order's descriptor in any case. */
MUST_CHECK struct err holder_start(struct holders *holders, int order_fd,
                                   const struct holder_news *news, void *ctx,
                                   struct holder **ret_holder);
/* Connects to the socket of one that the spool calls alive. ERR_NOT_FOUND: nobody listens there;
 * ERR_BUSY: too many others are about to. The news first tell all that it has now. */
MUST_CHECK struct err holder_adopt(struct holders *holders, const char *name,
                                   const struct holder_news *news, void *ctx,
                                   struct holder **ret_holder);
void holder_close(struct holder *holder); /* Immediate. NULL is allowed. */

/* What is said waits for what was said before, and is then said once: the last size, the shortest
 * grace. So nothing queues up at a holder that doesn't listen. */
void holder_stop(struct holder *holder, unsigned grace_ms);
/* Asks for a sign of life. Silent: it has sent nothing since that, or since it was adopted. */
void holder_ask(struct holder *holder);
MUST_CHECK bool holder_is_silent(const struct holder *holder);
/* One piece at a time, of which the first PROTOCOL_INPUT_MAX bytes are copied and sent. While it is
 * not accepted whole, further calls do nothing: the caller sends on from `accepted`. */
void holder_input(struct holder *holder, int64_t offset, struct bytes bytes);
void holder_input_end(struct holder *holder, int64_t offset);
void holder_resize(struct holder *holder, unsigned rows, unsigned columns);

/* Starts, adoptions, and processes reaped that were nobody's. */
struct holders_stats {
    uint64_t started, adopted, reaped, live;
};
void holders_get_stats(const struct holders *holders, struct holders_stats *ret_stats);

#endif
