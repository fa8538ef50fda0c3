/* board.h: the tasks of a project as columns by status, and the picture of them.
 *
 *   PENDING 2          WORKING 1          REVIEW 1       …     on 100 columns or more
 *   > T-4 Write it     T-2 Fix the test   T-1 Parser
 *     p7 builder         builder claimed    builder
 *
 *   PENDING 2                                                  below each other on fewer
 *   > T-4  Write it  (p7 builder)
 *
 * Ownership  embedded; ended by board_done. Rows are kept by reference.
 * Threads    any; pure.
 */
#ifndef DROVER_CLI_BOARD_BOARD_H
#define DROVER_CLI_BOARD_BOARD_H

#include "base/base.h"
#include "base/json/json.h"
#include "base/text.h"
#include "cli/terminal/paint.h"

enum board_column {
    BOARD_PENDING,
    BOARD_WORKING, /* Claimed ones, too. */
    BOARD_REVIEW,
    BOARD_BLOCKED,
    BOARD_OVER, /* Done, failed and cancelled ones. */
    BOARD_COLUMNS
};
/* Where the keys are. */
struct board_place {
    unsigned column;
    size_t row;
};

struct board {
    json_t *columns[BOARD_COLUMNS]; /* Owned: lists of tasks, the first to be done first. */
    struct board_place at;
};

void board_init(struct board *board);
void board_done(struct board *board); /* For AUTO. */
/* Adds a task; lists of the daemon come with the newest first. */
void board_add(struct board *board, const json_t *task);
/* The task at the place; NULL: there is none. */
const json_t *board_at(const struct board *board);
/* Goes to that task, else to the one that is nearest to the place. */
void board_seek(struct board *board, const char *task);
/* By rows within the column, and by columns to the next one that has tasks. */
struct board_step {
    int rows, columns;
};
void board_move(struct board *board, struct board_step step);

struct board_room {
    struct paint paint; /* Columns 0: nothing is cut. */
    size_t rows;        /* 0: all of them. */
    bool marks;         /* Whether the place is shown. */
};
/* Adds whole lines. */
void board_draw(const struct board *board, const struct board_room *room, struct text *out);

#endif
