/* inside.h: the dispatcher, as the features that share it know it. Nobody else includes this.
 *
 *   job/        flights (flight.h): the attempts of jobs; and waits of runs of every kind
 *   host/, run/, workflow/   parts of it (struct dispatch_part)
 */
#ifndef DROVER_DISPATCH_JOB_INSIDE_H
#define DROVER_DISPATCH_JOB_INSIDE_H

#include "base/base.h"
#include "base/err.h"
#include "base/log_change.h"
#include "base/process/variables.h"
#include "dispatch/base/ask.h"
#include "dispatch/base/pool.h"
#include "dispatch/base/table.h"
#include "dispatch/job/dispatch.h"

struct flight;
struct dispatch {
    struct dispatch_options options;
    struct table flights, wakers;
    struct pool pool;
    struct link starts;     /* The queue, oldest first. */
    bool starts_wait;       /* The first of a queue, for one turn: see start.c. */
    struct link trees;      /* CLEARING, and not begun. */
    unsigned trees_running; /* Batches. */
    struct loop_task start_task, stop_task;
    struct link parked;                /* The first walk may still bring their attempts. */
    struct recovery *recovery;         /* recover.c; owned, as all below. */
    struct reports *reports;           /* host/reports.c; NULL: not begun. */
    struct host_watch *host_watch;     /* host/watch.c; NULL: hosts do not share the database. */
    struct guest *guest;               /* host/guest.c; NULL: it leads. */
    struct orphans *orphans;           /* host/orphans.c; NULL: no look is going on. */
    struct retention *retention;       /* run/retention.c; NULL: a guest's. */
    struct budget_looks *budget_looks; /* run/budget_days.c; NULL: not begun. */
    struct removals *removals;         /* run/folder_removals.c; NULL after the stop. */
    struct log_change scripts_log;     /* workflow/script_retention.c */
    char **environment;                /* Owned: what commands inherit of ours; ends with NULL. */
    char **own_environment;   /* Owned: all of ours, to which definitions of agents refer. */
    char **agent_environment; /* Owned: the same of programs that are agents. */
    char address[DISPATCH_ADDRESS_SIZE];      /* dispatch_set_address */
    const struct holder_news *news;           /* news.c: holders tell of flights. */
    void (*on_silent)(struct flight *flight); /* decide.c: a holder does not answer. */
    struct asker asker;
    uint64_t guest_walk;   /* A guest's: number of the walk that goes on. */
    int64_t history_start; /* First epoch of this database's own history. */
    bool recovered, stopping, orphans_looked;
    bool restored;              /* Or copied: it held because of that. */
    void (*stopped)(void *ctx); /* NULL: no stop was requested, or it was reported. */
    void *stopped_ctx;
    struct dispatch_stats stats;
};

uint32_t dispatch__random(const struct dispatch *dispatch);
void dispatch__report(struct dispatch *dispatch, const char *what, struct bytes run,
                      struct err err);
/* The sentence of dispatch_has_address. */
void dispatch__address_lacks(struct why *why);
void dispatch__parts(struct dispatch *dispatch, enum part_step step);
/* To be called where the last thing may have come back. */
void dispatch__end_stop(struct dispatch *dispatch);
MUST_CHECK bool dispatch__shares_hosts(const struct dispatch *dispatch);

/* recover.c */
void recover__again(struct dispatch *dispatch); /* dispatch_recover, for the same caller. */
void recover__stop(struct dispatch *dispatch);

/* start.c: variables that commands inherit; VARIABLE_USES: all. Owned by the caller, with each
 * text; ends with NULL. */
char **start__environment(const char *const *environment, enum variable_use use);

/* timers.c */
void wake__note(struct dispatch *dispatch, const struct run_row *row, bool wanted);
void wake__after_sleep(struct dispatch *dispatch); /* The machine was suspended. */
void wake__stop(struct dispatch *dispatch);

/* Wakes all followers of the list; when the daemon stops, drops them. */
void log_watch__all(struct dispatch *dispatch, struct link *list);

#endif
