/* rules/workflow/workflow.h: how agents of a workflow end for its script, and how the workflow
 * ends. Pure.
 *
 * A step of a workflow is a call of agent(). Its outcome is one of three things for the script,
 * and which one follows from the state and the cause of its row alone, so a replay tells the script
 * the same as the first time.
 */
#ifndef DROVER_RULES_WORKFLOW_WORKFLOW_H
#define DROVER_RULES_WORKFLOW_WORKFLOW_H

#include "base/base.h"
#include "base/text.h"
#include "rules/run/run.h"

enum {
    WORKFLOW_AGENTS_MAX = 1000, /* Calls of agent() in one run. */
    WORKFLOW_NESTED_MAX = 4096, /* And of workflow(). */
    WORKFLOW_ITEMS_MAX = 4096,  /* Items of one parallel() or pipeline(). */
    WORKFLOW_LINES_MAX = 10000, /* Phases and log lines of one run, */
    WORKFLOW_LINE_MAX = 4096,   /* and bytes of one. */
    WORKFLOW_UNANSWERED_MAX = 8192,
    WORKFLOW_AT_ONCE_DEFAULT = 16, /* Agents of one run. */
    WORKFLOW_CRASHES_MAX = 3,      /* Crashes of its worker, after which it is rebuilt. */
    WORKFLOW_TRIES_MAX = 5,        /* Answers to a schema. */
    WORKFLOW_RESTARTS_MAX = 2,     /* Restarts of an agent that says nothing. */
};
#define WORKFLOW_AGENT_MS (INT64_C(30) * 60 * 1000)

/* The run has begun, and has not ended: it runs, or is paused. */
bool workflow_lives(const struct run_row *row);

/* Identity of a call of agent() within a run, and across runs of a script that asks the same. */
struct step_key {
    struct bytes hash;  /* Hash of what was asked, in hexadecimal; "": unknown. */
    int64_t occurrence; /* Number of times that it was asked, with this one. */
};
enum { STEP_KEY_HEAD = 16 }; /* Digits that clients are shown. */
/* Adds the member "key": the head of the hash, a dot, the occurrence; null: unknown. */
void step_key_add(struct text *text, const struct step_key *key);

/* The state of a step that ends with this cause. */
enum run_state workflow_step_state(enum run_cause cause);

/* Outcomes of a promise of agent(). */
enum step_outcome {
    STEP_VALUE,
    STEP_NULL,  /* Skipped, or failed for good; the cause is in the row. */
    STEP_THROW, /* The schema was missed, the type is unknown, or a budget is used up. */
};
enum step_outcome workflow_step_outcome(enum run_state state, enum run_cause cause);
/* The words of what it throws, or of why it is null; they live as long as `note` does. */
struct bytes workflow_step_words(enum run_cause cause, struct bytes note);

/* A step of a run that is resumed. `named`: its run is to be asked again (`rerun`). */
struct workflow_reusable {
    enum run_state state;
    enum run_cause cause;
    int64_t done_no; /* 0: the step has not ended. */
    bool named;
};
enum { WORKFLOW_REUSE_ANY = -1 };
/* Whether the run that resumes it takes over the step's outcome: a success that was not cut off,
 * that is not named, and that was among the first `reuse_max` that were settled; or
 * WORKFLOW_REUSE_ANY. Other steps are asked again. */
bool workflow_reuses(const struct workflow_reusable *step, int64_t reuse_max);

/* By how they ended. */
struct workflow_census {
    int64_t succeeded, cached, failed, skipped;
    /* Successes whose answer was cut off at its longest length. */
    int64_t truncated;
    /* Items of parallel() and pipeline() that an error of the script made null, and calls of these
     * in which every item ended by a throw. */
    int64_t items_failed, calls_failed;
    int64_t output_tokens, tokens;
    int64_t cost_micros, cost_unknown; /* Sum of the known costs; number of the other calls. */
};
/* Counts a step that ended so. `cached`: its result is another run's. */
struct workflow_ended {
    enum run_state state;
    enum run_cause cause;
    bool cached;
};
void workflow_count(struct workflow_census *census, const struct workflow_ended *ended);

struct workflow_verdict {
    enum run_state state;
    enum run_cause cause;
};
/* `cause`: of the script's end; CAUSE_COMPLETED: it returned. A stop of the row comes first. */
struct workflow_verdict workflow_judge(const struct run_row *row, enum run_cause cause,
                                       const struct workflow_census *census);

/* Agents that may work at once: `wanted` by the run; 0: WORKFLOW_AT_ONCE_DEFAULT. Calls of models
 * wait for the network, so processors do not count. */
int64_t workflow_at_once(int64_t wanted);
/* Commands of agents that may run at once, of all runs together: these do compute. */
int64_t workflow_commands_at_once(int64_t processors);

#endif
