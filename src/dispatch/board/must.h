/* must.h: performs the checks of must-haves (engine/board/must.h), and tells requests of their end.
 *
 *   a note ──> the row ──the disk is due──> in the pool ──> a commit ──┐
 *                ^  └── a command is due ─────────────────> a commit ──┤
 *                └───────────────────────── its note, or that of an end <┘
 *
 * Promise    a check goes on whether a request waits for it or not, and after a kill of the daemon
 *            (musts_recover). The row alone decides: what is kept here can be dropped at any time.
 * Ownership  options are borrowed, or live as long. A wait is embedded in its owner, zeroed at
 *            first, and stopped before that goes.
 * Threads    the loop; the disk is read in the pool.
 */
#ifndef DROVER_DISPATCH_BOARD_MUST_H
#define DROVER_DISPATCH_BOARD_MUST_H

#include "base/link.h"
#include "dispatch/base/room.h"
#include "dispatch/job/dispatch.h"
#include "engine/board/must.h"
#include "loop/loop.h"
#include "store/store.h"

struct musts_options {
    struct room_options room;
    struct dispatch *dispatch;
};
struct musts;
struct musts *musts_open(const struct musts_options *options);
/* Goes on with the checks of an earlier daemon. Once, before the first request. */
void musts_recover(struct musts *musts);
/* The check of an attempt, try_…, has gone on. */
void musts_note(struct musts *musts, struct bytes attempt);
/* As a performer does (base/performer.h). Nobody is called any more. */
void musts_stop(void *musts, void (*stopped)(void *ctx), void *ctx);
void musts_close(struct musts *musts); /* After store_close, and without a wait. NULL is allowed. */

struct must_check;
struct must_wait {
    struct link link; /* Private, as are the next two. */
    struct must_check *check;
    int64_t number;
    void (*done)(struct must_wait *wait); /* Never inside must_wait_start. */
    const struct task_checked *checked;   /* At `done`: the findings, until must_wait_stop. */
};
/* Waits for the end of that check, which may have come already. */
void must_wait_start(struct musts *musts, const struct task_checking *checking,
                     struct must_wait *wait);
void must_wait_stop(struct must_wait *wait); /* Immediate; zeroed or stopped is fine. */

#endif
