/* tree.h: the working tree of a session that is made: what the client asks for, where it stands,
 * and its row (rules/tree/tree.h). Git makes it before the first turn.
 *
 * Ownership  zeroed at first; session_tree_done frees. Texts that were given are borrowed.
 * Threads    any; session_tree_find blocks on the disk: in the pool.
 */
#ifndef DROVER_API_SESSION_TREE_H
#define DROVER_API_SESSION_TREE_H

#include "base/json/json.h"
#include "dispatch/job/dispatch.h"
#include "rules/tree/tree.h"
#include "store/store.h"
#include "tool/git.h"

struct session_tree {
    bool wanted;
    struct bytes name, base; /* No data: none is given. */
    struct worktree at;
    char branch[TREE_NAME_MAX + 16];
};
/* true, false, or {"name", "base"}; NULL: none is wanted. */
MUST_CHECK struct err session_tree_read(json_t *given, struct session_tree *ret_tree,
                                        struct why *why);
/* The place of it, for the session with that root. */
MUST_CHECK struct err session_tree_find(struct session_tree *tree, const char *root,
                                        struct bytes session, const struct dispatch *dispatch,
                                        struct why *why);
/* The row, PLANNED, and what the session shows of it, in the arena. */
struct session_row;
MUST_CHECK struct err session_tree_plan(struct tx *tx, const struct session_tree *tree,
                                        const struct run_bounds *bounds,
                                        struct session_row *io_session, struct why *why);

#endif
