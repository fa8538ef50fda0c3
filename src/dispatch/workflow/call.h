/* call.h: a request of a script, by agent() or workflow(), until the script has the outcome.
 *
 *   WAITING ──a slot──> BEGUN ──row──> ASKING <──> CHECKING (a schema)
 *     │ │                 │ └─ a budget: UNADMITTED ─┘   │
 *     │ │                 ├ tools: TURN ─────────────────┤
 *     │ │                 └ TREE_MAKING ──> TURN ──> TREE_REMOVING (worktree.c)
 *     │ └ cached: CACHED  └──────────────────────────────┴─> STORING ──commit──> DONE ──> gone
 *     └ workflow(): SEARCHING ───────────────────────────────^
 *
 * DONE calls stand in the order of their commits, and are delivered to the script in that order,
 * after its history. A call outlives its worker: the next worker asks for it again, by its key and
 * occurrence, and gets the same outcome.
 *
 * For the files of this folder alone, on the loop.
 */
#ifndef DROVER_DISPATCH_WORKFLOW_CALL_H
#define DROVER_DISPATCH_WORKFLOW_CALL_H

#include "base/json/json.h"
#include "base/text.h"
#include "dispatch/base/pool.h"
#include "dispatch/base/table.h"
#include "engine/workflow/steps.h"
#include "loop/loop.h"
#include "model/model.h"
#include "tool/agent_types.h"

struct flow;

enum { CALL_NAME = 2 * 64 + 2 };

enum call_state {
    CALL_WAITING,
    CALL_BEGUN,
    CALL_UNADMITTED,
    CALL_ASKING,
    CALL_CHECKING,
    CALL_TREE_MAKING,
    CALL_TURN,
    CALL_TREE_REMOVING,
    CALL_CACHED,
    CALL_SEARCHING,
    CALL_STORING,
    CALL_DONE,
};

/* Calls in their order. Zeroes are an empty line. */
struct call_line {
    struct call *first, *last;
};
void call_line_append(struct call_line *line, struct call *call);
void call_line_prepend(struct call_line *line, struct call *call);
void call_line_remove(struct call_line *line, struct call *call); /* Or is not in it. */

struct call {
    struct table_node node; /* By key and occurrence. */
    char name[CALL_NAME];
    struct flow *flow;
    struct call *next; /* In the line of its state. */
    enum call_state state;
    int64_t number; /* The worker's; 0: this worker has not asked for it yet. */
    char key[WORKFLOW_HASH + 1];
    int64_t occurrence;
    struct id run;
    int64_t attempt, began_ms; /* began_ms: by flows__mono_ms, as the next two; 0: it has not. */
    int64_t waited_ms, waits_since_ms; /* For a person: until now, and just now; 0: it does not. */
    bool turn_changed;                 /* The turn has changed since it was read. */
    bool nested;                       /* By workflow(), not agent(). */
    bool has_turn;                     /* Is in flows->turns. */
    struct id turn;
    struct call_tree *tree;      /* Owned: its working tree; NULL: it has none of its own. */
    struct table_node turn_node; /* By its turn, or by the job of its working tree. */
    bool written;                /* The row is there, as far as is known. */
    bool unwritten;              /* Writing it failed, and is tried again. */
    bool stop;                   /* A user skipped it. */
    bool counted;                /* In flow->working. */
    bool deferred;               /* The end waits for cached calls, or for a worker (settle.c). */
    bool storing;                /* The end is on its way to the store. */
    bool refused;                /* Ends without anybody being asked. */
    bool admitted;               /* A budget admitted it before its begin was answered. */
    bool parked;                 /* A budget admitted it, but its run is paused. */
    bool late_lookup;            /* The type is looked up after it began. */
    bool restarted;              /* The earlier attempt is still in the pool or in the store. */
    json_t *message;             /* Owned: the script's request; NULL: it is DONE. */
    size_t pending_bytes;        /* For the message, while it counts in the flow's. */
    char *model;                 /* Owned. */
    struct prior *cached;   /* Borrowed from flow->reusable: an agent takes its result, workflow()
                             * its place in the order. NULL: none. */
    struct amounts limits;  /* For its own budget; AMOUNT_MAX: none. */
    struct agent_type type; /* Owned; not named: all is empty. */
    enum run_cause refusal; /* For the lookup in the pool. */
    /* While it is asked: */
    struct asking *asking;
    struct text answer;
    struct timer timer, deadline;
    struct provider_wait wait; /* For its provider; resume_at_ms 0: it does not wait. */
    int64_t stored_resume_ms;  /* The same in the row, once the write under way has ended. */
    bool storing_wait;         /* The write is under way. */
    struct pool_job job;
    unsigned tries, restarts;
    unsigned silences;     /* Times that its turn was restarted because its model was silent; */
    bool silence_restart;  /* such a restart is under way. */
    struct missed *missed; /* Owned: answers that missed the schema; NULL: none. */
    struct text misfit;    /* How the last one did, or what its lookup found wrong. */
    bool truncated;        /* The last answer was cut off at its maximum length; */
    int64_t output_max;    /* tokens that the next one may have; 0: the model's own limit. */
    struct script_search *search; /* Owned: of workflow(), until it is stored. */
    /* The outcome: */
    enum run_cause cause;
    int64_t resume_at_ms; /* For a failure: when asking may help; 0: nobody knows. */
    struct text result;   /* JSON; empty: none. */
    bool unloaded;        /* The result is only in the store, and is read for its delivery; */
    bool encoded;         /* `result` is the whole outcome, as a worker gets it. */
    char *note;           /* Owned; NULL: none. */
    struct usage usage;
    struct usage_cost cost;
    int64_t calls, calls_priced; /* For its model. */
};

/* call.c */
struct call *call__new(struct flow *flow, const char *key, int64_t occurrence);
void call__free(struct call *call);
void call__name_of(char name[CALL_NAME], struct bytes key, int64_t occurrence);
struct call *flow__find_call(const struct flow *flow, struct bytes name);
void flow__on_call(struct flow *flow, json_t *message, bool nested); /* Takes the message over. */
void flow__pump(struct flow *flow); /* Begins the calls that have a slot. */
void flow__on_pause(struct flow *flow, const struct run_row *row);
void call__on_note(struct call *call, const struct run_row *row);
void call__leave_lines(struct call *call);
void call__set_counted(struct call *call, bool counted);
void call__release_bytes(struct call *call); /* Holds its message, but none waits for it. */
void call__forget_message(struct call *call);
/* Has its slot. `refused`: it ends at once, with that cause; CAUSE_NONE: it goes on. */
void call__begin(struct call *call, enum run_cause refused);
void call__start_again(struct call *call); /* Restarted: what it did so far is dropped. */
void call__start_turn(struct call *call);  /* Under its row, which has no turn. */
void call__fail(struct call *call, enum run_cause cause, const char *note);
void call__cancel(struct call *call); /* All that it has with a model, and its timers. */
/* In the pool, then on the loop. call__is_back, first in `done`: false: the flow is over, and the
 * call may be gone. */
void call__pool(struct call *call, void (*run)(struct pool_job *), void (*done)(struct pool_job *));
MUST_CHECK bool call__is_back(struct call *call);

#endif
