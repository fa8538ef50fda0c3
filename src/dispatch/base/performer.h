/* performer.h: a part of the daemon that performs runs, as main/work.c sees it: one row of its
 * table. The note of a run is decoded once, and given to those that hear its kind.
 *
 * Ownership  `room` is borrowed, and handed to each function. NULL: there is nothing to do.
 * Threads    the loop.
 */
#ifndef DROVER_DISPATCH_BASE_PERFORMER_H
#define DROVER_DISPATCH_BASE_PERFORMER_H

#include "rules/run/run.h"

struct performer {
    void *room;
    /* A run of that kind was written. The row has what run_note_read gives, for the length of the
     * call. Not while the daemon holds: the dispatcher walks the rows again after a release. Never
     * after the stop. */
    void (*note[RUN_KIND_COUNT])(void *room, const struct run_row *row);
    /* Begins nothing more. `stopped` when nothing is in the pool or outside; never inside the call.
     * Answers of the store may still come, until store_close. */
    void (*stop)(void *room, void (*stopped)(void *ctx), void *ctx);
    void (*end)(void *room); /* Instead of `stop`: it has stopped when the call returns. */
};

#endif
