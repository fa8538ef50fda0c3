/* trees.h: a turn begins in its working tree, or not at all.
 *
 *   trees_wait ──> READING (its row) ──> SEEING ──git makes what is missing──> WRITING ──> done
 *                     │                    └── all is there already ────────────────────> done
 *                     └── not a tree that drover has made: its folder is there, or not ──> done
 *
 * The row says where a tree stands and what its branch is (engine/tree/trees.h), the machine of
 * dispatch/base/work_tree.h what is still to be done. All turns that wait for one tree share the
 * work. A tree that somebody has removed is made again, at the same path and on its branch.
 *
 * Promise    `done` of a wait comes once, never inside trees_wait, unless it is cancelled. Where it
 *            says no, nothing of the turn has run, and nothing runs elsewhere in its place.
 * Ownership  a wait is embedded in its owner, zeroed at first, and cancelled before that goes.
 * Threads    the loop.
 */
#ifndef DROVER_DISPATCH_TREE_TREES_H
#define DROVER_DISPATCH_TREE_TREES_H

#include "base/link.h"
#include "dispatch/base/room.h"
#include "dispatch/job/dispatch.h"

struct run_waits;
struct trees;
struct trees_options {
    struct room_options room;
    struct dispatch *dispatch; /* Borrowed, as is the next one. */
    struct run_waits *waits;
};
struct trees *trees_open(const struct trees_options *options);
void trees_stop(void *trees, void (*stopped)(void *ctx), void *ctx); /* As a performer. */
void trees_close(struct trees *trees); /* After trees_stop; NULL is allowed. */

struct tree_stand;
struct tree_wait {
    /* `why` "": the tree stands. */
    void (*done)(struct tree_wait *wait, const struct why *why);
    struct link link; /* Private, as is the next one. NULL: nothing is waited for. */
    struct tree_stand *stand;
};
/* The tree that this folder lies in, for a turn: run_…. False: it lies in none. */
MUST_CHECK bool trees_wait(struct trees *trees, struct bytes folder, struct bytes run,
                           struct tree_wait *wait);
void tree_wait_cancel(struct tree_wait *wait); /* The tree is made all the same. */

#endif
