/* edit_line.h: one line, typed and mended at a terminal.
 *
 * Keys       arrows, Home, End (also Ctrl-A, Ctrl-E), Backspace, Delete, Ctrl-U (all), Ctrl-W (a
 *            word), Ctrl-K (the rest), up and down through what was typed before, Enter; Alt-Enter
 *            for a line break. A paste of several lines stays one.
 * Promise    the terminal is as it was between two calls. Characters are whole: UTF-8 that arrives
 *            in pieces is put together, and what is none is left out.
 * Ownership  embedded; a line is borrowed until the next call.
 * Threads    one.
 * Failure    ERR_INTERRUPTED: Ctrl-C; what was typed is gone.
 */
#ifndef DROVER_CLI_TERMINAL_EDIT_LINE_H
#define DROVER_CLI_TERMINAL_EDIT_LINE_H

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"

enum { EDIT_LINE_MAX = 256 << 10, EDIT_HISTORY_MAX = 200 };

struct edit_line {
    int interrupt_fd;                /* Borrowed. */
    struct text text;                /* Owned: the line. */
    size_t at;                       /* Where the cursor is. */
    char *history[EDIT_HISTORY_MAX]; /* Owned; the newest is history[count - 1]. */
    size_t count, back;              /* back: how far up in it we are; 0: the line itself. */
    char *draft;                     /* Owned: the line itself, while we are up. */
    size_t row;                      /* Of the cursor, below the first line that was drawn. */
};
void edit_line_init(struct edit_line *edit, int interrupt_fd);
void edit_line_done(struct edit_line *edit);
/* *ret_line.data NULL: Ctrl-D on an empty line, or the terminal is gone. */
MUST_CHECK struct err edit_line_next(struct edit_line *edit, const char *prompt,
                                     struct bytes *ret_line);

#endif
