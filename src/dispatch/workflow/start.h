/* start.h: a request for a workflow, made ready to become a run.
 *
 *   asked ──resumes──> the old run is read ──> its script is found, read, saved and judged ──> done
 *         └──────────────────────────────────^
 *
 * Promise    `done` once, never inside the call, and at that time nothing has begun: the caller
 *            submits `what` in a transaction of its own, with all that must be one commit with it.
 *            A broken script is no error: `invalid`, and `why` says where. The script is read
 *            whole here, so that no edit of its file comes between.
 * Ownership  the caller's, from workflow_start_init to workflow_start_free; it stays where it is
 *            until `done`. What `spec` points to is the caller's and lives as long.
 * Threads    the loop; files are read in the pool.
 */
#ifndef DROVER_DISPATCH_WORKFLOW_START_H
#define DROVER_DISPATCH_WORKFLOW_START_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "base/text.h"
#include "dispatch/base/pool.h"
#include "dispatch/workflow/workflows.h"
#include "engine/workflow/spec.h"
#include "engine/workflow/workflows.h"
#include "rules/approval/joined.h"
#include "script/catalog.h"
#include "script/meta.h"

struct workflow_start {
    /* Set by the caller: */
    struct workflows *workflows;
    const char *owner;
    struct workflow_spec spec;
    bool plans; /* Nothing is kept of the workflow: it is only looked at (plan.c). */
    void (*done)(struct workflow_start *start, struct err err);

    /* At `done`: */
    struct why why;
    bool invalid;
    struct workflow_new what; /* But for what only the caller knows: bounds, a budget's place. */
    json_t *old;              /* Owned: the spec of the run that is resumed; NULL: none. */
    int64_t reuse_max;        /* As of workflow_reuses. */

    /* Private. */
    struct loop_task task;
    struct pool_job job;
    struct err err;                 /* Result of the pool. */
    char *old_script;               /* Owned. */
    char *last_name;                /* Owned: script whose last run is resumed; NULL: any. */
    struct id last;                 /* Run that is resumed as the last one. */
    struct model_name model;        /* Room for spec.model, if an alias was given. */
    struct default_model otherwise; /* The default, where the start names no model. */
    struct why model_warning;       /* Alias that model_aliases does not have; "": none. */
    struct catalog_script script;
    struct text row_spec, started; /* Owned: of the row, and of the first event. */
    struct why results_warning;    /* A result is read as if it were an object; "": none. */
    struct why misfit;             /* In a plan: why its args do not fit, */
    struct why unfit;              /* and why what it resumes cannot be. */
    json_t *priors;                /* Owned: in a plan, of the run that is resumed (plan.c). */
    char *saved;                   /* Owned: where a script that came as text was put. */
    struct text rehearsed;         /* Owned: how a plan's rehearsal went; empty: there was none. */
};

/* Whether a workflow that a model started may name that file; *path is then as it is to
 * be opened. */
MUST_CHECK bool workflow_path_is_own(const struct workflows *workflows, const char *root,
                                     const char **path);
/* Whether no rule of a session or of its project denies a workflow, as it is called, */
MUST_CHECK bool workflow_may_run(const struct permission_lists *lists, const char *name);
/* and by the name and path of what was found there. */
MUST_CHECK bool workflow_may_run_found(const struct workflows *workflows,
                                       const struct permission_lists *lists, const char *root,
                                       const struct catalog_entry *entry);

/* Scripts in DIR/scripts, about; after that a script is not saved. */
enum { WORKFLOW_SAVED_MAX = 4096 };

void workflow_start_init(struct workflow_start *start, struct workflows *workflows);
void workflow_start_begin(struct workflow_start *start);
/* {"status":"async_launched","taskId","runId","taskType","workflowName","summary","scriptPath"}, or
 * {"status","scriptPath","error"} where the script is none. */
/* A member "warning", where something will not go as the script has it. */
void workflow_start_add_warning(const struct workflow_start *start, struct text *text);
void workflow_start_write(const struct workflow_start *start, struct text *text);
/* The same of one that was submitted, with "state", "budget" and "budget_default". */
void workflow_start_tell(const struct workflow_start *start, const struct run_row *row,
                         struct text *text);
/* The one that was asked for, or the daemon's; NULL: none. */
const struct amounts *workflow_start_budget(const struct workflow_start *start);
/* "budget":{…}|null,"budget_default":bool, after other members */
void workflow_start_add_budget(const struct workflow_start *start, struct text *text);
/* The run was refused, and the answer names no file: that of a text is removed with the next sweep
 * of scripts (script_retention.c), unless a run has it or somebody touches it. */
MUST_CHECK struct err workflow_start_refused(struct tx *tx, const struct workflow_start *start);
void workflow_start_free(struct workflow_start *start); /* Frees the members, not the struct. */

/* plan.c: the results that a run would take over, in a store function. */
MUST_CHECK struct err workflow_start__read_priors(struct tx *tx, int64_t workflow,
                                                  struct workflow_start *start);
/* Members of a plan that may be long: in the pool, into `started`. */
MUST_CHECK struct err workflow_start__plan(struct workflow_start *start);
/* The member after those, on the loop: the setting model_aliases decides on some notes. */
void workflow_start__add_notes(struct workflow_start *start);
/* Plays the script to its end with stand-ins for its agents, on the loop; then
 * `done`, never inside the call. */
void workflow_start__rehearse(struct workflow_start *start,
                              void (*done)(struct workflow_start *start));
/* Writes what the run would do, as far as anybody knows: JSON. At `done`, on the loop. */
void workflow_start_write_plan(const struct workflow_start *start, struct text *text);

#endif
