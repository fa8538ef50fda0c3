/* start.h: a request for a flow, made ready to become a run.
 *
 *   asked ──its file is found and read──> a worker describes it ──> `when` of its steps ──> done
 *     └──the run that it begins from is read──^   (before the file, for its root; the last run of a
 *                                                  file after it, for its name)
 *
 * Promise    `done` once, never inside the call, and nothing has begun then: the caller submits
 *            `what` in a transaction of its own. A file that cannot be run is an error with its
 *            place. `when` that looks at results is left to the run.
 * Ownership  the caller's, from flow_start_init to flow_start_free; it stays where it is until
 *            `done`. What `spec` points to is the caller's and lives as long.
 * Threads    the loop; files are read in the pool.
 */
#ifndef DROVER_DISPATCH_FLOW_START_H
#define DROVER_DISPATCH_FLOW_START_H

#include "base/link.h"
#include "dispatch/base/pool.h"
#include "dispatch/flow/evaluator.h"
#include "dispatch/flow/flows.h"
#include "script/catalog.h"

struct flow_spec {
    const char *name, *path, *script;           /* Exactly one; script: a text. */
    const char *title;                          /* Names a text; NULL: "flow.js". */
    const char *root, *model, *project, *label; /* NULL: none. */
    const char *programs; /* PATH of its programs; NULL: that of the daemon. */
    const json_t *input;  /* Any value; NULL: {}. A text is the question. */
    const json_t *notify; /* Receivers of its end, as job_spec_notify accepted them; NULL: none. */
    int64_t timeout_ms;   /* For the run; 0: none. */
    /* Limits of a budget of its own, which job_spec_budget accepts; a null: none. NULL: not said,
     * as that of the run that it begins from. */
    const json_t *budget;
    /* run_… that has ended, or "last": its steps are reused, and all that is not given is as there.
     * Without a file of its own its source is, too. NULL: none. */
    const char *resume;
    const json_t *rerun, *rerun_from; /* As of struct flow_new. */
};
/* The run that it begins from, by `resume`. */
struct flow_old {
    bool known;
    struct text texts[FLOW_SOURCE_TEXTS]; /* Owned. */
    int64_t timeout_ms;
};
struct flow_start {
    /* Set by the caller: */
    struct flows *flows;
    const char *owner;
    struct flow_spec spec;
    void (*done)(struct flow_start *start, struct err err);

    /* At `done`: */
    struct why why;
    struct flow_new what;
    json_t *description; /* Owned. */

    /* Private. */
    struct link link; /* Among those of `flows`: a stop of the daemon ends them. */
    struct loop_task task;
    struct pool_job job;
    struct err err;
    bool file_known;
    struct flow_old old;
    json_t *old_budget;    /* Owned. */
    struct amounts limits; /* `what` points to them. */
    struct catalog_script script;
    struct evaluator *evaluator;
    size_t open; /* Evaluations under way. */
    bool *excluded;
    struct text described, input, row_spec; /* Owned. */
};

void flow_start_init(struct flow_start *start, struct flows *flows);
void flow_start_begin(struct flow_start *start);
void flow_start__stop(struct flow_start *start); /* The daemon stops. */
void flow_start_free(struct flow_start *start);  /* The members. Zeros are allowed. */

#endif
