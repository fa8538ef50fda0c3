/* live_view.h: a terminal whose last lines are a picture; the caller gives picture and lines.
 *
 * Promise    what is in `above` when a picture is shown stays on the terminal, once, above it.
 * Ownership  embedded: live_view_init, live_view_done.
 * Threads    one.
 * Failure    none here: a failed write shows again at the end of the program.
 */
#ifndef DROVER_CLI_TERMINAL_LIVE_VIEW_H
#define DROVER_CLI_TERMINAL_LIVE_VIEW_H

#include <stdio.h>

#include "cli/terminal/live_screen.h"
#include "cli/terminal/paint.h"

struct live_view {
    FILE *out;                 /* Borrowed. */
    struct terminal_size size; /* 24 rows of 80 columns, as long as nothing else is known. */
    struct text above;         /* Owned: lines that go above the next picture. */
    struct live_screen screen; /* Owned: what stands there now. */
};

void live_view_init(struct live_view *view, FILE *out);
void live_view_done(struct live_view *view); /* For AUTO. */
/* Looks at the size again. */
struct terminal_size live_view_resize(struct live_view *view);
/* `cursor` NULL: below the picture. */
void live_view_show(struct live_view *view, const struct text *picture,
                    const struct live_cursor *cursor);
/* The screen holds what others wrote: the next picture is drawn below it. */
void live_view_forget(struct live_view *view);
/* The next picture begins at the top of an empty screen. */
void live_view_clear(struct live_view *view);

#endif
