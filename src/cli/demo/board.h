/* board.h: the small board of the demo: three tasks, one after the other, that an agent works
 * through and another one judges, both played by the scripted model.
 *
 * Promise    demo_board_check finds a task that was not done exactly once.
 * Ownership  embedded; zeroed is empty; it owns nothing.
 * Threads    one.
 * Failure    *why says what the daemon refused.
 */
#ifndef DROVER_CLI_DEMO_BOARD_H
#define DROVER_CLI_DEMO_BOARD_H

#include "base/json/json.h"
#include "base/text.h"
#include "cli/base/api.h"
#include "cli/demo/private_daemon.h"

#define DEMO_BOARD_PROJECT "release"

enum { DEMO_TASKS = 3 };

struct demo_board {
    char status[DEMO_TASKS][16]; /* "": not heard of yet. */
};

/* Makes the project and its tasks; their words take the time divided by `speed`. */
MUST_CHECK struct err demo_board_add(struct private_daemon *daemon, int64_t speed, struct why *why);

/* An event of the project. True: a task has gone from one status to another; `line` says which. */
bool demo_board_hear(struct demo_board *board, struct bytes type, const json_t *data,
                     struct text *line);
bool demo_board_is_over(const struct demo_board *board);
/* "✓ Write the notes   ◔ Check the links": each with the sign of its status. */
void demo_board_show(const struct demo_board *board, struct text *text);

/* Adds a sentence to *fault for each task that was not done by one attempt. */
MUST_CHECK struct err demo_board_check(struct talk *talk, struct text *fault, struct why *why);

#endif
