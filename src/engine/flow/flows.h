/* flows.h: the transactions of flows: their start, what their steps come to, their end.
 *
 * A flow is a run whose file was described once (rules/flow/flow.h): the description, and a row for
 * each step, are all that is needed to go on. Children of steps are runs right below it: a turn in
 * a session of its own, a job, a workflow, a flow. Its events stand on its own stream, run:ID:
 *
 *   flow_run_started, run_started, flow_run_step_updated*
 *
 * of which the last one has "run_status" and "report".
 *
 * Promise    an answer and all that follows from it (the next steps, questions to people, ends of
 *            children, events) are one commit. The result of a step is stored before anybody
 *            reads it. What the rows ask for is found by tx_flow_look alone, so a daemon that
 *            comes back goes on. The end of a flow is the end of all below it.
 * Late       an answer names the version of the step at which it was asked; *ret_late: somebody was
 *            first, and nothing has changed.
 * Threads    inside a store function. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_FLOW_FLOWS_H
#define DROVER_ENGINE_FLOW_FLOWS_H

#include "engine/run/runs.h"
#include "engine/turn/begin.h"
#include "engine/workflow/workflows.h"
#include "rules/flow/flow.h"
#include "store/store.h"

enum {
    FLOW_TEXT_MAX = 1 << 20,    /* Bytes of a prompt, of a result and of the report. */
    FLOW_INPUT_MAX = 256 << 10, /* Bytes, as JSON. */
    FLOW_NAME_MAX = 200,
    FLOW_DEPTH_MAX = 10,  /* Flows that are steps of flows. */
    FLOW_TREE_MAX = 1000, /* Flows below one run, whether they have ended or not. */
};

/* --- Its start -------------------------------------------------------------------------------- */

struct flow_new {
    struct run_new run;              /* kind FLOW. */
    struct bytes name, file, source; /* source: text of the file. */
    struct bytes description;        /* JSON, as its worker described the file. */
    struct bytes input;              /* JSON. */
    struct bytes model;              /* For agents that name none; "": the default. */
    struct bytes root;
    int64_t step_timeout_ms; /* Time of a step without a sign of life; 0: none. */
    int64_t timeout_ms;      /* Time of the run, since it began; 0: none. */
    const bool *excluded;    /* By place: steps that the file does not want; NULL: none. */
    /* run_…, ended: steps that completed there are reused; "": none. */
    struct bytes resume;
    /* Arrays of ids: steps that run again, alone or with all after them. NULL: none. */
    const json_t *rerun, *rerun_from;
};
/* ERR_BAD_FLOW: the description cannot be run. ERR_NOT_FOUND, ERR_CONFLICT, ERR_RUN_ALIVE: `resume`
 * is no flow that has ended; ERR_BAD_FIELD: a step that is named cannot run again. And as
 * tx_run_submit. */
MUST_CHECK struct err tx_flow_submit(struct tx *tx, const struct flow_new *what,
                                     struct run_row *ret_row, struct why *why);
/* A run that begins from `run` has this from it, where its start says nothing else. */
enum flow_source_text {
    FLOW_SOURCE_RUN,
    FLOW_SOURCE_NAME,
    FLOW_SOURCE_FILE,
    FLOW_SOURCE_SCRIPT, /* As it was prepared. */
    FLOW_SOURCE_INPUT,
    FLOW_SOURCE_MODEL,
    FLOW_SOURCE_ROOT,
    FLOW_SOURCE_PATH,
    FLOW_SOURCE_PROJECT,
    FLOW_SOURCE_BUDGET, /* JSON of its limits; "": it had none of its own. */
    FLOW_SOURCE_TEXTS
};
struct flow_source {
    struct bytes texts[FLOW_SOURCE_TEXTS];
    int64_t timeout_ms;
};
/* The same errors of `resume`. */
MUST_CHECK struct err tx_flow_source(struct tx *tx, const struct run_key *key,
                                     struct flow_source *ret_source, struct why *why);
/* The newest ended run of a flow, by its name or its file, below this root; NULL: any. Runs that
 * are steps of others do not count. */
struct flow_wanted {
    struct bytes owner;
    const char *name, *file, *root;
};
enum { FLOW_LAST_MAX = 1000 }; /* Number of flows that are looked at. */
MUST_CHECK struct err tx_flow_last(struct tx *tx, const struct flow_wanted *wanted,
                                   struct bytes *ret_run); /* "": none. */
/* The same of a run that ended badly, and is tried again. */
MUST_CHECK struct err tx_flow_again(struct tx *tx, const struct run_row *again,
                                    const struct flow_new *what, struct run_row *ret_row,
                                    struct why *why);
/* The run runs: the first round, or, after a restart, whatever is left to do. */
MUST_CHECK struct err tx_flow_adopt(struct tx *tx, struct bytes run,
                                    const struct run_bounds *bounds, bool *ret_late);

/* --- What is to be done ----------------------------------------------------------------------- */

enum flow_stage { FLOW_IN_STEPS, FLOW_IN_REPORT, FLOW_IS_OVER };
struct flow_look {
    struct run_row run;
    enum flow_stage stage;
    struct bytes rejected;
    int64_t due_ms;    /* When tx_flow_tick is to be called; 0: never. */
    int64_t head;      /* Number of the last event of its stream. */
    bool orphans;      /* The same, at once: children run that no step waits for. */
    enum flow_how how; /* IN_REPORT: whether it succeeds, or fails, or has expired. */
};
/* Texts of a flow, which never change. */
struct flow_texts {
    struct bytes name, file, source, description, input, model, root;
    struct bytes path; /* PATH of the client that started it; "": that of the daemon. */
};
struct flow_item {
    size_t place;
    struct bytes id;
    enum flow_status status;
    enum flow_phase phase;
    int64_t version, tries;
    int64_t calls; /* Agents of code that have begun, and not ended. */
    bool has_child;
    /* Texts, which change only with the version; log: OUTPUT: "RUN.ATTEMPT" of the command. */
    struct bytes prompt, result, log;
};
/* *ret_found false: there is no such flow that runs. Texts live in the transaction's arena. */
MUST_CHECK struct err tx_flow_look(struct tx *tx, struct bytes run, bool *ret_found,
                                   struct flow_look *ret_look);
MUST_CHECK struct err tx_flow_texts(struct tx *tx, const struct flow_look *look,
                                    struct flow_texts *ret_texts);
/* By place, the version of which the caller has the texts of a step: these are then empty. As long
 * as `head` is the last event, only the steps from `first` to `last` can be others. */
struct flow_known {
    const int64_t *versions;
    size_t count; /* 0: it has none. */
    int64_t head; /* 0: all steps are read. */
    size_t first, last;
};
/* `each` is called for these steps in their order. Texts live until it returns. */
MUST_CHECK struct err tx_flow_steps(struct tx *tx, const struct flow_look *look,
                                    struct flow_known known,
                                    void (*each)(void *ctx, const struct flow_item *item),
                                    void *ctx);

/* A step, as who performs it names it. */
struct flow_place {
    struct bytes run;
    size_t at;
    int64_t version;
    /* Borrowed: the flow as flow_read read it, so that the transaction needs not read it again, and
     * its steps as of flow->head; NULL: it does. */
    const struct flow *flow;
    struct flow *after; /* Borrowed, or NULL: gets steps and head of `flow` if they change. */
};
/* The answer of a function of the file; or of a child that could not begin (FAILED). */
struct flow_told {
    struct flow_place place;
    struct flow_answer answer;
    struct bytes text; /* VALUE: prompt or result. THREW, FAILED: why. */
    struct run_bounds bounds;
};
MUST_CHECK struct err tx_flow_answer(struct tx *tx, const struct flow_told *told, bool *ret_late);

/* The child of a step begins; exactly one of the last members is given. */
struct flow_child {
    struct flow_place place;
    const struct talk_new *talk; /* Complete but for the parent of its turn. */
    const struct run_new *job;
    const struct workflow_new *workflow;
    const struct flow_new *flow;
    /* Where approvers have said yes to the step: array of {"path", "sha256"}, the files that it
     * begins with. If those of the question were others, they are asked again, and it is late. */
    struct bytes files;
};
MUST_CHECK struct err tx_flow_child(struct tx *tx, const struct flow_child *child, bool *ret_late,
                                    struct why *why);

/* An agent that a code step asks for: the number-th of this evaluation. One that was asked before
 * with the same words is the same agent. */
struct flow_call {
    struct flow_place place;
    int64_t number; /* 1, 2, … */
    struct bytes agent, task;
};
struct flow_called {
    bool begun, ended, failed;
    struct bytes text; /* Ended: what it said, or why it failed. */
};
MUST_CHECK struct err tx_flow_call(struct tx *tx, const struct flow_call *call, bool *ret_late,
                                   struct flow_called *ret_called);
MUST_CHECK struct err tx_flow_call_begin(struct tx *tx, const struct flow_call *call,
                                         const struct talk_new *talk, bool *ret_late,
                                         struct why *why);

/* Jobs that run below steps whose time has passed, "RUN.ATTEMPT", with the place of the step: their
 * latest output may be a sign of life. */
MUST_CHECK struct err tx_flow_jobs(struct tx *tx, struct bytes run,
                                   void (*each)(void *ctx, size_t at, struct bytes log), void *ctx);
struct flow_sign {
    size_t at;
    int64_t at_ms; /* By the wall clock. */
};
/* A time has come: steps expire below which nothing has moved for their time. */
struct flow_due {
    struct bytes run;
    const struct flow_sign *signs; /* Output of the jobs of tx_flow_jobs; NULL: none. */
    size_t count;
    struct run_bounds bounds;
};
MUST_CHECK struct err tx_flow_tick(struct tx *tx, const struct flow_due *due);
/* The report is there, or could not be made (`note` says why); or the run was asked to stop; or, in
 * any stage, a step of it could not be stored, for which it fails with `note`. */
struct flow_over {
    struct bytes run, report, note;
    bool not_stored;
    /* Name of the file that holds the report; "": none. Why it does not; "": it does. */
    struct bytes artifact, artifact_fault;
    struct run_bounds bounds;
};
MUST_CHECK struct err tx_flow_end(struct tx *tx, const struct flow_over *over, bool *ret_late);

/* The steps that tx_flow_submit would begin with, and its refusals: a member "steps":[…], with
 * "wave", the number of steps that each comes after at least, and "cached" as of a run. */
MUST_CHECK struct err tx_flow_plan(struct tx *tx, const struct flow_new *what, struct text *text,
                                   struct why *why);
/* For clients: {"stage","input","report","failed_step","steps":[…]} members without braces. Texts
 * of steps may be cut, but for those of the step `whole`. */
MUST_CHECK struct err tx_flow_write(struct tx *tx, const struct run_row *run, struct bytes whole,
                                    struct text *text);

#endif
