/* workflow.h: a workflow that this daemon performs; for the files of this folder alone.
 *
 *   UNREAD ──> LOADING ──history──> ADOPTING ──commit──> LIVE ──script ended, a stop──> ENDING
 *      ^          │          │                            │                               │
 *      └──failed──┴──────────┴── crashed, evicted, or ────┘                       ENDED <─┘
 *                     others settled a step                                          └──> FREED
 *
 * UNREAD waits for a delay, or until nothing is being stored, and LOADING reads the history on a
 * reader thread (history.c). ADOPTING waits for the engine that the run pins (engine_build.c), and
 * for the commit that takes the row over. LIVE has a worker (worker.c), or had one that was
 * evicted. From each state a workflow is ENDED once its row is, and FREED when nothing of it is in
 * the store or in the pool; where the daemon stops, it is FREED without an end.
 *
 * A call is what the script asked for (call.h); an op is what a workflow has with the store
 * (store_ops.h).
 */
#ifndef DROVER_DISPATCH_WORKFLOW_WORKFLOW_H
#define DROVER_DISPATCH_WORKFLOW_WORKFLOW_H

#include "dispatch/workflow/call.h"
#include "dispatch/workflow/registry.h"
#include "dispatch/workflow/store_ops.h"
#include "engine/workflow/workflows.h"

enum { WORKFLOW_LINES = 64 }; /* Lines of one commit. */

enum workflow_state {
    WORKFLOW_UNREAD,
    WORKFLOW_LOADING,
    WORKFLOW_ADOPTING,
    WORKFLOW_LIVE,
    WORKFLOW_ENDING,
    WORKFLOW_ENDED,
    WORKFLOW_FREED,
    WORKFLOW_STATES
};

/* The script of a workflow, as far as its outcomes go. */
enum workflow_script {
    WORKFLOW_REPLAYING, /* Has not been quiet after its whole history. */
    WORKFLOW_BUSY,      /* Received something after that, and has not been quiet since. */
    WORKFLOW_QUIET,     /* Waits, and has received all that was sent. */
    WORKFLOW_EVICTED,   /* The same, but the worker was ended. */
};

struct workflow {
    struct link freed; /* In workflows->freed. */
    struct loop_task free_task;
    struct table_node node;    /* By its run. */
    struct table_node id_node; /* By the number of its row. */
    struct id run;
    int64_t id;
    struct workflows *workflows;
    char *owner;
    enum workflow_state state; /* Changed by workflow__enter alone. */
    enum workflow_script script;
    bool paused;   /* No agent begins. */
    bool fresh;    /* The row has this daemon's epoch, and `crashes` as stored. */
    bool budgeted; /* Budgets stand above it. */
    int64_t attempt, crashes;
    int64_t resumed_from; /* run_row.id of the run whose results it takes over; 0: none. */
    struct retry loading;
    unsigned lost_workers; /* Workers in a row that could not be had. */
    struct workflow_pulse pulse;
    struct link idle, computing; /* In the lists of `workflows`. */
    uint64_t computing_since_ns;
    int64_t sent;                /* Outcomes sent to the worker, those of the history included. */
    int64_t loaded_no;           /* done_no of the last outcome that was read for the worker. */
    size_t unloaded;             /* DONE calls whose result is only in the store. */
    struct workflow_op *page_op; /* Borrowed from `ops`: reads the next page of them; or NULL. */
    int64_t spent, stored;       /* Output tokens of delivered, and of all stored outcomes. */
    int64_t total;               /* Limit on output tokens: budget.total of its script; -1: none. */
    int64_t at_once, working;    /* Agents that may work at once, and that do. */
    int64_t agent_ms;            /* Time limit of an agent. */
    int64_t reuse_ms;            /* Age of results of any run that it may take over; 0: none. */
    int64_t agents, nested, timers; /* Calls of agent() and of workflow(), and timers, in all. */
    int64_t line_last;              /* Number of the last line of this worker. */
    /* Items of parallel() and pipeline() that errors made null, and calls that lost all items. */
    int64_t items_failed, calls_failed;
    char *model, *root, *label;
    json_t *spec;             /* Owned; never changes once it is there. */
    json_t *project_settings; /* Owned: of its project, when it was read; NULL: none. */
    json_t *warned;           /* Owned: texts of workflow__warn_once, as names; NULL: none. */
    struct build *build;      /* Held; NULL: the present engine, or not yet known. */
    struct link waiting_link; /* For the build. */
    void (*on_build)(struct workflow *workflow, bool found);
    struct script_worker *worker;
    struct frame_reader *reader; /* Owned: the frame that is being processed; NULL: none. */
    size_t pending_bytes;        /* Bytes of prompts and rows of calls that end by themselves. */
    struct workflow_load *load;  /* Owned; LOADING and ADOPTING. */
    struct table calls;          /* Holds struct call. */
    struct table open, reusable; /* Hold struct prior: not settled; successes of a resumed run. */
    struct link by_state[CALL_STATES]; /* Calls, as they entered their state. */
    struct loop_task deliver_task;     /* Delivers DONE calls before the turn of the loop ends. */
    struct call *searched;             /* Borrowed: its script is being searched; NULL: none. */
    size_t storing;                    /* Ops that store an outcome. */
    size_t cached;                     /* Calls that a resumed run may answer, and has not yet. */
    struct workflow_line lines[WORKFLOW_LINES];
    size_t line_count;
    struct timer deadline, rebuild;
    struct workflow_op *ops;     /* Owned. */
    struct workflow_op *delayed; /* Lazy ones of `ops` that are not sent yet. */
    size_t delayed_count, delayed_rows;
    struct timer delay_timer;
    size_t in_pool; /* Jobs in the pool, and reads of the history. */
};

/* The first call in a state, and the next in its own; NULL: no more. */
static inline struct call *workflow__first(const struct workflow *workflow, enum call_state state) {
    const struct link *list = &workflow->by_state[state];
    return links_empty(list) ? NULL : CONTAINER_OF(list->next, struct call, link);
}
static inline struct call *call__next(const struct call *call) {
    struct link *next = call->link.next;
    return next == &call->workflow->by_state[call->state] ? NULL
                                                          : CONTAINER_OF(next, struct call, link);
}

/* The machine says how the call goes on. */
static inline void call__tick(struct call *call) {
    call->workflow->workflows->machine->tick(call);
}

/* workflow.c */
struct bytes workflow__run(const struct workflow *workflow);
struct bytes workflow__project(const struct workflow *workflow);
void workflow__progressed(const struct workflow *workflow); /* A part of a step was stored. */
struct workflow_place workflow__place(const struct workflow *workflow);
/* A model started it: its agents may do what the session of that may, and no more. */
bool workflow__is_confined(const struct workflow *workflow);
struct catalog_search workflow__search(
    const struct workflow *workflow); /* Scripts that the run names. */
void workflow__enter(struct workflow *workflow,
                     enum workflow_state state); /* Asserts that the edge is legal. */
MUST_CHECK bool workflow__is_over(const struct workflow *workflow); /* Results are ignored. */
void workflow__reload_in(struct workflow *workflow,
                         uint64_t wait_ms);            /* The history is read again. */
void workflow__store_empty(struct workflow *workflow); /* No outcome is being stored any more. */
struct call *workflow__next_call(const struct workflow *workflow, const struct call *after);

/* engine_build.c */
/* false: it is looked for, and `on_build` says whether it was found. */
MUST_CHECK bool workflow__has_build(struct workflow *workflow,
                                    void (*on_build)(struct workflow *workflow, bool found));
struct scripts *workflow__scripts(const struct workflow *workflow); /* The build is open. */
void workflow__recheck_build(
    struct workflow *workflow); /* A worker of it could not be had, or was lost. */
void workflow__release_build(struct workflow *workflow);

/*   PARSING ──> READY <──> FULL
 *     │  └──────> │ a part: TAKING ──> READY, FULL, or the end of the frame
 *     └─────> LEFT <────────┘
 */
enum reader_state {
    READER_PARSING, /* In the pool. */
    READER_READY,   /* The task takes the next part. */
    READER_FULL,    /* Calls hold too much: workflow__resume_frame goes on. */
    READER_TAKING,  /* A part is being taken right now. */
    READER_LEFT,    /* The workflow, or the worker, went meanwhile: the frame is only freed. */
};

/* A frame that is being processed. */
struct frame_reader {
    enum reader_state state;
    struct workflow *workflow; /* Not of one that was LEFT. */
    struct workflows *workflows;
    struct pool_job job;
    struct loop_task task;
    struct bytes frame;           /* Borrowed from the worker, which is paused. */
    struct script_worker *orphan; /* Owned: that worker, once its workflow has closed it. */
    json_t *messages;             /* Owned. */
    struct text result;           /* Owned: of an `end`, written in the pool. */
    bool ends;                    /* There is one. */
    size_t at;
    struct err err;
    struct why why;
};

/* worker.c */
void workflow__close_worker(struct workflow *workflow);
/* The script has ended, and the process takes others. */
void workflow__give_worker_back(struct workflow *workflow);
void workflow__leave_worker(struct workflow *workflow); /* The process ends, or has. */
/* Answers with the number of pieces taken: all, or, without a worker, none. */
MUST_CHECK size_t workflow__send(struct workflow *workflow, const struct script_piece *pieces,
                                 size_t count);
void workflow__reload(
    struct workflow *workflow); /* The history changed: a new worker replays it. */
void workflow__maybe_idle(struct workflow *workflow);
void workflows__free_frame(struct frame_reader *reader);
void workflow__leave_frame(struct workflow *workflow);
MUST_CHECK bool workflow__is_full(const struct workflow *workflow); /* Calls hold too much. */
void workflow__go_on_with_frame(struct frame_reader *reader);       /* Soon, or when they do not. */
void workflow__resume_frame(
    struct workflow *workflow); /* Calls hold less: a frame that waits goes on. */
void workflows__resume_frames(struct workflows *workflows); /* The same, of all of them. */

void workflow__add_line(struct workflow *workflow, enum workflow_line_kind kind,
                        const json_t *message, const char *member);
void workflow__flush_lines(struct workflow *workflow);
/* A line of the log that is not the script's; once for each text, and again after a restart. */
void workflow__warn_once(struct workflow *workflow, const char *text);

/* frames.c */
void workflow__start_worker(struct workflow *workflow, struct text *order);

/* end.c */
void workflow__end(struct workflow *workflow, enum run_cause cause, const char *note);
/* `result`: what the script returned, as text; NULL: it is to be written here. */
void workflow__end_with(struct workflow *workflow, const json_t *end, const struct text *result);
void workflow__refused(struct workflow_op *op,
                       struct err err); /* For good, by the database: it ends. */
void workflow__crashed(struct workflow *workflow, const struct script_end *end);
void workflow__ended(struct workflow *workflow); /* The row has ended. */
void workflow__maybe_free(
    struct workflow *workflow); /* When it has ended and nothing of it is away. */

#endif
