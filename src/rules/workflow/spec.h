/* rules/workflow/spec.h: the fields that a client sends to start a workflow, and their limits.
 *
 * Ownership  texts and values of a struct workflow_spec are borrowed from the JSON value that was
 *            read.
 * Threads    any; pure.
 */
#ifndef DROVER_RULES_WORKFLOW_SPEC_H
#define DROVER_RULES_WORKFLOW_SPEC_H

#include "base/base.h"
#include "base/fields/fields.h"
#include "rules/budget/amounts.h"

enum {
    WORKFLOW_SCRIPT_MAX = 1 << 20, /* Bytes of a script. */
    WORKFLOW_LABEL_MAX = 200,
    WORKFLOW_PATH_MAX = 4095,
    WORKFLOW_AT_ONCE_LIMIT = 256, /* The most that a run may ask for. */
    WORKFLOW_RERUN_MAX = 1000,
};
#define WORKFLOW_REUSE_MAX (INT64_C(30) * 24 * 3600 * 1000)
#define WORKFLOW_TIME_MAX INT64_C(31536000000) /* A year. */

/* A path wins over script and name. `title` names a script that came as text in what is said of it,
 * and `description` is not used: the words of the script count. */
struct workflow_spec {
    const char *script, *name, *path; /* NULL: not given. */
    json_t *args;                     /* NULL: none. */
    const char *resume, *title, *description, *label, *root, *model, *project;
    const char *programs;   /* PATH of the commands of its agents; NULL: that of the daemon. */
    const char *config_dir; /* CLAUDE_CONFIG_DIR of the client; NULL: that of the daemon. */
    json_t *settings, *rerun, *notify;
    json_t *budget_asked;                              /* As it came; NULL: none. */
    int64_t timeout_ms, agent_timeout_ms, concurrency; /* 0: not given. */
    int64_t total;                                     /* -1: none. */
    int64_t from_seq; /* Event of the run that is resumed: agents not finished then run again. -1:
                       * none. */
    int64_t reuse_ms; /* Age of results of any run that it may take over; 0: none. */
    bool budgeted;
    struct amounts budget;
    unsigned lifted; /* A bit for each limit that was null. */
    bool confined;   /* A model asked: no file but those of the project, and what we have saved. */
};

/* FIELD_GIVEN: what says which workflow runs, too. FIELD_CHANGED: the rest, where the path of the
 * request names the workflow. */
extern const struct field_set workflow_fields;

#endif
