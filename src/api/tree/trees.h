/* trees.h: working trees of agents over HTTP (rules/tree/tree.h).
 *
 *   GET    /api/v1/worktrees              list; ?look=true: with the contents of each
 *   GET    /api/v1/worktrees/{id}         show, with its contents, and what a removal would lose
 *   GET    /api/v1/worktrees/{id}/diff    all changes since its base
 *   DELETE /api/v1/worktrees/{id}         remove (removal.c)
 *   POST   /api/v1/worktrees/{id}/apply   merge its changes onto its root (apply.c)
 *   POST   /api/v1/worktrees/prune        remove those of ended holders that hold nothing
 *
 * Contents are never stored: drover-changes looks at the folders, in the pool, after the rows were
 * read (tool/changes/tree_report.h).
 *
 * Ownership  everything in struct trees_api is borrowed for the server's life.
 * Threads    the loop.
 */
#ifndef DROVER_API_TREE_TREES_H
#define DROVER_API_TREE_TREES_H

#include "api/base/request.h"
#include "base/json/json.h"
#include "dispatch/changes/points.h"
#include "dispatch/tree/removals.h"

struct trees_api {
    struct request_host host; /* First. */
    struct points *points;
    struct removals *removals;
    struct rewinds *rewinds;
    struct bytes place; /* This host, as rows have it. */
};
extern const struct route tree_routes[], tree_apply_routes[], tree_removal_routes[];

/* --- Looks ------------------------------------------------------------------------------------ */

extern const struct one_kind tree__one;
enum { TREE_TARGET_BYTES = 32 << 10 }; /* Bound of removals_tree_add. */

/* The looks at trees, from texts as removals_tree_add writes them, with commas between; in the
 * pool. *ret_looks: an array, in their order. Without git, it is empty. */
MUST_CHECK struct err trees__look(const struct request *request, struct bytes targets, bool lost,
                                  json_t **ret_looks, struct why *why);
/* ,"look":{…}; `look` NULL: null. */
void trees__look_add(json_t *look, struct text *text);

#endif
