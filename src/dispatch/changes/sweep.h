/* sweep.h: deletes old points, and the objects that no point holds any more.
 *
 *   RESTING ──hour, or a deletion──> EXPIRING ──rows are gone──> HOLDING ──no pass is on──┐
 *      ^  ^                           │  ^                                                v
 *      │  └── no repository is left ──┘  └── next ── SHRINKING <─too large─ PRUNING <─ LISTING
 *      └── stopped
 *
 * A tree is in the repository before its row is committed, so objects are deleted only while no
 * pass of the repository is under way: the trees of all its points are listed then, and all other
 * objects go (git is never asked for the age of an object). Passes that come meanwhile wait.
 *
 * Limits     points are kept for POINTS_KEPT_MS, and a repository that is larger than
 *            REPOSITORY_BYTES_MAX loses the oldest tenth of its points, again and again, until it
 *            is smaller. The newest point of each open session stays in any case.
 * Ownership  embedded in struct points. Threads: the loop.
 */
#ifndef DROVER_DISPATCH_CHANGES_SWEEP_H
#define DROVER_DISPATCH_CHANGES_SWEEP_H

#include "base/id.h"
#include "dispatch/base/ask.h"
#include "engine/changes/points.h"
#include "proc/answer.h"

#define POINTS_KEPT_MS (INT64_C(7) * 24 * 60 * 60 * 1000)
#define REPOSITORY_BYTES_MAX (INT64_C(1) << 30)

enum sweep_state {
    SWEEP_RESTING,
    SWEEP_EXPIRING,
    SWEEP_HOLDING,
    SWEEP_LISTING,
    SWEEP_PRUNING,
    SWEEP_SHRINKING,
};

struct points;
struct sweep {
    struct points *points; /* Borrowed. */
    enum sweep_state state;
    bool again; /* Rows were deleted meanwhile: all repositories are looked at again. */
    bool whole; /* Objects are deleted also where this round deletes no row. */
    struct ask ask;
    struct answer answer;
    struct timer timer;
    struct id repository; /* The one at hand; "": before the first. */
    struct id next;
    struct points_expire expire;
    int64_t count, removed, shrunk;
    struct text trees; /* Owned. */
    int64_t bytes;     /* Size of the repository after it was pruned. */
};
void sweep_start(struct sweep *sweep, struct points *points);
void sweep_soon(struct sweep *sweep); /* Sessions were deleted, with their points. */
void sweep_stop(struct sweep *sweep);
void sweep_done(struct sweep *sweep);
/* No pass of the repository is under way any more. */
void sweep_quiet(struct sweep *sweep);

#endif
