/* flow.h: the steps of a flow: those that start, those that never can, and the end of all. Pure.
 *
 *   pending ──> running ──> completed, failed, timed_out
 *      │ ^         └──────> cancelled <── pending: the run is over
 *      │ └─── a rejected approval goes back to an earlier step: from every state
 *      ├────> excluded: `when` at the start, or a switch chose another branch
 *      ├────> skipped: `when` later, or its trigger rule can no longer be met
 *      └────> completed: before the first round, with the result of an earlier run (flow_reuse)
 *
 * Within its state a step is in one *phase*, which says whose answer it waits for: that of the
 * worker that evaluates the functions of the file, of its child, or of a person. An answer moves it
 * by one table (steps.c); then flow_round lets all begin that may.
 *
 *   pending   new ──> when ──> ready
 *   running   cases
 *             run ──> child ──> output, of a command ──> until ──> (run again: a loop)
 *                      │ └──> ending ──> pause ──> child (a retry, with the prompt that is stored)
 *             files, of an approval with approvers ──> person
 *
 * Promise    the same rows and answers give the same steps, in whatever order answers come. A step
 *            that has ended ends once. Each try, loop and rewind has a limit.
 * Ownership  struct flow owns its arrays (flow_free); texts are borrowed from the JSON it was read
 *            from.
 * Threads    any.
 */
#ifndef DROVER_RULES_FLOW_FLOW_H
#define DROVER_RULES_FLOW_FLOW_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"

enum {
    FLOW_STEPS_MAX = 500,
    FLOW_SLOTS = 1024, /* Size of the table of ids: a power of two, twice the steps. */
    FLOW_BATCHES_MAX = 50,
    FLOW_DEPS_MAX = 100, /* For one step. */
    FLOW_CASES_MAX = 50, /* For one switch. */
    FLOW_ID_MAX = 100,
    FLOW_RETRIES_MAX = 10,
    FLOW_LOOP_MAX = 100,
    FLOW_REWINDS_MAX = 20,    /* In one run. */
    FLOW_FORM_MAX = 48 << 10, /* Bytes of JSON: schema and approvers of an approval. */
    FLOW_AT_ONCE_DEFAULT = 16,
    FLOW_DISPATCHES_MAX = 100,  /* Agents of one code step. */
    FLOW_PAUSE_FIRST_MS = 1000, /* Before a retry, doubled with each, */
    FLOW_PAUSE_MAX_MS = 60000,  /* up to this. */
};
#define FLOW_STEP_TIMEOUT_MS (INT64_C(300) * 1000)
#define FLOW_NONE SIZE_MAX

#define FLOW_KINDS(X)                                                                              \
    X(AGENT, "agent")                                                                              \
    X(CODE, "code")                                                                                \
    X(APPROVAL, "approval")                                                                        \
    X(SWITCH, "switch")                                                                            \
    X(COMMAND, "command")                                                                          \
    X(WORKFLOW, "workflow")                                                                        \
    X(FLOW, "flow")
enum flow_kind {
#define X(kind, name) FLOW_KIND_##kind,
    FLOW_KINDS(X)
#undef X
        FLOW_KIND_COUNT
};

#define FLOW_STATUSES(X)                                                                           \
    X(PENDING, "pending")                                                                          \
    X(RUNNING, "running")                                                                          \
    X(COMPLETED, "completed")                                                                      \
    X(FAILED, "failed")                                                                            \
    X(SKIPPED, "skipped")                                                                          \
    X(CANCELLED, "cancelled")                                                                      \
    X(TIMED_OUT, "timed_out")                                                                      \
    X(EXCLUDED, "excluded")
enum flow_status {
#define X(status, name) FLOW_##status,
    FLOW_STATUSES(X)
#undef X
        FLOW_STATUS_COUNT
};

#define FLOW_PHASES(X)                                                                             \
    X(NEW, "new")       /* For what it depends on. */                                              \
    X(WHEN, "when")     /* For the worker: whether it is wanted. */                                \
    X(READY, "ready")   /* For a place. */                                                         \
    X(CASES, "cases")   /* For the worker: which branch. */                                        \
    X(RUN, "run")       /* For the worker: its prompt, or its result. */                           \
    X(CHILD, "child")   /* For its agent, command, workflow or flow. */                            \
    X(OUTPUT, "output") /* For the daemon: what its command wrote. */                              \
    X(FILES, "files")   /* For the daemon: the files that a yes of approvers is about. */          \
    X(PERSON, "person") /* For a person. */                                                        \
    X(UNTIL, "until")   /* For the worker: whether the loop is over. */                            \
    X(ENDING, "ending") /* For the end of a child that timed out, */                               \
    X(PAUSE, "pause")   /* then for a time, before the next try. */                                \
    X(OVER, "over")
enum flow_phase {
#define X(phase, name) FLOW_AT_##phase,
    FLOW_PHASES(X)
#undef X
        FLOW_PHASE_COUNT
};

#define FLOW_TRIGGERS(X)                                                                           \
    X(ALL_SUCCESS, "all_success")                                                                  \
    X(ONE_SUCCESS, "one_success")                                                                  \
    X(ALL_DONE, "all_done")                                                                        \
    X(NONE_FAILED, "none_failed_min_one_success")
enum flow_trigger {
#define X(trigger, name) FLOW_##trigger,
    FLOW_TRIGGERS(X)
#undef X
        FLOW_TRIGGER_COUNT
};

/* Why a step has the state that it has. */
#define FLOW_CAUSES(X)                                                                             \
    X(NONE, "")                                                                                    \
    X(WHEN, "when")                 /* Excluded or skipped: the file did not want it. */           \
    X(NOT_CHOSEN, "not_chosen")     /* Excluded: a switch chose another branch. */                 \
    X(UPSTREAM, "upstream_skipped") /* Skipped: its trigger rule can no longer be met. */          \
    X(THREW, "threw")               /* A function threw, or too many files are named. */           \
    X(CHILD, "child_failed")                                                                       \
    X(TIMED_OUT, "timed_out")                                                                      \
    X(BATCH, "batch_timed_out")                                                                    \
    X(LOOP, "loop_max")                                                                            \
    X(REJECTED, "rejected")                                                                        \
    X(UNANSWERED, "unanswered")                                                                    \
    X(REWINDS, "rewinds_max")                                                                      \
    X(RUN_OVER, "run_over") /* Cancelled: the run has ended, or was stopped. */
enum flow_cause {
#define X(cause, name) FLOW_BECAUSE_##cause,
    FLOW_CAUSES(X)
#undef X
        FLOW_CAUSE_COUNT
};

/* By value; NULL ends each. */
extern const char *const flow_kind_names[],
    *const flow_status_names[], *const flow_phase_names[], *const flow_trigger_names[],
                                                               *const flow_cause_names[];

/* --- A flow, as its file says it and as it stands now ----------------------------------------- */

/* A step waits for other steps, or for whole batches. */
enum flow_dep_kind { FLOW_DEP_STEP, FLOW_DEP_BATCH };
struct flow_dep {
    enum flow_dep_kind kind;
    size_t at; /* Index of the step, or number of the batch. */
};

/* Functions and answers of a step. */
enum {
    FLOW_HAS_WHEN = 1 << 0,
    FLOW_HAS_RUN = 1 << 1,
    FLOW_HAS_UNTIL = 1 << 2,
    FLOW_HAS_DEFAULT = 1 << 3, /* A switch: a branch for no case. */
    FLOW_HAS_REFUSAL = 1 << 4, /* An approval: no answer in time is a rejection. */
};

struct flow_step {
    struct bytes id;
    const json_t *json; /* Borrowed: as the file has it. */
    enum flow_kind kind;
    enum flow_trigger trigger;
    unsigned has;
    struct flow_dep *deps; /* Owned by the flow. */
    size_t dep_count;
    size_t batch;            /* FLOW_NONE: none. */
    size_t switched, branch; /* The switch in whose branch it is; FLOW_NONE: none. */
    size_t case_count;       /* SWITCH. The branch of this number is the default's. */
    size_t rewind_to;        /* APPROVAL; FLOW_NONE: a rejection is a failure. */
    int64_t retries_max, loop_max;
    int64_t timeout_ms; /* APPROVAL: until an answer; 0: for ever. Others: 0: the flow's. */

    /* From here on: its row. */
    enum flow_status status;
    enum flow_phase phase;
    enum flow_cause cause;
    size_t chosen;         /* SWITCH, completed: number of the branch; FLOW_NONE: no branch. */
    int64_t tries, rounds; /* Children begun again, and rounds of its loop that ended. */
    int64_t dispatched;    /* CODE: agents of its own that have not ended. */
    int64_t began_ms;      /* 0: it has not. */
    int64_t changed_ms;    /* Latest change, or a sign of life of its child. */
    int64_t due_ms;        /* PAUSE: when it goes on. */
    int64_t version;       /* Counts its changes: answers and rows of an older one are late. */
    bool asks;             /* The child waits for a person, and needs no place meanwhile. */
    int64_t change;        /* Number of its latest change since it was loaded; 0: none. */
    bool went_back;        /* Since it was loaded: what it said before is forgotten. */
};

enum flow_failing { FLOW_FAILS_FAST, FLOW_FAILS_LATE };
struct flow {
    struct flow_step *steps; /* Owned. */
    size_t count;
    uint16_t slots[FLOW_SLOTS]; /* By the hash of an id: index of the step + 1; 0: free. */
    struct bytes *batches;      /* Owned: their names. */
    size_t batch_count;
    int64_t batch_at_once;    /* Steps of one batch; 0: all. */
    int64_t batch_timeout_ms; /* 0: none. */
    enum flow_trigger batch_join;
    enum flow_failing failing;
    /* Set by the caller: */
    int64_t at_once, step_timeout_ms;
    int64_t deadline_ms; /* End of the run's time; 0: none. */
    int64_t rewinds;     /* Up to now. */
    int64_t now_ms;
    int64_t changes; /* Number of changes of steps since it was loaded. */
    int64_t head;    /* Last event of its stream when its steps were read; 0: they were not. */
};

/* The description that a worker made of a file: every function is {"function": true, "digest"}, the
 * digest that of its text. Refuses what cannot be run, and says where: a step of unknown kind, an
 * id that stands twice, a step that waits for one that there is not, a circle, two cases of one
 * label, a step in two branches. ERR_BAD_FLOW. */
MUST_CHECK struct err flow_read(const json_t *json, struct flow *ret_flow, struct why *why);
/* Members of the file's object: refuses those that a flow has not, and values of another form. The
 * rest is flow_read's, which also reads what an earlier drover has accepted. */
MUST_CHECK struct err flow_check_members(const json_t *json, struct why *why);
void flow_free(struct flow *flow); /* Frees the members. Zeros are allowed. */
size_t flow_find(const struct flow *flow, struct bytes id); /* FLOW_NONE: there is none. */
/* Label of a branch of a switch; "": of the default, or of none. */
struct bytes flow_branch_label(const struct flow_step *step, size_t branch);

static inline bool flow_status_is_open(enum flow_status status) {
    return status == FLOW_PENDING || status == FLOW_RUNNING;
}
/* The rows of such a step (its child, its calls, its time) change without an event, too. */
static inline bool flow_step_is_active(const struct flow_step *step) {
    return flow_status_is_open(step->status) && step->phase != FLOW_AT_NEW;
}

/* --- What may start --------------------------------------------------------------------------- */

enum flow_met { FLOW_WAITS, FLOW_MET, FLOW_NEVER, FLOW_NOT_WANTED };
/* By its trigger rule, and by the switch in whose branch it is. */
enum flow_met flow_trigger_met(const struct flow *flow, size_t step);
/* Whether a failure of this step lets the run go on: it is no switch, and each direct dependent has
 * a rule for it. */
bool flow_failure_tolerated(const struct flow *flow, size_t step);

enum flow_how { FLOW_GOES_ON, FLOW_SUCCEEDS, FLOW_FAILS, FLOW_EXPIRES /* At the deadline. */ };
struct flow_end {
    enum flow_how how;
    size_t step; /* FAILS: the one that failed; FLOW_NONE: what is left can never begin. */
};
/* Why a step that is ready has not begun. */
enum flow_lack { FLOW_LACKS_NOTHING, FLOW_LACKS_BATCH, FLOW_LACKS_PLACE };
enum flow_lack flow_lack(const struct flow *flow, size_t step);
/* A round: what can never start is skipped, then all start that may: first those whose `when` is
 * to be asked, then switches, then code, then all others, each class only when the worker has
 * answered for those before it. A run that ends has no open step left. */
struct flow_end flow_round(struct flow *flow);

/* --- Answers ---------------------------------------------------------------------------------- */

enum flow_said {
    FLOW_SAID_YES,    /* `when`, `until`; a person. */
    FLOW_SAID_NO,     /* The same. */
    FLOW_SAID_THREW,  /* A function of the file. */
    FLOW_SAID_VALUE,  /* `run`: prompt or result; `cases`: `chosen`; a child: it succeeded. */
    FLOW_SAID_FAILED, /* A child. */
    FLOW_SAID_GONE,   /* A child: there is none, or none any more. */
    FLOW_SAID_COUNT
};
struct flow_answer {
    int64_t version; /* At which it was asked. An answer to another one is late. */
    enum flow_phase phase;
    enum flow_said said;
    size_t chosen; /* CASES. */
};
/* False: nobody waits for this answer. */
bool flow_answered(struct flow *flow, size_t step, const struct flow_answer *answer);
/* `when` of the whole flow, before its first round: false excludes. */
void flow_exclude(struct flow *flow, size_t step);
/* Whether something passes by time alone: timeouts of steps and batches, ends of pauses. */
void flow_tick(struct flow *flow);
/* Whether a step whose child, or code, runs times out now, unless `changed_ms` is set to a later
 * sign of life. */
bool flow_is_silent(const struct flow *flow, size_t step);
/* When flow_tick is to be called next; 0: never. */
int64_t flow_due_ms(const struct flow *flow);
void flow_cancel(struct flow *flow);
/* The step, and all that comes after it, start again: a rejected approval. Approvers before them
 * are asked again where one of those had begun. */
void flow_rewind(struct flow *flow, size_t step);
/* The child of the step must not begin under the yes that it has: the approvers whose it is are
 * asked again, and it waits for them with all steps between. False: it has none, and stays. */
bool flow_ask_again(struct flow *flow, size_t step);

/* --- Before and after (marks.c) --------------------------------------------------------------- */

/* Whether `later` comes after `step`: by what it depends on, a batch, or a switch. */
bool flow_comes_after(const struct flow *flow, size_t step, size_t later);
/* Marks all steps that come after marked ones. */
void flow_mark_after(const struct flow *flow, bool io_marked[FLOW_STEPS_MAX]);
bool flow_names_approvers(const struct flow_step *step);
bool flow_has_begun(const struct flow_step *step); /* Whether it has ended, or not. */
/* Whether the step comes after `by`, an approval with approvers, and between them are only steps
 * that do nothing outside: code, switches and approvals. */
bool flow_is_for_approvers(const struct flow *flow, size_t step, size_t by);
/* Marks the approvals whose yes the step begins under, and the steps between. False: none is. */
bool flow_mark_approvals(const struct flow *flow, size_t step, bool ret_marked[FLOW_STEPS_MAX]);
/* By place. begun: it has begun before. alone: it runs again, and those after it do not. again: it
 * does, with all after it. */
struct flow_marks {
    bool begun[FLOW_STEPS_MAX], alone[FLOW_STEPS_MAX], again[FLOW_STEPS_MAX];
};
/* Marks in `again` the approvals whose yes was used by a step that runs again, and all steps that
 * come after marked ones. */
void flow_mark_used(const struct flow *flow, struct flow_marks *marks);

/* --- A run that begins from another one ------------------------------------------------------- */

/* How a step is wanted again, although it has a result. */
enum flow_again {
    FLOW_NOT_AGAIN,
    FLOW_ALONE_AGAIN, /* Steps after it keep their results, up to the next approval. */
    FLOW_AGAIN,       /* With all steps after it. */
};
struct flow_rerun {
    const struct flow *before; /* An ended run of the same file, or of an earlier version of it. */
    /* The file, or the model of its agents, was another one; or a run has begun from it before. */
    bool edited;
    enum flow_again again[FLOW_STEPS_MAX]; /* By place in the new run. */
};
/* Steps of a new run, before its first round, that have the result of a step of `before`. Such a
 * step has completed there, is described as it was, and so is all that it waits for. The answer of
 * approvers whom the file names holds only if nothing is edited, and if nothing runs again after it
 * that had begun. Functions of a step that was excluded or skipped are asked again.
 * ret_from: by place, the place in `before`; FLOW_NONE: the step runs. */
void flow_reuse(const struct flow *flow, const struct flow_rerun *rerun,
                size_t ret_from[FLOW_STEPS_MAX]);
/* The step has completed, as that one has. */
void flow_take_over(struct flow *flow, size_t step, const struct flow_step *from);

#endif
