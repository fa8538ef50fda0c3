/* live_screen.c: up to where the old picture began, the new lines over it, and the rest cleared. */
#include "cli/terminal/live_screen.h"

#include "cli/terminal/cells.h"

void live_screen_init(struct live_screen *screen) {
    text_init(&screen->picture, LIVE_SCREEN_MAX);
}

void live_screen_done(struct live_screen *screen) {
    text_done(&screen->picture);
}

static void lines_add(struct bytes lines, struct text *out) {
    struct bytes line;
    while (bytes_next(&lines, '\n', &line)) {
        text_add(out, line.data, line.len);
        text_add_str(out, "\033[K\n");
    }
}

void live_screen_draw(struct live_screen *screen, const struct live_frame *frame,
                      struct text *out) {
    struct bytes old = text_bytes(&screen->picture), line;
    int up = 0, columns = frame->columns;
    while (bytes_next(&old, '\n', &line)) {
        int cells = cells_of(line);
        up += columns > 0 && cells > columns ? (cells + columns - 1) / columns : 1;
    }
    text_add_char(out, '\r');
    if (up > 0) {
        text_addf(out, "\033[%dA", up);
    }
    lines_add(text_bytes(frame->above), out);
    lines_add(text_bytes(frame->picture), out);
    text_add_str(out, "\033[J");
    text_clear(&screen->picture);
    text_add(&screen->picture, frame->picture->data, frame->picture->len);
}
