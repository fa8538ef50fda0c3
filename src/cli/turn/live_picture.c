/* live_picture.c: draws the state of a chat on a terminal. */
#include <stdio.h>
#include <unistd.h>

#include "cli/terminal/cells.h"
#include "cli/terminal/plain.h"
#include "cli/turn/card.h"
#include "cli/turn/live.h"
#include "cli/turn/question.h"

static void queued_draw(const struct live *live, int columns, struct text *out) {
    const json_t *message = NULL;
    size_t at = 0;
    json_array_foreach(live->conversation.queued, at, message) {
        AUTO(text_done) struct text line = text_up_to(EDIT_LINE_MAX * 2);
        const char *status = talk_text(message, "status");
        text_add_str(&line, strcmp(status, "queued") == 0 ? "queued: " : "joins: ");
        plain_add_line(card_text(message), &line);
        text_add_str(out, paint_begin(&live->chat->paint, COLOUR_GREY));
        (void)cells_add(out, text_bytes(&line), columns - 1); /* The cut is enough. */
        text_addf(out, "%s\n", paint_end(&live->chat->paint, COLOUR_GREY));
    }
}

static void status_draw(const struct live *live, struct text *out) {
    const char *words = feed_is_away(&live->feed)       ? "the daemon is away; trying again"
                        : live->state != CHAT_ANSWERING ? NULL
                        : live->turn != NULL            ? "answering; Ctrl-C detaches"
                                                        : "answering; Ctrl-C stops it";
    if (words != NULL) {
        text_addf(out, "%s%s%s\n", paint_begin(&live->chat->paint, COLOUR_GREY), words,
                  paint_end(&live->chat->paint, COLOUR_GREY));
    }
}

/* A picture that is taller than the terminal is cut to the rows about the cursor. */
static void picture_fit(struct text *picture, int rows, struct edit_place *cursor) {
    AUTO(text_done) struct text whole = text_up_to(LIVE_SCREEN_MAX);
    struct bytes rest, line;
    const int count = cells_lines(text_bytes(picture));
    text_add(&whole, text_bytes(picture).data, picture->len);
    int skip = count - rows > cursor->row ? cursor->row : count - rows;
    if (skip <= 0) {
        return;
    }
    text_clear(picture);
    rest = text_bytes(&whole);
    for (int at = 0; bytes_next(&rest, '\n', &line) && at < skip + rows; at++) {
        if (at >= skip) {
            text_add(picture, line.data, line.len);
            text_add_char(picture, '\n');
        }
    }
    cursor->row -= skip;
}

/* A single turn has no line to type in while nothing is asked. */
static bool has_line(const struct live *live) {
    return live->turn == NULL || (live->state == CHAT_ASKING && live->terminal.raw);
}

static struct edit_place picture_make(const struct live *live, const struct terminal_size *size,
                                      struct text *out) {
    AUTO(text_done) struct text line = text_up_to(LIVE_SCREEN_MAX / 2);
    const json_t *asked = conversation_asked(&live->conversation);
    AUTO(text_done) struct text prompt = text_up_to(LIVE_SCREEN_MAX / 2);
    if (live->state == CHAT_ASKING && asked != NULL) {
        question_prompt_add(asked, &prompt);
    } else {
        text_add_str(&prompt, "> ");
    }
    struct edit_place cursor = {0};
    conversation_line(&live->conversation, &line);
    if (line.len > 0) {
        cells_wrap(text_bytes(&line), size->columns - 1, out);
        text_add_char(out, '\n');
    }
    status_draw(live, out);
    queued_draw(live, size->columns, out);
    const int before = cells_lines(text_bytes(out));
    if (has_line(live)) {
        cursor = edit_line_draw(&live->edit, text_bytes(&prompt), size->columns, out);
    }
    cursor.row += before;
    return cursor;
}

void live_write(const struct text *out) {
    fwrite(text_bytes(out).data, 1, out->len, stdout);
    (void)fflush(stdout); /* A terminal that is gone shows when it is read. */
}

/* `picture` false: only what stands above, and the cursor below it. */
void live_draw(struct live *live, bool picture) {
    AUTO(text_done) struct text shown = text_up_to(LIVE_SCREEN_MAX);
    const struct terminal_size size = live_view_resize(&live->view);
    struct edit_place cursor = {0};
    if (!live_is_terminal(live)) {
        return;
    }
    live->chat->paint.columns = live->conversation.markdown.paint.columns = size.columns - 1;
    if (picture) {
        cursor = picture_make(live, &size, &shown);
        picture_fit(&shown, size.rows - 1, &cursor);
    }
    const struct live_cursor at = {cursor.row, cursor.column};
    live_view_show(&live->view, &shown, picture && has_line(live) ? &at : NULL);
}
