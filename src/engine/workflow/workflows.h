/* workflows.h: the transactions of workflows: their start, what their script said, their end.
 *
 * A workflow is a run whose script is kept beside it, by its hash; the calls of agents that the
 * script makes are runs right below it (steps.h). Its events stand on its own stream, run:ID:
 *
 *   workflow_started, run_started, phase*, log*, agent_started*, agent_waiting*, agent_answered*,
 *   agent_finished*, workflow_finished
 *
 * Promise    a run goes on with the script, and with the answers to workflow(), that it began with,
 *            whatever becomes of the files. Phases and log lines stand once, whoever says them
 *            again. The end of a workflow is the end of all below it.
 * Threads    inside a store function.
 * Failure    as store.h.
 */
#ifndef DROVER_ENGINE_WORKFLOW_WORKFLOWS_H
#define DROVER_ENGINE_WORKFLOW_WORKFLOWS_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "engine/run/runs.h"
#include "rules/trace/usage.h"
#include "rules/workflow/spec.h"
#include "rules/workflow/workflow.h"
#include "store/store.h"

enum {
    WORKFLOW_RESULT_MAX = 1 << 20,     /* Of a script, and of an agent, as JSON. */
    WORKFLOW_EVENT_RESULT = 200 << 10, /* Larger ones are not in the event. */
    WORKFLOW_FAILURES_MAX = 20,        /* That the result names. */
    WORKFLOW_HASH = 64,                /* Characters. */
};

/* --- Its start -------------------------------------------------------------------------------- */

struct workflow_new {
    struct run_new run;   /* kind WORKFLOW. */
    struct bytes script;  /* Its text, */
    struct bytes hash;    /* and the SHA-256 of it. */
    const json_t *rerun;  /* Agents of it that run again: an array of texts; NULL: none. */
    struct bytes resume;  /* run_…: whose results it may take; "": none. */
    struct bytes started; /* Members of the first event, JSON without the braces. */
    struct bytes warning; /* First line of its log; "": none. */
    int64_t timeout_ms;   /* 0: none. */
    bool lacks_model;     /* No agent of it can have a model: it is refused. A request that is
                           * repeated gets its first answer all the same. */
};
/* ERR_NO_MODEL; ERR_NOT_FOUND: there is no run to resume; ERR_CONFLICT: it is no workflow;
 * ERR_RUN_ALIVE; ERR_BAD_FIELD: an agent that is named is none of it. */
MUST_CHECK struct err tx_workflow_submit(struct tx *tx, const struct workflow_new *what,
                                         struct run_row *ret_row, struct why *why);
/* The same of a run that ended badly, and is tried again: it is charged, and of the session, as
 * that one was. */
MUST_CHECK struct err tx_workflow_again(struct tx *tx, const struct run_row *again,
                                        const struct workflow_new *what, struct run_row *ret_row,
                                        struct why *why);
/* Whether `resume` and `rerun` can be, for this owner: the errors of above. */
MUST_CHECK struct err tx_workflow_resumable(struct tx *tx, const struct workflow_new *what,
                                            struct why *why);

/* A workflow that a session starts, by a tool of its turn, in the transaction that ends the card.
 * The run has no parent: it goes on when the turn has ended, is charged to the budgets of the
 * session, and the session is notified of its end by the inbox, as of a subagent's. ERR_CONFLICT,
 * ERR_NOT_FOUND, ERR_NO_MODEL: nothing was written, and `why` says it to the model. */
enum { WORKFLOWS_OPEN_MAX = 16 }; /* Number of those of one session that have not ended. */
struct turn_seat;
MUST_CHECK struct err tx_workflow_spawn(struct tx *tx, const struct turn_seat *seat,
                                        const struct workflow_new *what, struct run_row *ret_row,
                                        struct why *why);

/* --- Taken up --------------------------------------------------------------------------------- */

struct workflow_row {
    struct run_row run;
    struct bytes script;  /* Its text. */
    int64_t resumed_from; /* run_row.id; 0: none. */
    int64_t lines, crashes;
    int64_t left_ms; /* Rest of the time that it has since its start; -1: it has no limit. */
};
/* Texts live in the transaction's arena. *ret_found false: there is none of that name. */
MUST_CHECK struct err tx_workflow_find(struct tx *tx, struct bytes run, bool *ret_found,
                                       struct workflow_row *ret_row);
/* The newest run of a workflow that has ended: of the script with that name, started at that root.
 * NULL is any name or root. Among the newest WORKFLOW_LAST_MAX. *ret_run: "": none. */
enum { WORKFLOW_LAST_MAX = 1000 };
struct workflow_wanted {
    struct bytes owner;
    const char *name, *root;
};
MUST_CHECK struct err tx_workflow_last(struct tx *tx, const struct workflow_wanted *wanted,
                                       struct id *ret_run);
/* A script of that hash; *ret_found false: none. */
MUST_CHECK struct err tx_script_find(struct tx *tx, struct bytes hash, bool *ret_found,
                                     struct bytes *ret_source);
/* Scripts that workflow() resolved within a run, each once for a file and a text, in the order of
 * their first use: at most one more than WORKFLOW_RESOLVED_MAX. Texts live in the transaction's
 * arena. */
enum { WORKFLOW_RESOLVED_MAX = 500 };
struct workflow_resolved {
    struct bytes file, hash;
};
MUST_CHECK struct err tx_workflow_resolved(
    struct tx *tx, int64_t workflow,
    struct err (*each)(void *ctx, const struct workflow_resolved *script), void *ctx);
/* Whether a run has a script whose hash begins so. */
MUST_CHECK struct err tx_script_kept(struct tx *tx, struct bytes begin, bool *ret_kept);
/* Scripts of runs that somebody deleted; their copies in files go, too. At most
 * SCRIPT_REMOVALS_PAGE at once. */
enum { SCRIPT_REMOVALS_PAGE = 64 };
struct script_removal {
    char hash[65];
    int64_t made_ms; /* When the text went. */
};
struct script_removals {
    struct script_removal page[SCRIPT_REMOVALS_PAGE];
    size_t count;
};
/* Nothing came of a start of that text, and nobody knows its file, or the session that does is
 * deleted: listed, unless a run has it. */
MUST_CHECK struct err tx_script_refused(struct tx *tx, struct bytes hash);
MUST_CHECK struct err tx_script_removals_find(struct tx *tx, struct script_removals *ret_removals);
MUST_CHECK struct err tx_script_removals_done(struct tx *tx,
                                              const struct script_removals *removals);
/* This daemon has it now, and its worker has crashed so often. *ret_late: it has ended. */
MUST_CHECK struct err tx_workflow_adopt(struct tx *tx, struct bytes run, int64_t crashes,
                                        bool *ret_late);

/* --- While it runs ---------------------------------------------------------------------------- */

/* Paused, no agent of it begins; those at work go on, and its script hears of them. Once more
 * changes nothing. ERR_NOT_FOUND; ERR_RUN_ENDED: it has, or was asked to; ERR_CONFLICT: it is no
 * workflow, or has not begun. */
enum workflow_pause { WORKFLOW_PAUSE, WORKFLOW_RESUME };
MUST_CHECK struct err tx_workflow_pause(struct tx *tx, const struct run_key *key,
                                        enum workflow_pause what, struct run_row *ret_row,
                                        struct why *why);

/* Whose it is: from its row, kept by who performs it. */
struct workflow_place {
    int64_t id; /* run_row.id */
    struct bytes owner, run;
};

enum { WORKFLOW_LINE_OURS = 0 }; /* Number of a line that is not the script's. */
enum workflow_line_kind { LINE_PHASE, LINE_LOG };
struct workflow_line {
    enum workflow_line_kind kind;
    int64_t number;
    struct bytes text;
};
/* Lines of the script that were stored before are passed over. Their numbers rise. */
MUST_CHECK struct err tx_workflow_lines(struct tx *tx, const struct workflow_place *place,
                                        const struct workflow_line *lines, size_t count);

/* The outcome of workflow(): a script, which is kept from here on, or a sentence. */
struct workflow_ref {
    struct bytes key; /* As of a step. */
    int64_t occurrence;
    struct bytes script, hash, file; /* No script: `note` says why. */
    struct bytes note;
};
MUST_CHECK struct err tx_workflow_ref(struct tx *tx, const struct workflow_place *place,
                                      const struct workflow_ref *ref, bool *ret_late);

/* --- Its end ---------------------------------------------------------------------------------- */

/* Usage of a step that is cut off, by who performs it. */
struct step_took {
    struct bytes run, model;
    struct usage usage;
    struct usage_cost cost;
    int64_t calls, calls_unpriced; /* Of the model. */
    int64_t took_ms;
};
struct workflow_end {
    struct bytes run;
    int64_t attempt;
    enum run_cause cause;               /* COMPLETED: the script returned. */
    struct bytes result;                /* JSON; "": none. */
    struct bytes error;                 /* JSON object; "": none. */
    struct bytes note;                  /* A sentence about a failure, or "". */
    int64_t items_failed, calls_failed; /* As of struct workflow_census. */
    const struct step_took *took;       /* Of steps that work; others are charged what they hold. */
    size_t took_count;
    struct bytes project; /* That their usage is counted for. */
    struct run_bounds bounds;
};
/* Ends the agents that still work, too. *ret_late: it has ended. */
MUST_CHECK struct err tx_workflow_end(struct tx *tx, const struct workflow_end *end,
                                      bool *ret_late);

/* Commands of agents: those of the same owner that run, and those of this workflow that wait. */
MUST_CHECK struct err tx_workflow_commands(struct tx *tx, const struct run_row *workflow,
                                           int64_t *ret_running, int64_t *ret_waiting);

#endif
