/* dispatch.h: performs what transactions decided, and commits what came of it.
 *
 * How        after each commit the notes of the runs that it touched arrive here; run_effects
 *            (rules/run/run.h) says what each wants. At start every run that has not ended is
 *            walked through the same door. What is in flight is known by (run, attempt), so that a
 *            second note of the same thing changes nothing.
 * Promise    no truth lives here: a daemon that dies in the middle is asked again by the rows. A
 *            result that the store cannot take now (a full disk) is kept and offered again until it
 *            can.
 * Bounds     at most `slots` commands run at once (by the rows); at most POOL_MAX are
 *            decided or read at once, in the pool; a turn of the loop starts a few, then others.
 * Threads    the loop.
 * Ownership  options are borrowed for life.
 *
 * The result of a run whose command came to an end is a JSON object:
 *   {"exit_code":N|null, "signal":N|null, "started_ms", "ended_ms", "duration_ms", "cpu_us",
 *    "memory_kb", "processes":N|null, "processes_left", "out", "err", "pty"}
 * where out, err and pty are bytes of output. Of one that could not be started it also has
 * "errno" (ENOENT, …) and "step" (chdir, exec, pty, fork, pipe, sandbox, sandbox_cwd, holder).
 * Of one that ran in the sandbox it also has "sandbox": the ABI of landlock that held it.
 * Of an attempt whose end nobody saw it is {"exit_code":null,"signal":null}.
 */
#ifndef DROVER_DISPATCH_JOB_DISPATCH_H
#define DROVER_DISPATCH_JOB_DISPATCH_H

#include "base/base.h"
#include "base/err.h"
#include "base/link.h"
#include "engine/run/runs.h"
#include "engine/system/retention.h"
#include "loop/loop.h"
#include "proc/cgroups.h"
#include "proc/holder.h"
#include "proc/spool/spool.h"
#include "store/store.h"

struct address_list;
struct dispatch;

/* Features that stand above the flights and share their loop, store and pool: hosts, retention,
 * folders of removed runs. Each step is performed for all parts, in the order of the list; a step
 * that is NULL is none. */
enum part_step {
    PART_OPEN,
    PART_RECOVER,   /* A walk over all runs begins. May come again. */
    PART_RECOVERED, /* The walk is over: the flights are known. */
    PART_RUN_ENDED,
    PART_AFTER_SLEEP, /* The machine was suspended. */
    PART_STOP,
    PART_CLOSE,
    PART_STEPS
};
struct dispatch_part {
    void (*steps[PART_STEPS])(struct dispatch *dispatch);
    void (*attempt_ended)(struct dispatch *dispatch,
                          int64_t disk); /* Bytes that its folder takes. */
    /* At the end of a round of retention: removes what no run has; `done` never inside the call. */
    void (*sweep)(struct dispatch *dispatch, void (*done)(void *ctx), void *ctx);
};

struct dispatch_options {
    struct loop *loop;
    struct store *store;
    struct effects *effects;   /* Borrowed; NULL: none. */
    struct shortage *shortage; /* Borrowed; NULL: none, and starts are tried one by one. */
    struct spool *spool;
    struct holders *holders;
    const char *data_dir;          /* Absolute, since commands get it in their environment. */
    const struct cgroups *cgroups; /* For commands. NULL: none. */
    const struct run_token_key *token_key; /* Borrowed; NULL: no program gets a token. */
    /* What commands in the sandbox must not see: resolved paths, data_dir among them; ends with
     * NULL. NULL: nothing, and there is no sandbox. */
    const char *const *hide;
    const struct address_list *webhook_allow; /* Private ones that may be asked; NULL: none. */
    const char *sandbox_lack; /* Why there is no sandbox here, as a sentence; NULL: there is. */
    struct run_bounds bounds; /* While it does not hold. Its host "": not compared. */
    const char *const *environment; /* The daemon's own; ends with NULL. Part of it is inherited by
                                     * commands. NULL: empty. Only read by dispatch_open. */
    uint64_t files; /* Soft limit of descriptors for commands; 0: as the daemon's. */
    unsigned umask; /* Umask of commands: base/process/umask.h. */
    enum run_hold hold;
    /* Of a standby, whose store is a guest's (store.h): follows and stops the commands of `bounds`'
     * host, and reports their ends (host/guest.c). It begins, wakes and removes nothing. */
    bool guest;
    struct run_keep keep;                     /* Ended runs and their spool. */
    const struct dispatch_part *const *parts; /* Borrowed; ends with NULL. */
    const char *host_name; /* For people: HOSTNAME:DATA. Where hosts share the database, as are */
    const char *version;
    int64_t host_timeout_ms; /* Without a sign of life, its jobs are given up; 0: never. */
    void *ctx;
    void (*released)(void *ctx); /* The hold is over. May be NULL. */
    /* Somebody should know: a folder that could not be removed, … `run` may be empty. */
    void (*failed)(void *ctx, const char *what, struct bytes run, struct err err);
};
/* Before the loop runs, or on it: notes that come earlier are walked by dispatch_recover anyway. */
struct dispatch *dispatch_open(const struct dispatch_options *options);
/* Walks every run that has not ended, then admits what may run. `done` when each has its effects
 * (not: when they are over). An error of the store is met by trying again: `done` comes once it is
 * through, or never after dispatch_stop. */
void dispatch_recover(struct dispatch *dispatch, void (*done)(void *ctx), void *ctx);
/* Begins nothing more and lets go of its holders: they go on by themselves. `stopped` when nothing
 * is in the pool; never inside the call. Answers of the store may still come, until store_close. */
void dispatch_stop(void *dispatch, void (*stopped)(void *ctx), void *ctx);
/* After `stopped`, or never started; and after store_close. NULL: fine. */
void dispatch_close(struct dispatch *dispatch);

/* The note of a run of any kind, as run_note_read gives it: waits of all kinds end here. */
void dispatch_run_note(struct dispatch *dispatch, const struct run_row *row);

/* The machine was suspended: what waits for a time of the wall clock is looked at. */
void dispatch_after_sleep(struct dispatch *dispatch);

/* For whoever submits or stops: what is allowed now. */
struct run_bounds dispatch_bounds(const struct dispatch *dispatch);
/* Address of the daemon's port, as "http://127.0.0.1:7433", for programs that reach no socket; "":
 * there is no port. Copied. */
enum { DISPATCH_ADDRESS_SIZE = 288 };
void dispatch_set_address(struct dispatch *dispatch, const char *address);
/* Whether there is one, for programs that need it: else `why` says so. */
MUST_CHECK bool dispatch_has_address(const struct dispatch *dispatch, struct why *why);
/* As it was opened; `bounds` are those of dispatch_bounds without the hold. Any thread. */
const struct dispatch_options *dispatch_options(const struct dispatch *dispatch);
enum run_hold dispatch_held(const struct dispatch *dispatch);
/* Since the database was restored or copied. Before dispatch_recover. */
void dispatch_hold(struct dispatch *dispatch);
MUST_CHECK bool dispatch_is_restored(const struct dispatch *dispatch);
/* Also before dispatch_recover. An attempt of an earlier epoch without a folder may have run: its
 * end may have been stored in the other database that this one was copied from. */
void dispatch_set_history_start(struct dispatch *dispatch, int64_t below_epoch);
/* Ends the hold: everything that waits may begin. Not held: nothing changes. */
void dispatch_release(struct dispatch *dispatch);

/* To the live process of a run: ERR_NOT_FOUND: it has none at the moment. */
MUST_CHECK struct err dispatch_resize(struct dispatch *dispatch, struct bytes run, unsigned rows,
                                      unsigned columns);

/* Input of that run was committed: what its process has not taken is sent. */
void dispatch_input(struct dispatch *dispatch, struct bytes run);
/* How much of its input the live process of a run has taken, as far as is known; else 0. */
int64_t dispatch_input_accepted(const struct dispatch *dispatch, struct bytes run);

/* Wakes whoever follows a log. `ready` is called once, never inside the call, when there is output
 * of that stream after `offset`, or when the attempt is over and its end is stored; it may be
 * started again in there. A watch that still waits at dispatch_stop is never called. */
struct dispatch_watch {
    struct link link; /* In the list of an attempt, or of those that may still come. */
    struct dispatch *dispatch;
    enum log_stream stream;
    int64_t offset;
    struct loop_task task;
    void (*ready)(struct dispatch_watch *watch);
};
void dispatch_watch_start(struct dispatch *dispatch, const struct log_place *place,
                          struct dispatch_watch *watch,
                          void (*ready)(struct dispatch_watch *watch));
void dispatch_watch_stop(struct dispatch_watch *watch); /* Immediate; zeroed or ended is fine. */

struct dispatch_stats {
    uint64_t started, adopted, settled, late, void_starts, trees_ended, store_retries;
    uint64_t ended[RUN_STATE_COUNT]; /* Runs of every kind, by how they ended. */
    uint64_t refused;                /* Runs that failed since a budget was used up. */
    uint64_t hosts, away;            /* Other hosts; jobs of theirs that have not ended. Now. */
    uint64_t reports, reports_late;  /* Ends that other hosts reported; those that came too late. */
    uint64_t reports_again;          /* Of a guest: ends that it reported another time. */
    uint64_t live, queued_starts, disk_full, watches; /* Now. */
};
void dispatch_get_stats(const struct dispatch *dispatch, struct dispatch_stats *ret_stats);

#endif
