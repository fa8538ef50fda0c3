/* points.h: points of worlds are taken when agents work, one at a time in each world.
 *
 *   ask ──pool: its world──> in the queue of the place ──┐
 *                                                        v
 *   IDLE ──> OPENING (its row) ──> TAKING (drover-changes) ──> STORING (rows) ──> IDLE
 *    │  ^                              └── failed ──> NOTING (the world is off) ──┘
 *    │  └── the minute has its points, or the world is off for a while: PAUSING
 *
 * At most one pass is under way in a world. All asks that come meanwhile share the next one, so
 * that twenty agents in one folder cost no more than the passes that fit beside each other.
 *
 * A call that is to write waits for the point before it; points after calls, and of turns, are
 * taken beside the answer. A wait ends after POINT_WAIT_MS: the point is `late` then, and the call
 * counts as open in the step that leads to it (rules/changes/authors.h). A late call does not wait
 * for the next pass: its point is of the pass under way, whose tree may hold what it wrote.
 *
 * Promise    `done` of a wait comes once, never inside points_wait, unless it is cancelled. A world
 *            that cannot be read holds up no call: waits end at once, and it is looked at again
 *            after OFF_MS.
 * Limits     POINTS_A_MINUTE passes of a world a minute, and those that a person waits for;
 *            ASKS_MAX asks at once, of which the next ones are dropped.
 *            A folder without a repository that is the home of the user, or the top of the file
 *            system, is no world: all that somebody owns would be copied.
 * Ownership  an ask is copied. A wait is embedded in its owner, zeroed at first, and cancelled
 *            before that goes.
 * Threads    the loop.
 */
#ifndef DROVER_DISPATCH_CHANGES_POINTS_H
#define DROVER_DISPATCH_CHANGES_POINTS_H

#include "base/link.h"
#include "dispatch/base/room.h"
#include "rules/changes/point.h"
#include "rules/run/run.h"

enum { POINT_WAIT_MS = 2000 };

struct points;
struct points_options {
    struct room_options room;
    const char *data_dir; /* Borrowed. */
    struct bytes host;    /* Borrowed: as home.h has it. */
    const char *path;     /* PATH in which git is looked for; NULL: none. */
    const char *home;     /* Borrowed; NULL: none. See Limits. */
};
struct points *points_open(const struct points_options *options);
/* As a performer. A job whose folder is in a world that is known, and that no turn waits for, has a
 * point before and one after it. */
void points_run_note(void *points, const struct run_row *row);
void points_stop(void *points, void (*stopped)(void *ctx), void *ctx); /* As a performer. */
void points_close(struct points *points); /* After points_stop; NULL is allowed. */

struct point_ask {
    const char *root; /* Folder in which the call works. */
    struct bytes run; /* run_… */
    const char *call; /* "": the run itself. */
    enum point_phase phase;
    const char *path; /* The one path that the call may write; NULL: any. */
    bool begins;      /* A point BEGIN of the run goes before it. */
    bool late;        /* The call begins beside it. */
};
void points_take(struct points *points, const struct point_ask *ask);

struct point_entry;
struct point_wait {
    void (*done)(struct point_wait *wait);
    struct point_entry *entry; /* Private, as are the next two. NULL: nothing is waited for. */
    struct points *points;
    struct timer timer;
};
/* False: no points are taken here, and there is nothing to wait for. */
MUST_CHECK bool points_wait(struct points *points, const struct point_ask *ask,
                            struct point_wait *wait);
void point_wait_cancel(struct point_wait *wait); /* The point is taken all the same. */

/* For orders to drover-changes: the path of git, NULL where there is none; and the folder
 * of the shadow repositories. */
const char *points_git(const struct points *points);
const char *points_folder(const struct points *points);

/* Sessions were deleted, with their points: objects that no other point holds go soon. */
void points_forgotten(struct points *points);

struct points_stats {
    uint64_t passes, points, failed, dropped, late;
};
void points_get_stats(const struct points *points, struct points_stats *ret_stats);

#endif
