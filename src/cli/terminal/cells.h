/* cells.h: how much of a terminal's line a text takes.
 *
 * Promise    a character of East Asia or an emoji counts for two, a combining one for none, every
 *            other one for one; what our own colours (ESC [ … m) take is nothing. Terminals differ
 *            in a few characters; then a line is a cell too long or too short, and nothing breaks.
 * Threads    any; pure. The text is taken to be valid UTF-8; without line breaks, unless it is
 *            wrapped.
 */
#ifndef DROVER_CLI_TERMINAL_CELLS_H
#define DROVER_CLI_TERMINAL_CELLS_H

#include "base/base.h"
#include "base/text.h"

int cells_of(struct bytes text);
/* Adds the text, cut with "…" where it takes more than `cells`; says how many it took. */
int cells_add(struct text *text, struct bytes from, int cells);
/* Takes the first line off *io_rest: the longest beginning that takes at most `cells`, up to a
 * blank where there is one; at least a character. */
struct bytes cells_line_take(struct bytes *io_rest, int cells);
/* Length of the character, or of the colour, that begins at `at`, and the cells that it takes. */
size_t cells_step(struct bytes text, size_t at, int *ret_cells);
/* Adds the text with a line break wherever the next character would pass the last column. */
void cells_wrap(struct bytes text, int columns, struct text *out);
/* Wraps the lines of the text from `begin` on, between words; only a word that is longer than a row
 * is broken. The rows after a line's first one are indented: below the text of an item of a list,
 * and deeper than an indented line, so that no row is taken for a line. `columns` 0: as it is. */
void cells_wrap_words(struct text *io_text, size_t begin, int columns);
/* The same for lines of a key, which takes `key` cells with its blanks, and a value: the rows of
 * the value stand below each other. */
struct cells_shape {
    int key, columns;
};
void cells_wrap_values(struct text *io_text, size_t begin, const struct cells_shape *shape);

/* Number of lines; the last one need not end. */
int cells_lines(struct bytes text);

#endif
