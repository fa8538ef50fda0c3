/* removals.h: working trees are removed: by a person, or an hour after their holders have ended.
 *
 *   removals_begin ──> LOOKING (drover-changes) ──something would be lost──> done
 *        └──force──────────────> WORKING (base/work_tree.h) <──nothing──┘
 *                                     └──> SETTLING (its row) ──> done
 *
 * A removal without force is looked at twice: here, so that a person hears what would be lost, and
 * by its job, right before. The transaction that begins the first job sees that no turn is open in
 * the tree. A turn that begins after it has the tree made again, as one that was deleted.
 *
 * Once an hour, and after the start, trees whose holders ended a while ago are looked for. One that
 * is unchanged goes; any other is marked as kept, and stays until somebody removes it.
 *
 * Promise    `done` comes once, never inside removals_begin. A stop ends the wait with ERR_CLOSING;
 *            a job under way goes on, and the row is right when the tree is removed again.
 * Limits     REMOVALS_MAX at once, of which the next ones are refused with ERR_TOO_MANY.
 * Ownership  an order is copied.
 * Threads    the loop; the disk is looked at in the pool.
 */
#ifndef DROVER_DISPATCH_TREE_REMOVALS_H
#define DROVER_DISPATCH_TREE_REMOVALS_H

#include "dispatch/base/room.h"
#include "dispatch/job/dispatch.h"
#include "rules/tree/tree.h"

enum { REMOVALS_MAX = 64 };

struct points;
struct run_waits;
struct removals;
struct removals_options {
    struct room_options room;
    struct dispatch *dispatch; /* Borrowed, as are the next three. */
    struct run_waits *waits;
    struct points *points; /* For orders to drover-changes. */
    struct bytes host;     /* As home.h has it. */
    int64_t keep_ms;       /* Time after the end of a holder; 0: trees stay. */
};
struct removals *removals_open(const struct removals_options *options);
void removals_recover(struct removals *removals);                          /* Begins the rounds. */
void removals_stop(void *removals, void (*stopped)(void *ctx), void *ctx); /* As a performer. */
void removals_close(struct removals *removals);                            /* NULL is allowed. */

struct removal_order {
    struct bytes owner, tree; /* tree: tre_… */
    bool force;               /* Removed with all that it holds. */
    /* ERR_WORKTREE_HAS_WORK, ERR_IN_USE, ERR_NOT_FOUND, ERR_HOST_AWAY, or of the disk: `why`. */
    void (*done)(void *ctx, struct err err, const struct why *why);
    void *ctx;
};
void removals_begin(struct removals *removals, const struct removal_order *order);

/* --- For routes that look at trees ------------------------------------------------------------ */

/* "{" and the members that each order has, but for the trees: tool/changes/tree_report.h. */
void removals_order_begin(const struct points *points, const char *what, struct text *order);
/* {"tree": …, …} */
void removals_tree_add(const struct tree_row *row, struct text *order);
/* ERR_WORKTREE_HAS_WORK, and a sentence: a look has seen what would be lost. */
MUST_CHECK struct err removals_judge(struct bytes name, const json_t *look, struct why *why);

#endif
