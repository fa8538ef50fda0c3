/* must.h: checks the must-haves of a task while a client waits for its move (engine/board/must.h).
 *
 *   ORDERING ──rows──> LOOKING ──the disk──> BEGINNING ──a job──> RUNNING ──its end──> READING
 *      │ nothing is to be checked      └─ no command ─┐   ^  └──────────< the next one <─────┘
 *      └──────────────────────────────────────────────┴───┴──> DONE, when no command is left
 *
 * Promise    the commands of a check run one after the other. A further request about an attempt
 *            that is being checked waits for that check, so that an agent whose call was cut off
 *            sends it again. A check goes on when no client waits for it any more; its commands end
 *            with the attempt. Nothing is kept: after a kill of the daemon the commands of its
 *            checks are ended (musts_recover), and the client asks again.
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
/* Ends the commands of an earlier daemon. Once, before the first request. */
void musts_recover(struct musts *musts);
/* A job was written; rows of the board "OWNER\nPROJECT" were. */
void musts_job_note(void *musts, const struct run_row *row);
void musts_board_note(struct musts *musts, struct bytes note);
/* As a performer does (base/performer.h). Nobody is called any more. */
void musts_stop(void *musts, void (*stopped)(void *ctx), void *ctx);
void musts_close(struct musts *musts); /* After store_close, and without a wait. NULL is allowed. */

struct must_check;
struct must_wait {
    struct link link; /* Private, as is the next one. */
    struct must_check *check;
    void (*done)(struct must_wait *wait); /* Never inside must_wait_start. */
    const struct task_checked *checked;   /* At `done`: the findings, until must_wait_stop. */
};
/* A move to review, or of a task that is taken. `move` and `token` (of the client; "": none) are
 * copied. Without an owner the move is one of the client's run. */
void must_wait_start(struct musts *musts, const struct task_move *move, const char *token,
                     struct must_wait *wait);
void must_wait_stop(struct must_wait *wait); /* Immediate; zeroed or stopped is fine. */

#endif
