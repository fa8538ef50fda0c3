/* workflows.h: performs workflows: runs their scripts, asks models for their agents, and commits
 * the results.
 *
 * Promise    a workflow that runs is in the hands of exactly one daemon, once. What an agent came
 *            to is stored before the script hears of it, and the script hears of outcomes in the
 *            order in which they were stored: so a daemon that comes back, or a new worker, goes on
 *            where the last one was. Nothing here is truth.
 * Ownership  what the options point to is borrowed for life.
 * Threads    the loop. Scripts are in processes of their own; what is large is read and checked on
 *            reader threads and in the pool.
 */
#ifndef DROVER_DISPATCH_WORKFLOW_WORKFLOWS_H
#define DROVER_DISPATCH_WORKFLOW_WORKFLOWS_H

#include "base/base.h"
#include "base/err.h"
#include "base/hash.h"
#include "dispatch/job/dispatch.h"
#include "dispatch/provider/connections.h"
#include "engine/run/runs.h"
#include "journal/hub.h"
#include "loop/loop.h"
#include "model/model.h"
#include "script/catalog.h"
#include "script/script.h"
#include "store/store.h"

struct step_slot;
struct workflow_tool;
struct workflows_limits {
    int64_t commands;    /* Commands of agents at once, of all runs together. */
    int64_t at_once;     /* Agents of one run; 0: the default. */
    int64_t cpu_ms;      /* CPU time of a script, between two waits. */
    int64_t memory_mb;   /* Memory of a script. */
    int64_t stuck_ms;    /* An agent that says nothing for so long is asked again. */
    int64_t workers_max; /* Processes of scripts above which those that only wait are ended. */
};

struct workflows;
/* For turns_options, and for the parts of a dispatcher (script_retention.c). */
extern const struct workflow_tool workflow_tool;
extern const struct dispatch_part script_retention_part;
/* The same call gets the same error again, however often it is asked. */
MUST_CHECK bool workflows__is_for_good(struct err err);
struct agent_rows;
struct run_waits;
struct workflows_options {
    struct loop *loop;
    struct store *store;
    struct hub *hub;           /* Told of progress; NULL: none. */
    struct effects *effects;   /* Borrowed; NULL: none. */
    struct shortage *shortage; /* Borrowed; NULL: none. */
    struct models *models;
    struct connections *connections;
    struct scripts *scripts;      /* Workers of the present build of the engine, */
    struct sha256_hex engine;     /* and its hash: what new runs pin. */
    struct catalog_search search; /* For scripts that are named; the root is the run's. */
    struct agent_rows *agents;    /* Stored definitions of programs; NULL: none. */
    struct run_waits *waits;      /* Borrowed: for turns, and for jobs of working trees. */
    const char *data_dir;         /* Where scripts that came as text are put, to be edited. */
    const struct spool *spool;    /* Output of commands. */
    unsigned umask;               /* Umask for new files: base/process/umask.h. */
    bool sandbox;                 /* The system has one: git is kept in it. */
    bool searches;                /* A search of the web is configured, */
    bool provider_searches;       /* by the provider of the model. */
    struct workflows_limits limits;
    const struct amounts *budget; /* For runs that are given none of their own; NULL: none. */
    struct run_bounds bounds;     /* For runs that a step or an end lets begin. */
    void *ctx;
    /* A failure to be logged. `run` may be empty. */
    void (*failed)(void *ctx, const char *what, struct bytes run, struct err err);
    void (*script_failed)(void *ctx, struct err err); /* As of scripts_options. */
};
struct workflows *workflows_open(const struct workflows_options *options);
struct turns;
/* Performs the turns of agents: once, before any note; used until workflows_stop. */
void workflows_listen(struct workflows *workflows, struct turns *turns);
/* The machine was suspended, or a connection was mended (models_on_mended). */
void workflows_woke(struct workflows *workflows);
void workflows_close(
    struct workflows *workflows); /* After `stopped`, and after store_close. NULL: fine. */

/* As a performer (dispatch/base/performer.h): the notes of workflows and of their agents. A stop
 * ends the workers, and cancels what is with models. */
void workflows_run_note(void *workflows, const struct run_row *row);
void workflows_step_note(void *workflows, const struct run_row *row);
void workflows_stop(void *workflows, void (*stopped)(void *ctx), void *ctx);

struct workflows_stats {
    uint64_t begun, agents, cached, finished, crashes, dropped, store_retries;
    uint64_t live; /* Now. */
};
void workflows_get_stats(const struct workflows *workflows, struct workflows_stats *ret_stats);
/* Limits that agents of a run wait for, now. Names are borrowed until the loop turns. False: this
 * daemon does not perform the run. */
enum { WORKFLOW_CONNECTION_LIMITS_MAX = 8 };
struct workflow_connection_limit {
    struct bytes name;
    struct model_load load; /* `waiting` counts agents of this run alone. */
};
struct workflow_limits {
    int64_t at_once, working, in_line; /* Agents of the run: limit, slots taken, in line. */
    int64_t commands;                  /* Commands of agents of all runs, at once. */
    struct workflow_connection_limit connections[WORKFLOW_CONNECTION_LIMITS_MAX];
    size_t connection_count;
};
MUST_CHECK bool workflows_get_limits(const struct workflows *workflows, struct bytes run,
                                     struct workflow_limits *ret_limits);
/* Agents of a run that wait for what their rows do not say: a place at their connection, or a slot
 * after a restart of the daemon. At most `count_max`; how many. */
size_t workflows_get_slots(const struct workflows *workflows, struct bytes run, size_t count_max,
                           struct step_slot *ret_slots);
/* Evicts idle workers until `wanted` more may live, as far as there are any. Those of flows are
 * counted, too. */
void workflows_make_room(struct workflows *workflows, size_t wanted);
/* Sums over all builds of the engine. */
void workflows_get_script_stats(const struct workflows *workflows, struct scripts_stats *ret_stats);

#endif
