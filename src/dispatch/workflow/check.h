/* check.h: whether scripts are JavaScript, before anything runs: one of them, or those of a list.
 *
 * Promise    `done` once, never inside the call. A worker reads the script as a run's would, and
 *            runs nothing of it. A verdict is cached by the hash of the script, so that a script
 *            that is started or listed often is read once. Where no worker can tell (it is killed,
 *            or computes for too long), the script stays unjudged: its run will report why it
 *            cannot go on. Places are those of the user's file, also where the engine stumbled only
 *            after its end. Each entry of a list that the engine finds broken has its fault at
 *            `done`, and is not valid any more; `checked` tells of which it was asked.
 * Limits     of a list, at most WORKFLOW_JUDGE_MAX scripts without a cached verdict are read, one
 *            after the other, those that count before those that are shadowed, and none begins
 *            later than WORKFLOW_JUDGE_MS after the first. The rest stays unchecked; the next list
 *            goes on there.
 * Ownership  what is asked is borrowed for the call; a catalog, a script and its places until
 *            `done`. `ctx` must live until `done`, which workflows_stop brings about, too.
 * Threads    the loop; files of a list are read again in the pool.
 */
#ifndef DROVER_DISPATCH_WORKFLOW_CHECK_H
#define DROVER_DISPATCH_WORKFLOW_CHECK_H

#include "base/base.h"
#include "base/err.h"
#include "base/hash.h"
#include "script/catalog.h"

enum { WORKFLOW_CHECKED_MAX = 1024, WORKFLOW_JUDGE_MAX = 64, WORKFLOW_JUDGE_MS = 1000 };

enum workflow_judgement { WORKFLOW_UNJUDGED, WORKFLOW_GOOD, WORKFLOW_BAD };
struct check_verdict {
    enum workflow_judgement judgement;
    struct script_fault fault; /* BAD. */
};

struct workflows;
/* The script is valid, and borrowed until `done`; the verdict is borrowed for that call. */
void workflows_check(struct workflows *workflows, const struct catalog_script *script,
                     void (*done)(void *ctx, const struct check_verdict *verdict), void *ctx);
/* "LINE:COLUMN: what"; not every fault has a place. */
void workflow_fault_tell(const struct script_fault *fault, struct why *why);
/* `name`, with its plugin, is that of no `kind`; `used` is. */
void workflow_fallback_tell(const char *kind, struct bytes name, struct bytes used,
                            struct why *why);

/* Settles the notes of a script about models, by the setting model_aliases, and about connections.
 * On the loop. */
void workflows_resolve_models(struct workflows *workflows, struct script_notes *notes);
/* Settles its notes about types of agents and about workflows, by what a run there would find. In
 * the pool. */
void workflows_resolve_names(struct workflows *workflows, const struct catalog_search *places,
                             struct script_notes *notes);

struct script_judge_done {
    void (*call)(void *ctx);
    void *ctx;
};
void workflows_judge(struct workflows *workflows, struct catalog *catalog,
                     struct script_judge_done done);
/* With its notes, if it is valid. Those about models that the setting model_aliases has are
 * dropped; those about names are settled by what is in `places` (NULL: they stay in doubt). */
void workflows_judge_one(struct workflows *workflows, struct catalog_script *script,
                         const struct catalog_search *places, struct script_judge_done done);

#endif
