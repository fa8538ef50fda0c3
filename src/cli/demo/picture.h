/* picture.h: the screen of the demo: its workflow, the board and the chat below it, the daemon.
 *
 *   ● release  6s  5 agents: 5 succeeded
 *     ● Look                       2/4
 *       …
 *
 *   board  ✓ Write the notes  ◔ Check the links  ○ Announce it
 *
 *   you    Who plans the release?
 *   model  Five agents do, each with one question.
 *
 *   ● daemon  serving, pid 4711
 *   kill -9 it now, I dare you: kill -9 4711
 *
 * Promise    no line is longer than the terminal is wide, and there are fewer lines than it has
 *            rows: of the chat, the last ones are shown.
 * Threads    any; pure.
 */
#ifndef DROVER_CLI_DEMO_PICTURE_H
#define DROVER_CLI_DEMO_PICTURE_H

#include "base/base.h"
#include "base/text.h"
#include "cli/demo/board.h"
#include "cli/demo/chat.h"
#include "cli/terminal/paint.h"
#include "cli/workflow/tree.h"

struct demo_picture {
    struct paint paint;
    struct terminal_size size;
    int64_t now_ms;
    const struct workflow_tree *tree;
    const struct chat *chat;
    const struct demo_board *board;
    enum colour colour; /* Colour of the daemon's mark. */
    const char *daemon; /* How the daemon is. */
    int pid;            /* Process that the reader is invited to kill; 0: none. */
};
void demo_picture_draw(const struct demo_picture *picture, struct text *out);

/* Adds the invitation to kill this process, without a line break at its end. The command is never
 * broken: it has a line of its own where `columns` (0: no bound) are too few for both. */
void demo_invite_add(struct text *out, int pid, int columns);

/* Adds words to a line that has `indent` cells, and ends it; broken between words where it would be
 * longer than `columns` (0: no bound), each further line begins with as many blanks. */
struct demo_words {
    const char *words;
    int indent, columns;
};
void demo_words_add(struct text *out, const struct demo_words *words);

#endif
