/* call.h: a request of a script, by agent(), workflow() or for a timer, until the script has the
 * outcome.
 *
 *   IN_LINE ──a slot──> BEGUN ──row──> ASKING <──> CHECKING (a schema)
 *     │ │                 │ └─ a budget: UNADMITTED ─┘   │
 *     │ │                 ├ tools: TURN ─────────────────┤
 *     │ │                 └ TREE_MAKING ──> TURN ──> TREE_REMOVING (worktree.c)
 *     │ └ cached: CACHED  └──────────────────────────────┴─> ENDED ──> STORING ──commit──> DONE
 *     ├ workflow(): SEARCHING ───────────────────────────────^ └─ DEFERRED (settle.c) ─^
 *     └ sleep(), setTimeout(): TIMER (timer.c) ──────────────^
 *
 * ENDED waits for the row of the call. A restart leads from each state after BEGUN, but DONE, back
 * to work. DONE calls stand in the order of their commits, and are delivered to the script in that
 * order, after its history. A call outlives its worker: the next worker asks for it again, by its
 * key and occurrence, and gets the same outcome. For the files of this folder alone, on the loop.
 */
#ifndef DROVER_DISPATCH_WORKFLOW_CALL_H
#define DROVER_DISPATCH_WORKFLOW_CALL_H

#include "base/json/json.h"
#include "base/text.h"
#include "dispatch/base/run_wait.h"
#include "dispatch/workflow/agent_progress.h"
#include "dispatch/workflow/registry.h"
#include "engine/workflow/steps.h"
#include "loop/loop.h"
#include "model/model.h"
#include "tool/agent_types.h"

enum { CALL_NAME = 2 * 64 + 2 };

enum call_kind { CALL_OF_AGENT, CALL_OF_WORKFLOW, CALL_OF_TIMER };

struct call_timing {
    int64_t number;          /* Number of the row; 0: it is not written yet. */
    int64_t made_ms, due_ms; /* By the wall clock, as its row has them. */
    int64_t rings_ms;        /* End of its wait, by workflows__mono_ms. */
    bool cleared;            /* The script did so. */
};

enum call_state {
    CALL_NEW,
    CALL_IN_LINE,       /* For a slot of workflow->at_once, for a resume, or for earlier results. */
    CALL_CACHED,        /* The run that this one resumes has its result, which is read. */
    CALL_SEARCHING,     /* The script of workflow() is looked for. */
    CALL_TIMER,         /* The row is being written, or the time has not come. */
    CALL_BEGUN,         /* A slot is taken, and the row is written. */
    CALL_UNADMITTED,    /* For a budget. */
    CALL_ASKING,        /* A model is asked; its connection may have a line, its provider a wait. */
    CALL_CHECKING,      /* The answer is compared with the schema, on the pool. */
    CALL_TREE_MAKING,   /* The working tree is made. */
    CALL_TURN,          /* The turn goes on, which may wait for a person. */
    CALL_TREE_REMOVING, /* The working tree is removed. */
    CALL_ENDED,         /* From here on the outcome is known, but for that of a cached call. */
    CALL_DEFERRED,      /* Ended; calls that the resumed run had answered come first. */
    CALL_STORING,       /* The outcome is being committed. */
    CALL_DONE,
    CALL_STATES
};

/* The row of its step, as far as is known. */
enum call_row {
    ROW_NONE,     /* Not written yet. */
    ROW_ADMITTED, /* The same; a budget admitted the call before its begin was answered. */
    ROW_RETRYING, /* Writing it, or its turn, failed, and is tried again. */
    ROW_PARKED,   /* A budget admitted the call, but its run is paused: nobody was asked. */
    ROW_WRITTEN,
};

/* The event of its wait for a slot. */
enum call_announced { CALL_QUEUED_UNSENT, CALL_QUEUED_SENT };

/* Results of other runs that the call may take over. */
enum call_taken {
    TAKEN_UNKNOWN,
    TAKEN_NONE, /* There was none. */
    TAKEN_ONE,  /* The outcome is another run's. */
};

enum result_form {
    RESULT_PLAIN,    /* JSON; empty: none. */
    RESULT_UNLOADED, /* Only in the store; read for its delivery. */
    RESULT_ENCODED,  /* The whole outcome, as a worker gets it. */
};

/* Answers that missed the schema, and how. */
struct missed {
    char *answers[WORKFLOW_TRIES_MAX], *faults[WORKFLOW_TRIES_MAX]; /* Owned. */
    size_t count;
};

struct call {
    struct table_node node; /* By key and occurrence. */
    char name[CALL_NAME];
    struct workflow *workflow;
    struct link link;      /* In the list of its state. */
    enum call_state state; /* Changed by call__enter alone. */
    enum call_row row;
    enum call_announced announced;
    int64_t number; /* The worker's; 0: this worker has not asked for it yet. */
    char key[WORKFLOW_HASH + 1];
    int64_t occurrence;
    struct id run;
    int64_t attempt,
        began_ms; /* began_ms: by workflows__mono_ms, as the next two; 0: it has not. */
    int64_t waited_ms, waits_since_ms; /* Parked, or for a person: until now, and just now; or 0. */
    enum call_kind kind;
    bool stop; /* A user skipped it. */
    enum call_taken taken;
    bool restarted; /* The earlier attempt is still in the pool or in the store. */
    int64_t slots;  /* Slots of workflow->working that the call holds: 0 or 1. */
    struct id turn; /* Turn of an agent with tools; "": none. */
    struct run_wait turn_wait;
    struct call_tree *tree; /* Owned: its working tree; NULL: it has none of its own. */
    json_t *message;        /* Owned: the script's request; NULL: it is DONE. */
    size_t pending_bytes;   /* For the message, while it counts in the workflow's. */
    char *model;            /* Owned. */
    struct prior *cached; /* Borrowed from workflow->reusable: an agent takes its result, workflow()
                             * its place in the order. NULL: none. */
    struct amounts limits;  /* For its own budget; AMOUNT_MAX: none. */
    struct agent_type type; /* Owned; not named: all is empty. */
    struct text program;    /* Owned: definition of a program that its type names; "": none. */
    enum run_cause refusal; /* For the lookup in the pool. */
    /* While it is asked: */
    struct asking *asking;
    struct text answer;
    struct timer timer, deadline;
    int64_t heard_ms; /* Latest token, else the request, by workflows__mono_ms; 0: unknown. */
    struct agent_told told;
    struct provider_wait wait;   /* For its provider; resume_at_ms 0: it does not wait. */
    int64_t stored_resume_ms;    /* The same in the row, once the write under way has ended; */
    struct workflow_op *wait_op; /* write under way; NULL: there is none. */
    struct pool_job job;         /* `done` is NULL: the pool does not have the call. */
    void (*run_in_pool)(struct call *call), (*back)(struct call *call); /* For `job`. */
    enum run_cause elsewhere; /* Another client ended the step while the pool had the call. */
    unsigned tries, restarts;
    unsigned silences;      /* Times that its turn was restarted because its model was silent; */
    int64_t silent_attempt; /* the attempt that is being restarted so; 0: none. */
    struct missed *missed;  /* Owned: answers that missed the schema; NULL: none. */
    struct text misfit;     /* How the last one did, or what its lookup found wrong. */
    struct why aside;       /* Sentence that the note of its end begins with; "": none. */
    struct text mended;     /* Note of a success: refused parameters, and what was mended. */
    enum model_stop answer_stop;  /* How the last answer ended; */
    int64_t output_max;           /* tokens of the next one; 0: the model's own limit. */
    struct script_search *search; /* Owned: of workflow(), until it is stored. */
    struct call_timing timing;    /* For a timer. */
    /* The outcome: */
    enum run_cause cause;
    int64_t resume_at_ms; /* For a failure: when asking may help; 0: nobody knows. */
    struct text result;
    enum result_form form;
    char *note; /* Owned; NULL: none. */
    struct usage usage;
    struct usage_cost cost;
    int64_t prompt[USAGE_PART_COUNT]; /* Bytes of what its model is asked. */
    int64_t parts[USAGE_PART_COUNT];  /* Tokens of the input, as far as it was measured. */
    int64_t calls, calls_priced;      /* For its model. */
};

struct call *call__new(struct workflow *workflow, const char *key, int64_t occurrence);
void call__free(struct call *call);
void call__name_of(char name[CALL_NAME], struct bytes key, int64_t occurrence);
struct call *workflow__find_call(const struct workflow *workflow, struct bytes name);
/* Leaves the list of its state, and enters that of the next one. Asserts that the edge is legal. */
void call__enter(struct call *call, enum call_state state);
void call__set_slots(struct call *call, int64_t slots);
void call__set_note(struct call *call, struct bytes note); /* May be the one that it has. */
void call__release_bytes(struct call *call); /* Holds its message, but none waits for it. */
void call__forget_message(struct call *call);
void call__fail(struct call *call, enum run_cause cause, const char *note);
void call__skip(struct call *call);
MUST_CHECK bool call__has_budget(const struct call *call);  /* Whether it has its own, */
MUST_CHECK bool call__is_budgeted(const struct call *call); /* or above it. */
void call__watch_deadline(struct call *call);
void call__set_waiting(struct call *call, bool waits);
/* Whether a wait for its provider until then is such a wait; 0: there is none. */
MUST_CHECK bool call__parks(const struct call *call, int64_t resume_at_ms);
void call__wait(struct call *call, const struct provider_wait *wait); /* The row follows. */
void call__add_spent(struct call *call, const struct model_spent *spent);
void call__cut_off(struct call *call); /* The model is heard no more. */
void call__free_missed(struct call *call);
void call__free_tree(struct call *call);
void call__cancel(struct call *call); /* All that it has with a model, and its timers. */
/* `run` in the pool, then `back` on the loop if call__is_back: false: the workflow is over or
 * another client ended the step, and the call may be gone. */
void call__pool(struct call *call, void (*run)(struct call *), void (*back)(struct call *));
MUST_CHECK bool call__is_back(struct call *call);
static inline bool call__in_pool(const struct call *call) {
    return call->job.done != NULL;
}

#endif
