/* live_screen.c: up to where the old picture began, the new lines over it, and the rest cleared. */
#include "cli/terminal/live_screen.h"

#include <string.h>

#include "cli/terminal/cells.h"

void live_screen_init(struct live_screen *screen) {
    text_init(&screen->picture, LIVE_SCREEN_MAX);
}

void live_screen_done(struct live_screen *screen) {
    text_done(&screen->picture);
}

/* The line at *at, without its break; false: that was the last. */
static bool line_next(const struct text *text, size_t *at, struct bytes *ret_line) {
    if (*at >= text->len) {
        return false;
    }
    const char *begin = text->data + *at, *end = memchr(begin, '\n', text->len - *at);
    size_t len = end != NULL ? (size_t)(end - begin) : text->len - *at;
    *ret_line = (struct bytes){begin, len};
    *at += len + 1;
    return true;
}

static int rows_of(const struct text *picture, int columns) {
    struct bytes line;
    int rows = 0;
    for (size_t at = 0; line_next(picture, &at, &line);) {
        int cells = cells_of(line);
        rows += columns > 0 && cells > columns ? (cells + columns - 1) / columns : 1;
    }
    return rows;
}

static void lines_add(const struct text *lines, struct text *out) {
    struct bytes line;
    for (size_t at = 0; line_next(lines, &at, &line);) {
        text_add(out, line.data, line.len);
        text_add_str(out, "\033[K\n");
    }
}

void live_screen_draw(struct live_screen *screen, const struct live_frame *frame,
                      struct text *out) {
    int up = rows_of(&screen->picture, frame->columns);
    text_add_char(out, '\r');
    if (up > 0) {
        text_addf(out, "\033[%dA", up);
    }
    lines_add(frame->above, out);
    lines_add(frame->picture, out);
    text_add_str(out, "\033[J");
    text_clear(&screen->picture);
    text_add(&screen->picture, frame->picture->data, frame->picture->len);
}
