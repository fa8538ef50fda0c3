/* live_screen.c: up to where the old picture began, the new lines over it, and the rest cleared. */
#include "cli/terminal/live_screen.h"

#include "cli/terminal/cells.h"

void live_screen_init(struct live_screen *screen) {
    text_init(&screen->picture, LIVE_SCREEN_MAX);
    screen->cursor_row = -1;
}

void live_screen_done(struct live_screen *screen) {
    text_done(&screen->picture);
}

/* `clear` comes after each line: a line of the picture is narrower than the terminal. What is said
 * above may fill the last column, where clearing would take its last character. */
static void lines_add(struct bytes lines, const char *clear, struct text *out) {
    struct bytes line;
    while (bytes_next(&lines, '\n', &line)) {
        text_add(out, line.data, line.len);
        text_add_str(out, clear);
        text_add_char(out, '\n');
    }
}

static void move_add(struct text *out, int count, char direction) {
    if (count > 0) {
        text_addf(out, "\033[%d%c", count, direction);
    }
}

/* Up from the line below the picture's last line, which was not begun, to the cursor's place. */
static void cursor_add(const struct live_frame *frame, const struct live_cursor *cursor,
                       struct text *out) {
    move_add(out, cells_lines(text_bytes(frame->picture)) - 1 - cursor->row, 'A');
    text_add_char(out, '\r');
    move_add(out, cursor->column, 'C');
}

void live_screen_draw(struct live_screen *screen, const struct live_frame *frame,
                      const struct live_cursor *cursor, struct text *out) {
    struct bytes old = text_bytes(&screen->picture), line;
    int up = 0, columns = frame->columns;
    for (int row = 0; row != screen->cursor_row && bytes_next(&old, '\n', &line); row++) {
        int cells = cells_of(line);
        up += columns > 0 && cells > columns ? (cells + columns - 1) / columns : 1;
    }
    text_add_char(out, '\r');
    move_add(out, up, 'A');
    if (frame->above->len > 0) {
        text_add_str(out, "\033[J");
    }
    lines_add(text_bytes(frame->above), "", out);
    lines_add(text_bytes(frame->picture), "\033[K", out);
    if (cursor == NULL) {
        text_add_str(out, "\033[J");
    } else if (out->len > 0 && !out->failed) {
        text_cut(out, out->len - 1); /* The line break of the picture's last line. */
        text_add_str(out, "\033[J");
        cursor_add(frame, cursor, out);
    }
    screen->cursor_row = cursor != NULL ? cursor->row : -1;
    text_clear(&screen->picture);
    text_add(&screen->picture, frame->picture->data, frame->picture->len);
}
