/* inside.h: what the files of this room know of each other. Nobody else includes it.
 *
 * A FLIGHT is one attempt of a run in the hands of this daemon, from the note that asks for it to
 * the commit of its end:
 *
 *    note: start                               note: adopt
 *        │      ┌──────────┐                        │
 *        v      v          │ large order            v     ┌── pause ──┐
 *      QUEUED ────────> ORDERING          ┌───> DECIDING <┤           │ unreachable, or an error
 *        │  └──────────────┼──────────────┤      │  │ │   └> PAUSING ─┘ of the system
 *        │ begun           │ stopped, or  │      │  │ └──────────┐
 *        v                 │ it failed    │      │  │ its holder │
 *      FOLLOWING <─────────┼──────────────┼──────┘  │ is dead    v
 *        │  └─ link lost, ─┴──────────────┘ alive   │        CLEARING (its tree)
 *        │     or deaf (lost again at once: by PAUSING)          │
 *        │ ended                                    │            │
 *        v                          void, ended     v            │
 *      READING (output for a notice) <──────────────┴────────────┘
 *        │
 *        v
 *      SETTLING ──> gone; of a guest: REPORTED ──> gone, or DECIDING where the report was lost
 *                                                  (guest.c)
 *
 * It keeps only what its end needs; what a state needs beside is its errand, which the flight owns
 * and a job in the pool or a function of the store may use in between.
 */
#ifndef DROVER_DISPATCH_JOB_INSIDE_H
#define DROVER_DISPATCH_JOB_INSIDE_H

#include "base/base.h"
#include "base/err.h"
#include "base/log_change.h"
#include "base/text.h"
#include "dispatch/base/effects.h"
#include "dispatch/base/pool.h"
#include "dispatch/base/table.h"
#include "dispatch/job/dispatch.h"
#include "engine/host/reports.h"
#include "proc/tree.h"

enum {
    NOTE_MAX = 320,        /* A sentence about a failure. */
    TREE_WAIT_MS = 2000,   /* One try to end the tree of a dead holder, */
    TREE_TRIES = 5,        /* and how many before its end is told with what is left. */
    RETRY_FIRST_MS = 1000, /* Waits after an error of the store, */
    RETRY_MAX_MS = 10000,  /* doubling up to this. */
};

enum flight_state {
    FLIGHT_NEW,
    FLIGHT_QUEUED,
    FLIGHT_ORDERING,
    FLIGHT_FOLLOWING,
    FLIGHT_DECIDING,
    FLIGHT_PAUSING,
    FLIGHT_CLEARING,
    FLIGHT_READING,
    FLIGHT_SETTLING,
    FLIGHT_REPORTED, /* A guest's: its end waits for the leader. */
    FLIGHT_STATES
};

/* What a state needs while it lasts. Of the flight's owner: a job in the pool touches nothing else.
 */
/* What of an end is stored; each form but the first where the one before was refused for good. */
enum settle_form {
    SETTLE_WHOLE,
    SETTLE_BARE,  /* Without result and output. */
    SETTLE_ALONE, /* The run fails, and no row of its attempt ends as it was: tx_run_give_up. */
};

struct errand {
    struct pool_job job;
    struct flight *flight; /* Borrowed: it waits for us. */
    struct dispatch *dispatch;
    char name[PROTOCOL_NAME_MAX];
    bool away;    /* In the pool or in the store: it must stay. */
    bool foreign; /* The row is of another host: its folder is not ours to judge. */
    bool adopts;  /* An earlier daemon began it, or was about to. */
    bool removed; /* A command ran there, and the folder was removed. */
    bool doubted; /* The row is of another history: it may have run where there is no folder. */
    char *spec;   /* Owned; NULL once it was read. */
    size_t spec_len;
    struct err err;
    char note[NOTE_MAX]; /* "": nothing to say. */

    int order; /* Owned; -1: none. */
    struct retry_policy retry;
    bool notify, pty, input_open;
    int64_t log_max;    /* Bytes of each stream of output that are kept. */
    int64_t timeout_ms; /* 0: none. */

    int64_t epoch;
    struct spool_state found;
    struct tree_end tree;
    int64_t cpu_us; /* Of that tree, as far as somebody knows; 0: nobody. */
    bool kill;      /* The holder is to be killed, should it live. */

    struct attempt end;
    bool ended; /* `exit` is filled. */
    struct spool_exit exit;
    int64_t disk; /* What its folder takes. */
    struct text result, output;
    struct run_settle settle;
    enum settle_form form;
    bool late;
};

struct flight {
    struct table_node node; /* By run. */
    struct dispatch *dispatch;
    struct flight *next; /* In the queue of starts, or of clears. */
    char name[PROTOCOL_NAME_MAX];
    int64_t attempt;
    enum flight_state state;
    bool ours;    /* The row says that this daemon's epoch has it. */
    bool stop;    /* It was asked to end. */
    bool read;    /* `retry`, `notify` and `pty` are known. */
    bool claimed; /* Its holder said so, to us. */
    bool deaf;    /* Its holder does not do what it is told: to be killed, */
    bool overdue; /* and nobody had asked it to end: its time was over. */
    bool notify, pty, full;
    bool input_open;   /* Input may come, by offset. */
    struct feed *feed; /* Owned, or by the store's answer; NULL: it takes none. */
    int64_t log_max;
    int64_t since_ms;   /* When its time began, by the wall's clock. */
    int64_t timeout_ms; /* 0: none. */
    unsigned grace_ms;
    unsigned asks;  /* In a row, for a sign of its life, since the grace or its time is over. */
    unsigned tries; /* In a row, of what the state tries again. */
    struct effect effect; /* Of the state that tries again. */
    unsigned breaks;      /* Links in a row that broke as soon as they were there. */
    uint64_t followed_ns;
    uint64_t walked;   /* A guest's: number of the last walk that had it, */
    uint64_t reported; /* and of the walk in which its end was reported, */
    unsigned reports;  /* for the n-th time. */
    struct retry_policy retry;
    int64_t sizes[LOG_STREAMS];
    struct holder *holder;          /* Owned; FOLLOWING. */
    struct errand *errand;          /* Owned. */
    struct adoption *adoption;      /* Owned by the store's answer; NULL: none awaited. */
    struct dispatch_watch *watches; /* Borrowed. */
    struct timer timer, answer, deadline;
};

/* tx_run_adopted on its way. It outlives a flight that ends meanwhile. */
struct adoption {
    struct dispatch *dispatch;
    struct flight *flight; /* NULL: it is gone. */
    struct id run;
    int64_t attempt;
    bool late;
};

struct walk { /* recover.c */
    struct loop_task task;
    struct timer timer;
    int64_t after;
    struct run_recovered page; /* The store function's. */
    bool running, again, admitting, more;
    unsigned tries;
    struct effect effect;
    struct run_bounds bounds;
    void (*done)(void *ctx);
    void *ctx;
};

/* host/reports.c */
struct reports {
    struct timer timer;
    bool running;
    unsigned tries; /* In a row that failed. */
    struct effect effect;
    bool any; /* The store function's, as the next two. */
    struct host_reports_take take;
    struct host_reports_taken taken;
};

struct feed;       /* input.c */
struct guest;      /* guest.c */
struct strays;     /* host/orphans.c */
struct removals;   /* run/folder_removals.c */
struct host_watch; /* host/watch.c */
struct tidy;       /* run/retention.c */

struct dispatch {
    struct dispatch_options options;
    struct table flights, wakers;
    struct pool pool;
    struct flight *starts, **starts_end; /* The queue, oldest first. */
    bool starts_wait;                    /* The first of a queue, for one turn: see start.c. */
    struct flight *clears;               /* CLEARING, and not begun. */
    unsigned clears_running;
    struct loop_task start_task, stop_task;
    struct dispatch_watch *parked; /* Of attempts that the first walk may still bring. */
    struct walk walk;
    struct reports reports;
    struct host_watch *host_watch; /* Owned; NULL: hosts do not share the database. */
    struct tidy *tidy;             /* Owned; NULL: a guest's. */
    struct guest *guest;           /* Owned; NULL: it leads. */
    struct strays *strays;         /* Owned; NULL: no look is going on. */
    struct log_change scripts_log; /* Of retain_scripts.c. */
    struct removals *removals;     /* Owned; NULL after the stop. */
    char **environment;            /* Owned: what commands inherit of ours; ends with NULL. */
    size_t busy;                   /* Answers of the store that are awaited. */
    int64_t doubt_below;           /* Epochs. */
    bool recovered, stopping, strays_looked;
    bool restored; /* Or copied: it held because of that. */
    bool told;     /* That it has stopped. */
    void (*stopped)(void *ctx);
    void *stopped_ctx;
    struct dispatch_stats stats;
};

/* dispatch.c */
uint32_t dispatch__random(const struct dispatch *dispatch);
void dispatch__failed(struct dispatch *dispatch, const char *what, struct bytes run,
                      struct err err);
/* A function of the store that is counted as awaited; its `done` begins with dispatch__answered. */
void dispatch__write(struct dispatch *dispatch, store_fn fn, store_done done, void *ctx);
void dispatch__read(struct dispatch *dispatch, store_fn fn, store_done done, void *ctx);
void dispatch__answered(struct dispatch *dispatch);
/* The same; false: the dispatcher stops, and what asked is freed by the caller. */
MUST_CHECK bool dispatch__goes_on(struct dispatch *dispatch);
/* To be called where the last thing may have come back. */
void dispatch__maybe_stopped(struct dispatch *dispatch);
/* The wait before the `tries`th try (from 1). */
uint64_t dispatch__wait_ms(unsigned tries);

/* flight.c */
struct flight *flight__find(const struct dispatch *dispatch, struct bytes run, int64_t attempt);
struct flight *flight__new(struct dispatch *dispatch, const struct run_row *row);
void flight__enter(struct flight *flight, enum flight_state state);
struct errand *flight__errand(struct flight *flight); /* Made where there is none. */
void flight__errand_drop(struct flight *flight);
void errand__at(const struct errand *errand); /* A step of its run begins in this thread. */
void flight__learn(struct flight *flight);    /* What its errand read in the spec. */
/* Of an errand that came back: false, and the flight is gone, when the daemon stops. */
MUST_CHECK bool flight__back(struct errand *errand);
struct bytes flight__run(const struct flight *flight);
void flight__free(struct flight *flight); /* At the end, or when the daemon stops. */
void flight__stop(struct flight *flight, unsigned grace_ms);
/* flight->holder is there: follow it, from where its input was taken. */
void flight__follow(struct flight *flight, int64_t accepted);
const struct holder_news *flight__news(void);

/* adopt.c: tells the rows that this daemon holds it. */
void adopt__write(struct flight *flight);

/* input.c: of an attempt that is followed. */
enum { INPUT_UNKNOWN = -1 };
/* `accepted`: how much it has taken; INPUT_UNKNOWN: its holder will say. */
void input__follow(struct flight *flight, int64_t accepted);
void input__accepted(struct flight *flight, int64_t size);
void input__drop(struct flight *flight);

/* start.c */
void start__queue(struct flight *flight);
void start__task(struct loop_task *task);

/* order.c: in the pool, or on the loop when the spec is short. Fills order and what is read. */
void order__read(struct errand *errand);
void order__make(struct errand *errand);
char **order__environment(const char *const *environment); /* Owned by the caller. */
void order__environment_free(char **environment);

/* decide.c */
void decide__begin(struct flight *flight);
void decide__now(struct flight *flight);   /* PAUSING: the rest of the pause is not waited for. */
void decide__pause(struct flight *flight); /* Before the next try. */
/* Its link broke, and the one before it, too: after a pause. */
void decide__later(struct flight *flight);

/* end_trees.c: of one whose holder is dead. */
void clear__begin(struct flight *flight);

/* unresponsive.c: of one that was asked to stop: behind the grace its holder must show that it
 * lives. */
void deaf__watch(struct flight *flight);
void deaf__look(struct flight *flight); /* From now on. */

/* deadline.c: of one whose holder lives: looks after its deadline, too. Again: nothing. */
void overdue__watch(struct flight *flight);
void overdue__again(struct flight *flight); /* Its holder has answered, and keeps its time. */

/* settle.c */
void settle__begin(struct flight *flight, struct attempt end);
void settle__exit(struct flight *flight, const struct spool_exit *exit);
/* output_excerpt.c: in the pool. */
void notice__read(const struct spool *spool, const struct errand *errand, struct text *text);

/* timers.c */
void wake__note(struct dispatch *dispatch, const struct run_row *row, bool wanted);
void wake__stop(struct dispatch *dispatch);

/* watch.c */
void watch__grown(struct flight *flight, enum log_stream stream);
void watch__all(struct dispatch *dispatch, struct dispatch_watch **list);

/* host/reports.c: where hosts share the database, from now on. Again: nothing. */
void reports__start(struct dispatch *dispatch);
void reports__stop(struct dispatch *dispatch);

/* run/folder_removals.c: of the leader when it is asked, and where hosts share the database by
 * itself. Again where that is known. */
void removals__start(struct dispatch *dispatch);
void removals__look(struct dispatch *dispatch);
void removals__stop(struct dispatch *dispatch);

/* host/orphans.c: once the flights are known; a second call does nothing. */
void strays__look(struct dispatch *dispatch);
void strays__stop(struct dispatch *dispatch);

/* guest.c */
void guest__start(struct dispatch *dispatch);
uint64_t guest__walk(const struct dispatch *dispatch); /* Number of the walk that goes on. */
void guest__stop(struct dispatch *dispatch);

/* host/watch.c: the same. */
void host_watch__start(struct dispatch *dispatch);
void host_watch__stop(struct dispatch *dispatch);
void host_watch__free(struct dispatch *dispatch);

/* recover.c */
void recover__stop(struct dispatch *dispatch);
/* run/retention.c */
void retain__start(struct dispatch *dispatch);
/* So many bytes more are kept since an attempt has ended: when that is much, a round comes soon. */
void retain__grew(struct dispatch *dispatch, int64_t bytes);
void retain__ended(struct dispatch *dispatch); /* The same of one run more that has ended. */
/* Whether folders without a row are to be looked for: each day. Times of one life; looked_ns 0:
 * never yet. */
MUST_CHECK bool retain__look_due(uint64_t looked_ns, uint64_t now_ns);
void retain__stop(struct dispatch *dispatch);
/* workflow/script_retention.c: `done` never comes inside the call. */
void retain__sweep_scripts(struct dispatch *dispatch, void (*done)(void *ctx), void *ctx);

#endif
