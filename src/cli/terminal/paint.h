/* paint.h: colours and sizes of a terminal, and nothing where there is none.
 *
 * Promise    colour only when the output is a terminal, NO_COLOR is not set and TERM is not "dumb":
 *            elsewhere every mark is empty text, so that what is printed stays plain.
 * Threads    any.
 */
#ifndef DROVER_CLI_TERMINAL_PAINT_H
#define DROVER_CLI_TERMINAL_PAINT_H

#include "base/base.h"
#include "cli/terminal/environment.h"

/* The last two are no colours: they mark emphasis. */
enum colour {
    COLOUR_NONE,
    COLOUR_RED,
    COLOUR_GREEN,
    COLOUR_YELLOW,
    COLOUR_BLUE,
    COLOUR_CYAN,
    COLOUR_GREY,
    COLOUR_BOLD,
    COLOUR_ITALIC
};

struct paint {
    bool on;
    int columns; /* Cells of a row of text, which is wrapped there; 0: no terminal, no wrapping. */
};
struct paint paint_of(int fd, const struct config_env *env);
const char *paint_begin(const struct paint *paint, enum colour colour); /* Static; maybe "". */
const char *paint_end(const struct paint *paint, enum colour colour);

/* False: not a terminal, or it does not know. */
struct terminal_size {
    int rows, columns;
};
MUST_CHECK bool terminal_size(int fd, struct terminal_size *ret_size);
/* `otherwise` where that is false. */
struct terminal_size terminal_size_or(int fd, struct terminal_size otherwise);
/* Whether a picture can be drawn there, and drawn again. */
MUST_CHECK bool terminal_draws(int fd, const struct config_env *env);

#endif
