/* turns.h: performs turns: asks their models, runs their tools, and commits what came of it.
 *
 * Promise    a turn that runs is in the hands of exactly one daemon, once. What a model says is
 *            stored before anybody sees it (deltas.h); a stop reaches it at once; what the store
 *            refuses is tried again until it takes it. Nothing here is truth: a daemon that comes
 *            back asks tx_turn_begin, and goes on.
 * Ownership  what the options point to is borrowed for life.
 * Threads    the loop. Tools and what is read of a project are in the pool.
 */
#ifndef DROVER_DISPATCH_TURN_TURNS_H
#define DROVER_DISPATCH_TURN_TURNS_H

#include "base/base.h"
#include "base/err.h"
#include "dispatch/provider/connections.h"
#include "dispatch/turn/deltas.h"
#include "engine/run/runs.h"
#include "loop/address.h"
#include "loop/fetch.h"
#include "loop/loop.h"
#include "model/model.h"
#include "proc/spool/spool.h"
#include "store/store.h"
#include "tool/tool.h"

struct agent_cool_row;
struct agent_rows;
struct dispatch;
struct workflows;
struct workflow_tool;
struct musts;
struct run_waits;
struct turns;
struct turns_options {
    struct loop *loop;
    struct store *store;
    struct effects *effects;   /* Borrowed; NULL: none. */
    struct shortage *shortage; /* Borrowed; NULL: none. */
    struct models *models;
    const struct connections *connections; /* The settings that hold for sessions without own. */
    const struct workflow_tool *workflow_tool; /* work.h; borrowed. */
    struct workflows *workflows;               /* For workflow_tool. */
    struct fetch *client;                      /* For web_fetch. */
    const struct address_list *allow;          /* Of it; NULL: public addresses only. */
    const struct search_engine *search;        /* For web_search; NULL: it is not offered. */
    bool provider_searches;                    /* Providers may search by tools of their own. */
    const char *data_dir;                      /* Absolute: no tool touches what is beneath it. */
    const char *home;                          /* Of the user; "": none. */
    unsigned umask;                            /* Umask of the user: base/process/umask.h. */
    const struct toolbox *toolbox;
    const struct spool *spool; /* What commands wrote. */
    struct agent_rows *agents; /* Stored definitions of programs; NULL: none. */
    struct dispatch *dispatch; /* For the processes of programs. */
    struct run_waits *waits;   /* The same. */
    struct musts *musts;       /* Checks of tasks; NULL: none. */
    struct points *points;     /* Points of folders around calls that write; NULL: none. */
    struct trees *trees;       /* Working trees that turns work in; NULL: none is seen to. */
    bool sandbox;              /* The kernel can keep commands inside. */
    int64_t agent_commands;    /* Commands of agents of workflows at once, all together. */
    struct run_bounds bounds;  /* Of what a step lets begin. */
    void *ctx;
    /* Somebody should know. `run` may be empty. */
    void (*failed)(void *ctx, const char *what, struct bytes run, struct err err);
};
struct turns *turns_open(const struct turns_options *options);
/* Recomputes the waits for providers: the machine was suspended, or a connection works again
 * (models_on_mended). */
void turns_recheck_waits(struct turns *turns);
/* Before the first note: an agent still cools down, as its row says. */
void turns_restore_cool(struct turns *turns, const struct agent_cool_row *row);
void turns_close(struct turns *turns); /* After `stopped`, and after store_close. NULL: fine. */

/* As a performer (dispatch/base/performer.h): the notes of turns. A stop cancels what is under
 * way. */
void turns_run_note(void *turns, const struct run_row *row);
void turns_stop(void *turns, void (*stopped)(void *ctx), void *ctx);

/* For how long its model has been silent; -1: no model is being asked. */
MUST_CHECK int64_t turns_silence_ms(struct turns *turns, struct bytes run);

/* The model of that turn is to be asked, and waits for the connection, or for its next try. */
MUST_CHECK bool turns_model_is_waiting(struct turns *turns, struct bytes run);

/* Figures of a turn that is performed, as far as this life of the daemon knows. */
struct turn_pulse {
    int64_t step;
    const char *tool;    /* Name of the running tool, borrowed until the loop turns; "": none. */
    int64_t tokens;      /* Output so far; */
    int64_t cost_micros; /* -1: not known. */
    int64_t silent_ms;   /* Since the latest token or byte, or the begin of the tool; -1: the
                               * turn waits for none. */
    bool arguments_streaming; /* The model writes the arguments of a call. */
    bool in_line;             /* As turns_model_is_waiting. */
};
/* False: the turn is in nobody's hands. */
MUST_CHECK bool turns_get_pulse(struct turns *turns, struct bytes run,
                                struct turn_pulse *ret_pulse);

struct turns_stats {
    uint64_t begun, calls, tools, finished, late, store_retries;
    uint64_t live; /* Now. */
};
void turns_get_stats(const struct turns *turns, struct turns_stats *ret_stats);
/* Instructions of sessions and agents that have none of their own. */
extern const char turn_instructions[];

void turns_get_deltas(const struct turns *turns, struct deltas_stats *ret_stats);

#endif
