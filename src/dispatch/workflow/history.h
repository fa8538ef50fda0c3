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

#include "dispatch/workflow/flow.h"
#include "script/catalog.h"

enum {
    FLOW_PAGE_STEPS = 256,
    FLOW_PAGE_BYTES = 1 << 20,
};

/* --- history.c: members of messages (script/protocol.h) --------------------------------------- */

/* A member of an object, as text_add_member; NULL, or the number that says so: null. */
void flow__add_member(struct text *text, const char *name, const char *value);
void flow__add_limit(struct text *text, const char *name, int64_t number, int64_t none);
MUST_CHECK struct err flow__add_json(struct text *text, const char *name, const json_t *json);
/* "script","form","file": the members of a script as a worker wants it. */
void flow__add_script(const struct script_prepared *prepared, struct bytes file, struct text *text);
/* A worker of that script gets its first message. Takes the bytes. */
struct script_worker *flows__start_script(struct flows *flows, struct scripts *scripts,
                                          const struct script_watch *watch, void *ctx,
                                          struct text *order);
void flows__send(struct script_worker *worker, struct text *message); /* The worker computes. */
/* ,"total":…,"limits":{…},"history":[ of a worker's first message. */
void flow__add_limits(const struct flows_limits *limits, int64_t total, struct text *text);

/* ,"o":… of an outcome. */
void flow__add_result(const struct step_row *row, struct text *text);
void flow__add_throw(struct text *text, struct bytes message);
MUST_CHECK bool flow__message_is(const json_t *message, const char *type);

/* --- history.c -------------------------------------------------------------------------------- */

void flow__load(struct flow *flow);
void flow__adopt(struct flow *flow); /* The history is read. */
void flow__load_free(struct flow *flow);
void flow__stop(struct flow *flow);   /* The run is asked to end. */
void flow__reload(struct flow *flow); /* The history changed: a new worker replays it. */
void flow__reload_in(struct flow *flow, uint64_t wait_ms); /* The same; a worker is not there. */
void flow__store_empty(struct flow *flow); /* No outcome is being stored any more. */
void call__unload(struct call *call);      /* The result is stored: it is read again. */
/* The first of `done` is unloaded, and may be the next to be delivered. */
void flow__load_page(struct flow *flow);
void flow__page_free(struct flow_page *page); /* NULL is allowed. */

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
    bool parked;      /* A budget admitted it while its run was paused: nobody was asked. */
    struct id turn;   /* Turn of the agent; "": it was one call. */
    char *model;      /* Owned: that was asked; "": none. */
    json_t *worktree; /* Owned: as its row has it; NULL: none. */
};
void prior__free(struct prior *prior);
/* Time of the agent that has passed. */
int64_t prior__elapsed_ms(const struct flow *flow, const struct prior *prior);
void flow__free_priors(struct table *priors);
void flow__note_prior(struct flow *flow, const struct run_row *row);

/* --- settle.c --------------------------------------------------------------------------------- */

void call__ended(struct call *call); /* The outcome is known: stored, then delivered. */
void call__store(struct call *call); /* An ended one: now, or when it can be. */
void call__done(struct call *call);  /* The outcome is stored. */
void call__begin_nested(struct call *call, struct prior *old); /* old: as `cached`. */
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
void flow__settle_quiet(struct flow *flow);
void flow__deliver(struct flow *flow);
void flow__store_deferred(struct flow *flow);             /* The ones that had no worker. */
MUST_CHECK bool flow__must_wait(const struct flow *flow); /* Cached results come first. */

#endif
