/* start.h: what is asked of a workflow, made ready to become a run.
 *
 *   asked ──resumes──> the old run is read ──> its script is found, read, saved and judged ──> done
 *         └──────────────────────────────────^
 *
 * Promise    `done` once, never inside the call, and behind it nothing has begun: whoever asked
 *            submits `what` in a transaction of its own, with all that must be one commit with it.
 *            A script that is none is no error: `invalid`, and `why` says where. The script is read
 *            whole here, so that no edit of its file comes between.
 * Ownership  the caller's, from flow_start_init to flow_start_free; it stays where it is until
 *            `done`. What `spec` points to is the caller's and lives as long.
 * Threads    the loop; files are read in the pool.
 */
#ifndef DROVER_DISPATCH_WORKFLOW_START_H
#define DROVER_DISPATCH_WORKFLOW_START_H

#include "base/base.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/json/json.h"
#include "base/text.h"
#include "dispatch/base/pool.h"
#include "dispatch/workflow/flows.h"
#include "engine/workflow/spec.h"
#include "engine/workflow/workflows.h"
#include "script/catalog.h"

struct flow_start {
    /* From whoever asks: */
    struct flows *flows;
    const char *owner;
    struct workflow_spec spec;
    bool plans; /* Nothing is kept of it: it is only looked at (plan.c). */
    void (*done)(struct flow_start *start, struct err err);

    /* At `done`: */
    struct why why;
    bool invalid;
    struct workflow_new what; /* But for what only the caller knows: bounds, a budget's place. */
    json_t *old;              /* Owned: the spec of the run that is resumed; NULL: none. */

    /* Private. */
    void (*rehearsed_with)(struct flow_start *start);
    struct loop_task task;
    struct pool_job job;
    struct err err;   /* Of the pool. */
    char *old_script; /* Owned. */
    struct catalog_script script;
    struct sha256_hex hash;
    struct text kept, started; /* Owned: of the row, and of the first event. */
    struct why misfit;         /* Args that do not fit, where it is only looked at; */
    struct why unfit;          /* and why what is resumed cannot be. */
    char *saved;               /* Owned: where a script that came as text was put. */
    struct text rehearsed;     /* Owned: how a plan's rehearsal went; empty: there was none. */
};
/* allowed_paths.c: whether a workflow that a model started may name that file; *path is then as it
 * is to be opened. */
MUST_CHECK bool flow_path_is_own(const struct flows *flows, const char *root, const char **path);
/* allowed_scripts.c: whether no rule of a session's settings denies a workflow, as it is called, */
MUST_CHECK bool flow_may_run(const json_t *settings, const char *name);
/* and by the name and path of what was found there. */
MUST_CHECK bool flow_may_run_found(const struct flows *flows, const json_t *settings,
                                   const char *root, const struct catalog_entry *entry);

/* save.c: that it is in no file of its user, and where it is put then: in the pool. At most
 * about so many lie there; behind that one has no path. */
enum { FLOW_SAVED_MAX = 4096 };
MUST_CHECK bool flow_start__has_no_file(const struct flow_start *start);
void flow_start__save(struct flow_start *start);

void flow_start_init(struct flow_start *start, struct flows *flows);
void flow_start_begin(struct flow_start *start);
/* {"status":"async_launched","taskId","runId","taskType","workflowName","summary","scriptPath"}, or
 * {"status","scriptPath","error"} where the script is none. */
void flow_start_write(const struct flow_start *start, struct text *text);
/* The same of one that was submitted, with "state", "budget" and "budget_default". */
void flow_start_tell(const struct flow_start *start, const struct run_row *row, struct text *text);
/* Limits of a budget of its own, or the daemon's for those that have none; NULL: none. */
const struct amounts *flow_start_budget(const struct flow_start *start);
/* "budget":{…}|null,"budget_default":bool */
void flow_start_add_budget(const struct flow_start *start, struct text *text);
/* ,"total","timeout_ms","agent_timeout_ms","concurrency": as they were asked for; null: not. */
void flow_start_add_limits(const struct flow_start *start, struct text *text);
/* plan.c: members of a plan that may be long: in the pool, into `started`. */
MUST_CHECK struct err flow_start__plan(struct flow_start *start);
/* Plays it with stand-ins (rehearsal.h), on the loop; then `done`, never inside the call. */
void flow_start__rehearse(struct flow_start *start, void (*done)(struct flow_start *start));
/* What the run would do, as far as anybody knows: JSON. At `done`, on the loop. */
void flow_start_write_plan(const struct flow_start *start, struct text *text);
/* The run was refused, and the answer names no file: that of a text is removed with the next sweep
 * of scripts (script_retention.c), unless a run has it or somebody touches it. */
MUST_CHECK struct err flow_start_refused(struct tx *tx, const struct flow_start *start);
void flow_start_free(struct flow_start *start); /* What it owns, not itself. */

#endif
