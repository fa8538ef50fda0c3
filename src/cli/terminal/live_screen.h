/* live_screen.h: the last lines of a terminal, drawn anew in place; lines printed above stay.
 *
 *   a printed line                scrolls away like any output
 *   the picture                   always the last lines; the cursor waits in it or below it
 *
 * Promise    one text for one write, so that nothing flickers. Where the terminal became narrower
 *            since the last picture, the lines that it broke in two are taken back, too.
 * Ownership  embedded; begun by live_screen_init, ended by live_screen_done.
 * Threads    any; pure: it makes text, and the caller writes it.
 */
#ifndef DROVER_CLI_TERMINAL_LIVE_SCREEN_H
#define DROVER_CLI_TERMINAL_LIVE_SCREEN_H

#include "base/base.h"
#include "base/text.h"

enum { LIVE_SCREEN_MAX = 4 << 20 }; /* Bytes of one picture with the lines printed above it. */

struct live_screen {
    struct text picture; /* Owned: what stands there now. */
    int cursor_row;      /* Line of the picture that the cursor is in; below 0: none of them. */
};

void live_screen_init(struct live_screen *screen);
void live_screen_done(struct live_screen *screen); /* For AUTO. */

/* Both are whole lines; `above` may be empty. */
struct live_frame {
    const struct text *above, *picture;
    int columns; /* Of the terminal now. */
};
struct live_cursor {
    int row, column;
};
/* `cursor` NULL: below the picture. With a cursor in it, its last line has no line below it. */
void live_screen_draw(struct live_screen *screen, const struct live_frame *frame,
                      const struct live_cursor *cursor, struct text *out);

#endif
