/* script.h: the processes in which workflow scripts run, seen from the daemon.
 *
 *   asked ──the zygote forked it──> live ──its end, or a kill──> ended
 *     ├─ one that rests: ─────────────^ └──given back──> rests ──> ended
 *     └──────────── no zygote, or none in time ─────────────────> ended
 *
 * A worker is forked from a zygote that has booted the engine, confined before it reads its first
 * byte (worker/jail.h), and speaks frames (protocol.h). The zygote is a child of the loop's thread;
 * it is started for the first worker, ends with us, and each worker ends with it.
 *
 * Promise    frames are heard whole and in order; then exactly one `ended`, and nothing after it.
 *            Nothing is heard inside a call that asked for it. What a worker sent before its end is
 *            heard before `ended`. A process whose worker has ended is gone, or was killed.
 *            A zygote that dies or stands still is replaced; whoever was born of it, or waited for
 *            it, hears `ended`.
 *            A process that has run a script well may run others of the same owner, one after the
 *            other: its engine is as it was at boot each time (worker/worker.h). It rests at most
 *            some seconds, and some of them at most.
 * Bounds     a frame that is longer than the protocol allows ends its worker (REFUSED). What is
 *            received grows as bytes come, never by what a length says. A turn of the loop takes at
 *            most a few frames, or 256 kB of a long one, from each. A worker that is quiet costs
 *            two descriptors and less than a kilobyte here.
 * Ownership  a struct script_worker belongs to this room from script_start until its `ended` has
 *            returned, or script_close, or script_give_back. Callbacks may call anything here, also
 *            script_close of the same worker, but not scripts_close.
 * Threads    the loop, which is the main thread: PDEATHSIG follows the thread.
 * Failure    script_start cannot fail: what went wrong arrives as `ended`.
 */
#ifndef DROVER_SCRIPT_SCRIPT_H
#define DROVER_SCRIPT_SCRIPT_H

#include "base/base.h"
#include "base/err.h"
#include "loop/loop.h"
#include "loop/shortage.h"

/* --- Where workers come from ------------------------------------------------------------------ */

/* One for each build of the engine that is in use: runs pin theirs. */
struct scripts;
struct scripts_options {
    struct loop *loop;   /* Borrowed for life. */
    const char *program; /* Path of the worker's program (script/program.h). Copied. */
    /* A zygote ended, or could not be started, for a reason of its own. May be NULL. */
    void (*failed)(void *ctx, struct err err);
    void *ctx; /* Borrowed. */
    /* Borrowed for life; no zygote starts while it lasts. NULL: one without a descriptor fails. */
    struct shortage *shortage;
};
MUST_CHECK struct scripts *scripts_open(const struct scripts_options *options);
/* Kills and forgets all workers, silently, and the zygote. NULL is allowed. The loop must turn
 * again, or end. */
void scripts_close(struct scripts *scripts);

struct scripts_stats {
    uint64_t started, killed, zygotes; /* Since scripts_open; killed: for what they did. */
    uint64_t live;
};
void scripts_get_stats(const struct scripts *scripts, struct scripts_stats *ret_stats);

/* --- One of them ------------------------------------------------------------------------------ */

enum script_end_kind {
    SCRIPT_EXITED,      /* number: its exit code. Its `end` may have come, or not. */
    SCRIPT_CRASHED,     /* number: the signal. SIGSYS: it made a system call that it must not. */
    SCRIPT_STUCK,       /* It was busy beyond its limit, and killed. */
    SCRIPT_REFUSED,     /* It sent what is no frame, or too much of it, and was killed. */
    SCRIPT_NOT_STARTED, /* It has not run. number: errno, or 0. */
    SCRIPT_LOST,        /* Its zygote died, and it with it. */
};
struct script_end {
    enum script_end_kind kind;
    int number;
    const char *detail; /* Static text, for people. */
};

struct script_watch {
    /* A whole frame without its header, borrowed for the call, or until script_resume. */
    void (*heard)(void *ctx, struct bytes frame);
    void (*ended)(void *ctx, const struct script_end *end);
};
struct script_bounds {
    uint64_t memory_max; /* Of its address space, bytes; 0: none here, the engine has its own. */
    uint32_t cpu_ms;     /* Between script_busy and script_rest; a second of grace comes on top. */
    struct bytes owner;  /* Borrowed for the call. None: its process has run no other script. */
};
struct script_worker;
/* `watch` is borrowed for the worker's life. Frames may be sent at once. */
MUST_CHECK struct script_worker *script_start(struct scripts *scripts,
                                              const struct script_bounds *bounds,
                                              const struct script_watch *watch, void *ctx);
/* Kills it. Immediate; no callback any more. NULL is allowed. */
void script_close(struct script_worker *worker);
/* Inside `heard`, or paused: its script has ended, and it said that it takes another one. As
 * script_close, but the process may rest until its owner has one. */
void script_give_back(struct script_worker *worker);

/* A part of a frame, so that nobody copies a long one into it. */
struct script_piece {
    char *data; /* Owned (mem_free). */
    size_t len; /* Not 0. */
};
/* Takes the pieces of one frame, without header, at most SCRIPT_ORDER_MAX bytes together. What the
 * socket does not take at once waits here; more than SCRIPT_ORDER_MAX waiting in all ends it
 * (REFUSED). */
void script_send(struct script_worker *worker, const struct script_piece *pieces, size_t count);

/* Inside `heard`: nothing more is heard, `ended` included, until script_resume, and the frame lives
 * as long. It may have moved: the answer is where it is now. */
MUST_CHECK struct bytes script_pause(struct script_worker *worker);
void script_resume(struct script_worker *worker);

/* The script computes: its process's CPU clock is watched from here on, coarsely, by a timer that
 * runs only while somebody is busy. Busy again is a new beginning. */
void script_busy(struct script_worker *worker);
void script_rest(struct script_worker *worker);

#endif
