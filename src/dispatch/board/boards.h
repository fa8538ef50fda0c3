/* boards.h: begins attempts at tasks, as their boards allow.
 *
 *   a board      IDLE ──a note, a time──> PICKING ──nothing to do──> IDLE
 *                                          │  ^
 *   a task that begins                     v  │ at once where it has a tree, else at its end
 *     (TREE) ──> LOOKING ──its agent──> STARTING ──> its end
 *        └──none───┴──none──> FAILING ────────────────^
 *
 * TREE: the working tree of the task (base/work_tree.h), on a board where tasks have one. With
 * nothing else to do, the trees of tasks that are over are looked at: git removes those without a
 * change.
 *
 * A board is a project with tasks. It takes one task after the other, and picks the next while git
 * makes the trees of those before: a pick leaves out the tasks at hand. Each step is a transaction
 * that reads the rows again (engine/board/board.h), so a daemon that comes back goes on where the
 * rows are. What an attempt does, and how it ends, is its turn's affair.
 *
 * Promise    nothing is kept here that the rows do not have; while the daemon holds nothing begins.
 * Ownership  options are borrowed, or live as long.
 * Threads    the loop; agents are looked up in the pool.
 */
#ifndef DROVER_DISPATCH_BOARD_BOARDS_H
#define DROVER_DISPATCH_BOARD_BOARDS_H

#include "dispatch/base/room.h"
#include "dispatch/job/dispatch.h"
#include "dispatch/provider/connections.h"
#include "loop/loop.h"
#include "store/store.h"

struct agent_rows;
struct run_waits;

struct boards_options {
    struct room_options room;
    struct connections *connections;
    struct dispatch *dispatch;
    struct run_waits *waits;
    struct agent_rows *agents;
    const char *home;       /* Home of the user; "": none. */
    const char *config_dir; /* As of struct agent_places. */
    struct run_bounds bounds;
};
struct boards;
struct boards *boards_open(const struct boards_options *options);
/* Looks at every board: at the start, and after a release. */
void boards_recover(struct boards *boards);
void boards_note(struct boards *boards, struct bytes note);
/* As a performer does (base/performer.h). */
void boards_stop(void *room, void (*stopped)(void *ctx), void *ctx);
void boards_close(struct boards *boards); /* NULL is allowed. */

#endif
