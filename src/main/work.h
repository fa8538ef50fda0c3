/* work.h: the rooms that act on the world outside: processes, and notices to whoever waits.
 *
 *   opened ──work_come_home──> ──work_begin──> working ──work_stop──> stopping ──> `stopped`
 *
 * Promise    opened between the store and the server. Requests are served while the runs of before
 *            are still being walked: each commit's notes come through the same door, so nothing
 *            depends on who is first, and nobody waits for thousands of holders to be found again.
 * Ownership  the caller's; options are borrowed for life.
 * Threads    the loop; work_open blocks on the disk.
 */
#ifndef DROVER_MAIN_WORK_H
#define DROVER_MAIN_WORK_H

#include "api/board/tasks.h"
#include "api/changes/changes.h"
#include "api/flow/flows.h"
#include "api/provider/providers.h"
#include "api/run/runs.h"
#include "api/tree/trees.h"
#include "api/turn/turns.h"
#include "api/workflow/runs.h"
#include "base/base.h"
#include "base/err.h"
#include "base/text.h"
#include "cli/system/serve_options.h"
#include "loop/loop.h"
#include "store/store.h"

struct agent_rows;
struct agent_versions;
struct work;
struct work_options {
    const struct serve_options *serve;
    struct loop *loop;
    struct store *store;
    struct hub *hub; /* For the API, as are the chores. */
    struct chores *chores;
    struct failed_starts *starts; /* Borrowed; NULL: none are counted. */
    /* A child of the daemon that is no holder ended. */
    void (*child_ended)(void *ctx, int pid, int status);
    void *ctx;
    uint64_t files; /* Soft limit of descriptors, as it was before the daemon raised its own. */
    unsigned umask; /* Umask of the person: base/process/umask.h. */
};
MUST_CHECK struct err work_open(const struct work_options *options, struct work **ret_work,
                                struct why *why);
/* The key of tokens of runs. */
const struct run_token_key *work_token_key(const struct work *work);
/* Finds out whether the database is at home (engine/base/home.h); one that is not is held. Then
 * loads the connections to providers of models. `known` never comes inside the call. */
void work_come_home(struct work *work, void (*known)(void *ctx, struct err err), void *ctx);
void work_begin(struct work *work);
void work_stop(struct work *work, void (*stopped)(void *ctx), void *ctx);
/* After `stopped`, or never begun; and after store_close. NULL: fine. */
void work_close(struct work *work);

/* ERR_STALLED: work without a named wait makes no progress; `why` says which. */
MUST_CHECK struct err work_ready(const struct work *work, struct why *why);

/* Number of notices that failed so often that they are tried hourly. */
MUST_CHECK int64_t work_stalled(const struct work *work);

/* Members of /readyz: number of folders in the spool whose runs the database does not know, as seen
 * at the start, and the use of descriptors. */
void work_status_write(const struct work *work, struct text *text);

/* For the notes of the store; one of a run is decoded before (run_note_read). */
void work_run_note(struct work *work, const struct run_row *row);
void work_board_note(struct work *work, struct bytes note); /* BOARD_NOTE */
void work_inbox_note(struct work *work, struct bytes note);

/* `hub` is the caller's to fill in. */
struct runs_api work_api(struct work *work);
struct tasks_api work_tasks_api(struct work *work);
struct changes_api work_changes_api(struct work *work);
struct trees_api work_trees_api(struct work *work);
struct workflow_runs_api work_workflows_api(struct work *work);
struct flows_api work_flows_api(struct work *work);
struct turns_api work_turns_api(struct work *work);
struct providers_api *work_providers_api(struct work *work);
/* Absolute, without links; the work's, for its life. */
const char *work_data_dir(const struct work *work);
/* The user's folder, or NULL. Borrowed from the environment. */
const char *work_home(void);
/* Stored definitions of agents, known once the database is at home; versions of their programs. */
struct agent_rows *work_agents(struct work *work);
struct agent_versions *work_agent_versions(struct work *work);
void work_metrics(struct work *work, struct text *text);

#endif
