/* live_view.c: see live_view.h. */
#include "cli/terminal/live_view.h"

void live_view_init(struct live_view *view, FILE *out) {
    *view = (struct live_view){.out = out, .size = {.rows = 24, .columns = 80}};
    text_init(&view->above, LIVE_SCREEN_MAX);
    live_screen_init(&view->screen);
}

void live_view_done(struct live_view *view) {
    live_screen_done(&view->screen);
    text_done(&view->above);
}

struct terminal_size live_view_resize(struct live_view *view) {
    view->size = terminal_size_or(fileno(view->out), view->size);
    return view->size;
}

void live_view_show(struct live_view *view, const struct text *picture,
                    const struct live_cursor *cursor) {
    AUTO(text_done) struct text out = text_up_to(2 * LIVE_SCREEN_MAX);
    const struct live_frame frame = {&view->above, picture, view->size.columns};
    live_screen_draw(&view->screen, &frame, cursor, &out);
    fwrite(text_bytes(&out).data, 1, out.len, view->out);
    (void)fflush(view->out);
    text_clear(&view->above);
}

void live_view_forget(struct live_view *view) {
    view->screen.cursor_row = 0;
    text_clear(&view->screen.picture);
}

void live_view_clear(struct live_view *view) {
    live_view_forget(view);
    fputs("\033[H\033[2J", view->out);
}
