/* steps.h: the transactions of a workflow's steps: the calls of agents.
 *
 *   begun ──answered, failed, skipped──> settled, with the next `done_no` of its workflow
 *     └──budget──> queued (GATE_BUDGET) ──> begun
 *   cached: settled at once, with another run's result
 *
 * A step is a run of kind `agent` below its workflow. That of one call of a model is one row: it is
 * inserted when it begins, and updated when it ends, or inserted as it ended where both are one
 * transaction. Both leave an event in the workflow's stream.
 *
 * Promise    the order in which steps were settled is stored with them, so that a replay settles
 *            them in that order. A step ends once. Nothing begins below a workflow that has ended,
 *            or that another daemon has.
 * Notes      who performs a step knows of its begin and its end by itself, so these leave no note;
 *            a stop by somebody, and a budget that lets it go or refuses it, do.
 * Threads    inside a store function. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_WORKFLOW_STEPS_H
#define DROVER_ENGINE_WORKFLOW_STEPS_H

#include "base/base.h"
#include "base/err.h"
#include "base/id.h"
#include "engine/run/runs.h"
#include "engine/turn/begin.h"
#include "engine/workflow/workflows.h"
#include "rules/trace/usage.h"
#include "rules/workflow/workflow.h"
#include "store/store.h"

enum {
    STEP_LABEL_MAX = 200,
    STEP_PROMPT_HEAD = 200,   /* Bytes of a prompt in the event of its start. */
    STEP_SPEC_MAX = 16 << 20, /* A prompt of 1 MB may take six, escaped. */
};

/* Place of the call of agent() in the user's file. */
struct step_call_place {
    int64_t line, column; /* 1, 2, …; 0: unknown. */
    struct bytes file;    /* Script within workflow(); "": the run's own. */
};
struct step_end;
struct step_new {
    /* An agent with tools: a session of its own, and a turn of it, which belongs to the step. The
     * step gives both what it has itself: owner, model, prompt, bounds. NULL: it is one call of a
     * model. */
    const struct talk_new *talk;
    /* Its end comes in the same transaction, and is written with its beginning: a row that nobody
     * could see in between is not written twice. NULL: it does not. */
    const struct step_end *end;
    bool end_tells; /* Nothing comes between the two: the event of its end brings that of this. */
    struct workflow_place place;
    struct id run;
    struct bytes key;       /* Hash of the request. */
    int64_t occurrence;     /* Number of times that this key was asked, with this one. */
    struct bytes reuse_key; /* Key by which its success is found (tx_step_cached); "": never. */
    struct bytes label, phase, model, prompt;
    struct bytes agent;       /* Type of its agent; "": none. */
    struct bytes model_asked; /* By its script, where that is none of ours; no data: it is. */
    struct bytes spec;        /* JSON. */
    struct bytes isolation;   /* As its script asks; "": none. */
    struct step_call_place at;
    bool asks;        /* Budgets are asked first: nobody has been asked for an answer yet. */
    bool owns_budget; /* It has one of its own, below those of its workflow: */
    struct amounts limits;
    struct run_bounds bounds;
};
enum step_begun {
    STEP_BEGUN,
    STEP_WAITS, /* For a budget; a note says when it runs, or has ended. */
    STEP_OVER,  /* A budget is used up: it has ended. */
    STEP_LATE,  /* The workflow has ended, or is another's: nothing was written. */
};
/* Events of calls that cannot begin yet: they wait for a slot of the run, or for its resume, and
 * have no row. `limited`: the slots of the run are taken. `again`: an earlier try failed, so calls
 * that have begun meanwhile are left out. Nothing where the workflow has ended, or is another's. */
struct step_queued {
    struct step_key key;
    struct bytes label, phase;
};
enum { STEPS_QUEUED_MAX = 64 }; /* Calls of one transaction. */
struct steps_queued {
    struct workflow_place place;
    const struct step_queued *steps;
    size_t count;
    bool limited, again;
};
MUST_CHECK struct err tx_steps_queued(struct tx *tx, const struct steps_queued *queued);

/* *ret_budgeted: budgets stand above it. */
MUST_CHECK struct err tx_step_begin(struct tx *tx, const struct step_new *step,
                                    enum step_begun *ret_begun, bool *ret_budgeted);

struct step_end {
    struct workflow_place place;
    struct bytes run;
    struct step_key key;
    int64_t attempt;
    enum run_cause cause;
    struct bytes result; /* JSON; "": none. */
    struct bytes note;
    int64_t resume_at_ms; /* Of a failure: when asking may help; 0: nobody knows. */
    struct bytes label, phase;
    struct bytes agent, workflow; /* Type of its agent, and label of its workflow; for usage. */
    struct usage usage; /* This and the cost: not of a step that talks, which is asked itself. */
    struct usage_cost cost;
    int64_t parts[USAGE_PART_COUNT]; /* Tokens of its input, as far as its prompts were measured. */
    struct bytes model, project;
    int64_t calls, calls_unpriced; /* Of the model; a turn counts its own. */
    int64_t took_ms;               /* By a clock that nobody sets; 0: it did not begin. */
    bool written;                  /* Its beginning, in this transaction, wrote the row, */
    const struct step_new *untold; /* and left its event to this; NULL: it did not. */
    bool talks;                    /* It has a turn: whatever that still does is ended. */
    bool budgeted;                 /* Budgets stand above it: what it holds is settled. */
    struct bytes worktree;         /* The working tree that is kept; no data: none. */
    struct bytes spec;             /* New spec of its row; no data: the row keeps its spec. */
    struct run_bounds bounds;
};
/* *ret_late: the step has ended. Else *ret_used: usage that its row counts from here on. */
MUST_CHECK struct err tx_step_end(struct tx *tx, const struct step_end *end, bool *ret_late,
                                  struct usage *ret_used);

/* The outcome of the turn of a step. */
struct step_talked {
    bool ended; /* false: it goes on, or was removed. */
    enum run_state state;
    enum run_cause cause;
    int64_t resume_at_ms;    /* As run_resume_at_ms: of its wait, or of its end. */
    struct bytes said, note; /* In the arena. */
    int64_t waited_ms;       /* Time waited for a person and time parked, up to now. */
};
MUST_CHECK struct err tx_step_talked(struct tx *tx, struct bytes turn,
                                     struct step_talked *ret_talked);

/* Takes over what a step of another run came to: of the one that is named, or, where none is, of
 * the newest one of the same owner that succeeded with the same reuse key, and not before a time.
 * *ret_value: JSON, in the arena. *ret_late: there is none, or the workflow has ended. */
struct step_cached {
    struct step_new step;
    struct bytes from; /* run_…; "": any. */
    int64_t since_ms;
};
MUST_CHECK struct err tx_step_cached(struct tx *tx, const struct step_cached *cached,
                                     bool *ret_late, struct bytes *ret_value);

/* A step whose call was cut off with the daemon, or with its worker, is charged what it held, and
 * asks again. A restart that came first has charged it. */
struct step_again {
    bool late; /* The step has ended. */
    bool over; /* The call is not made again: the step is to be ended, cause cut_off. */
};
MUST_CHECK struct err tx_step_again(struct tx *tx, struct bytes run,
                                    const struct run_bounds *bounds, struct step_again *ret_again);

/* Usage of an agent that is one call of a model so far: all its calls and tries. */
struct step_spent {
    struct usage usage;
    int64_t cost_micros;           /* Sum of the known costs. */
    int64_t calls, calls_unpriced; /* Calls of the model that used something. */
};
/* The call of its model waits before its next try, or is made again: the run's state and an event
 * of its workflow, `agent_retrying` or `agent_resumed`. Nothing, if its attempt has ended. A wait
 * stores `spent` in the row, which tx_step_open gives to the next performer: nobody else knows it
 * after a crash. */
MUST_CHECK struct err tx_step_provider(struct tx *tx, struct bytes run, int64_t attempt,
                                       const struct provider_wait *wait,
                                       const struct step_spent *spent);

/* The error for an agent that has ended and can only be run again; says how. */
MUST_CHECK struct err step_ended_err(const struct run_row *row, struct why *why);
/* Somebody has an agent that has not ended asked anew: what it did is thrown away, and its attempt
 * is the next one. ERR_NOT_FOUND; ERR_CONFLICT: it is no agent of a workflow; ERR_STEP_ENDED: it
 * has, or was skipped. */
MUST_CHECK struct err tx_step_restart(struct tx *tx, const struct run_key *key,
                                      const struct run_bounds *bounds, struct run_row *ret_row,
                                      struct why *why);
/* The turn of a step that has lost its own so. *ret_late: it has ended, or was restarted again. */
MUST_CHECK struct err tx_step_talk(struct tx *tx, const struct step_new *step, int64_t attempt,
                                   bool *ret_late);

/* The job with the key of this one, for the same run (the last word of its label), that has not
 * ended; else this one, begun; without a spec: none. */
struct step_job {
    struct id run; /* "": there is none. */
    bool found;
};
MUST_CHECK struct err tx_step_job(struct tx *tx, const struct run_new *job,
                                  struct step_job *ret_job);

/* Whether budgets stand above what the workflow does, or did when an agent that has not ended was
 * admitted or made to wait: its end settles what it holds. */
MUST_CHECK struct err tx_step_budgeted(struct tx *tx, const struct run_row *workflow,
                                       bool *ret_budgeted);

/* Time parked up to now, in the form of the column parked_ms. */
static inline int64_t steps__parked_ms(int64_t stored_ms, int64_t now_ms) {
    const int64_t parked_ms = stored_ms < 0 ? stored_ms + now_ms : stored_ms;
    return parked_ms > 0 ? parked_ms : 0;
}

/* --- What has happened ------------------------------------------------------------------------ */

enum step_kind {
    STEP_AGENT,
    STEP_SCRIPT, /* An answer of workflow(). */
    STEP_TIMER,  /* Fired or cleared: its outcome is null. */
};
struct step_row {
    enum step_kind kind;
    struct bytes run, key, label;
    int64_t occurrence, done_no;
    enum run_state state;
    enum run_cause cause, stop;
    struct bytes result, note;
    struct bytes script, file; /* Of STEP_SCRIPT. */
    int64_t output_tokens, tokens, attempt;
    bool cached;                          /* The outcome is another run's. */
    int64_t started_ms, steady_ms, epoch; /* As of struct run_row. */
    int64_t resume_at_ms;                 /* End of its wait for the provider; 0: none. */
    int64_t parked_ms;                    /* In the form of the column: steps__parked_ms. */
    struct bytes spec;                    /* By tx_step_open, */
    struct step_spent spent;              /* and this: at its latest wait for the provider. */
};
/* Reads steps that were settled later than `after`, in that order: at most `limit` steps and about
 * `bytes_max` of results. *ret_last: number of the last one; `after` if there was none. *ret_whole:
 * it is the newest of all. */
struct step_page {
    int64_t workflow, after, limit;
    size_t bytes_max;
    bool bare; /* Without what they came to. */
};
MUST_CHECK struct err tx_step_history(struct tx *tx, const struct step_page *page,
                                      struct err (*each)(void *ctx, const struct step_row *row),
                                      void *ctx, int64_t *ret_last, bool *ret_whole);
/* Those that were not. */
MUST_CHECK struct err tx_step_open(struct tx *tx, int64_t workflow,
                                   struct err (*each)(void *ctx, const struct step_row *row),
                                   void *ctx);
/* Keys of agents that succeeded, of answers of workflow() and of timers that fired, for a run that
 * takes them over: in their order, without results and without scripts. */
MUST_CHECK struct err tx_step_successes(struct tx *tx, int64_t workflow,
                                        struct err (*each)(void *ctx, const struct step_row *row),
                                        void *ctx);

/* Number of the last step that was settled when the event `seq` of the workflow's stream was its
 * newest one, for workflow_reuses. ERR_CURSOR_AHEAD, ERR_GONE: the stream has no such event yet, or
 * no longer; `why` says it. The run has ended. */
MUST_CHECK struct err tx_step_settled_at(struct tx *tx, const struct run_row *workflow, int64_t seq,
                                         int64_t *ret_reuse_max, struct why *why);

/* For clients, by position: each as a JSON object. `id` is the cursor of the row. */
struct step_slot {
    struct id run;
    const char *limit; /* As of struct step_facts: static. */
    char name[64];
};
struct step_list {
    int64_t workflow, after, limit;  /* after: 0: from the first. */
    bool whole;                      /* With results. */
    const struct run_bounds *bounds; /* Borrowed; states are as clients see them. */
    const struct step_slot *slots;   /* Borrowed: waits that rows do not have, as of the loop. */
    size_t slot_count;
};
struct step_shown {
    int64_t id;
    struct bytes label, state, json;
};
MUST_CHECK struct err tx_step_each(struct tx *tx, const struct step_list *list,
                                   struct err (*each)(void *ctx, const struct step_shown *step),
                                   void *ctx);

#endif
