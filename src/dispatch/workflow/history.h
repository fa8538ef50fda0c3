/* history.h: outcomes: how they are stored and delivered, and how the next worker gets them.
 *
 * A worker's first message holds the history up to HISTORY_MAX. What was settled after that is
 * delivered as it was live, when the script asks for those calls again: each is a call that is DONE
 * from the beginning, so that nobody performs it again, and UNLOADED: its result is in the store,
 * and read page by page when it is the next to be delivered. Meanwhile, outcomes that are settled
 * live are appended the same way. So neither a daemon nor a worker holds more than a page, however
 * long the history is.
 *
 * For the files of this folder alone, on the loop.
 */
#ifndef DROVER_DISPATCH_WORKFLOW_HISTORY_H
#define DROVER_DISPATCH_WORKFLOW_HISTORY_H

#include "dispatch/workflow/workflow.h"
#include "engine/workflow/timers.h"
#include "script/catalog.h"

enum {
    WORKFLOW_PAGE_STEPS = 256,
    WORKFLOW_PAGE_BYTES = 1 << 20,
};

/* --- message.c: members of messages (script/protocol.h) --------------------------------------- */

/* "script","form","file": the members of a script as a worker wants it. */
void workflow__add_script(const struct script_prepared *prepared, struct bytes file,
                          struct text *text);
/* A worker of that script gets its first message. Takes the bytes. owner: of script_bounds. */
struct script_worker *workflows__start_script(struct workflows *workflows, struct scripts *scripts,
                                              struct bytes owner, const struct script_watch *watch,
                                              void *ctx, struct text *order);
void workflows__send(struct script_worker *worker, struct text *message); /* The worker computes. */
/* ,"total":…,"limits":{…},"history":[ of a worker's first message. */
void workflow__add_limits(const struct workflows_limits *limits, int64_t total, struct text *text);

/* ,"o":… of an outcome. true: its value is to follow. */
MUST_CHECK bool workflow__add_result_head(const struct step_row *row, struct text *text);
void workflow__add_throw(struct text *text, struct bytes message);
MUST_CHECK bool workflow__message_is(const json_t *message, const char *type);
/* Members of a script that a row has. false: it is none. */
bool workflow__add_source(struct bytes source, struct bytes file, struct text *text,
                          struct why *why);
/* In a store function. `fault` is set where a script of workflow() is broken: the run ends,
 * CAUSE_SYNTAX_ERROR. */
MUST_CHECK struct err workflow__add_outcome(struct tx *tx, const struct step_row *row,
                                            struct text *text, struct why *fault);

/* --- search.c --------------------------------------------------------------------------------- */

/* The script that workflow() names, as the request says; in the pool. */
struct script_search {
    struct pool_job job; /* For settle.c, as is the call. */
    struct call *call;   /* Borrowed: it stays while `in_pool` counts us. */
    struct catalog_search search;
    const char *name, *path; /* Borrowed from the request, as are the args; path NULL: by name. */
    const json_t *args;      /* NULL: none. */
    struct catalog_script script;
    struct text members; /* Owned: of the script, as a worker wants it. */
    struct why why;      /* Empty: there is a script. */
};
void script_search_init(struct script_search *search, const struct catalog_search *places,
                        const json_t *request);
void script_search_find(struct script_search *search);
void script_search_done(struct script_search *search);
void script_search_free(struct script_search *search); /* NULL is allowed. */
/* Whether args fit the schema of a script's meta: the same for a run that is started, for
 * workflow() within one, and for a plan. NULL counts as {}: defaults of the script may do for all
 * of them. ERR_BAD_FIELD: `why` says which script, where, and what is wrong, in one line. Pure. */
MUST_CHECK struct err workflow_args_check(const struct script_prepared *prepared,
                                          const json_t *args, struct why *why);

/* --- history.c -------------------------------------------------------------------------------- */

void workflow__load(struct workflow *workflow);
void workflow__stop(struct workflow *workflow); /* The run is asked to end. */
void workflow__note_prior(struct workflow *workflow, const struct run_row *row);

/* --- workflow.c: an earlier life -------------------------------------------------------------- */

/* A step of an earlier worker, or of the run that is resumed, by key and occurrence. */
struct prior {
    struct table_node node;
    char name[CALL_NAME];
    struct id run;
    int64_t attempt, done_no, started_ms, steady_ms, epoch;
    int64_t parked_ms;       /* As of struct step_row. */
    struct step_spent spent; /* The same. */
    int64_t resume_at_ms;    /* End of the wait for its provider that a restart cut off; 0: none. */
    enum run_state state;
    bool stop;
    bool parked;    /* A budget admitted it while its run was paused: nobody was asked. */
    struct id turn; /* Turn of the agent; "": it was one call. */
    struct call_timing timing; /* For a timer. */
    char *model;               /* Owned: that was asked; "": none. */
    json_t *worktree;          /* Owned: as its row has it; NULL: none. */
};
void prior__free(struct prior *prior);
/* Time of the agent that has passed. */
int64_t prior__elapsed_ms(const struct workflow *workflow, const struct prior *prior);
void workflow__free_priors(struct table *priors);

/* An outcome after those in the order. */
struct unloaded {
    char key[WORKFLOW_HASH + 1];
    int64_t occurrence;
    enum call_kind kind;
};

/* Progress of the read: a page that failed is read again from here. */
struct load_mark {
    size_t len; /* Bytes of the order. */
    size_t unloaded_count;
    int64_t after;           /* done_no of the last row that was read, */
    int64_t loaded, settled; /* done_no of the last in the order, and their number. */
    int64_t spent, stored;   /* Output tokens of those in the order, and of all. */
    int64_t nested, timers;
};

struct workflow_load {
    struct workflow *workflow;
    struct text order;         /* Owned: `len` of it counts. */
    size_t history;            /* Where its history begins. */
    struct unloaded *unloaded; /* Owned. */
    struct load_mark at;
    struct workflow_row row;
    bool away, begun;
    bool found, whole; /* The row is there; the history is read to its end. */
    bool budgeted;
    json_t *spec;                /* Owned. */
    json_t *project_settings;    /* Owned; NULL: none. */
    char *label;                 /* Owned: of the run. */
    struct table open, reusable; /* Owned, with their struct prior. */
    struct why fault;            /* Why it cannot be started; empty: it can. */
    /* Set by notes meanwhile, on the loop: */
    bool stop;           /* The run ends once this is read: its agents may have working trees. */
    bool stale;          /* The history is outdated: it is read again. */
    bool stale_admitted; /* The same, if an agent in it waits for a budget. */
};
void workflow__load_free(struct workflow *workflow);

/* --- deliver.c -------------------------------------------------------------------------------- */

void call__unload(struct call *call); /* The result is stored: it is read again. */
void call__done(struct call *call);   /* The outcome is stored. */
void call__stored(struct call *call); /* The outcome is committed: delivered soon. */
void call__send_stored(struct call *call, struct workflow_op *op); /* The op stores the outcome. */
void call__release_cached(struct call *call);
void workflow__deliver(struct workflow *workflow);

/* --- settle.c --------------------------------------------------------------------------------- */

void call__ended(struct call *call); /* The outcome is known: stored, then delivered. */
void call__store(struct call *call); /* An ended one: now, or when it can be. */
/* BEGUN, without a row: false: the run reuses no results, or none of this call. true: one is looked
 * for; `done` takes it, or begins the call. */
MUST_CHECK bool call__reuse(struct call *call, void (*done)(struct workflow_op *op));
/* false: there was nothing. */
MUST_CHECK bool call__take_cached(struct call *call, const struct workflow_op *op);
void call__begin_nested(struct call *call, struct prior *old); /* old: as `cached`. */
void workflow__settle_quiet(struct workflow *workflow);
void workflow__store_deferred(struct workflow *workflow); /* The ones that had no worker. */
MUST_CHECK bool workflow__must_wait(
    const struct workflow *workflow); /* Cached results come first. */

/* --- timer.c ---------------------------------------------------------------------------------- */

/* open: the timer that an earlier worker made; old: as `cached`. NULL: none. */
void call__begin_timer(struct call *call, struct prior *open, struct prior *old);
void call__store_timer(struct call *call); /* The timer is over, or was cleared. */
void call__store_cached_timer(struct call *call);
void workflow__on_clear(struct workflow *workflow, const json_t *message);
/* Timers whose time has come meanwhile fire: the run goes on, or the machine woke. */
void workflow__look_at_timers(struct workflow *workflow);

#endif
