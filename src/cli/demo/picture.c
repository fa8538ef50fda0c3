/* picture.c: see picture.h. The workflow is drawn as `drover run` draws it. */
#include "cli/demo/picture.h"

#include <limits.h>
#include <string.h>

#include "cli/terminal/cells.h"
#include "cli/terminal/plain.h"
#include "cli/workflow/draw.h"

enum {
    PICTURE_MAX = 64 << 10,
    LABEL = 7,           /* Cells of "you" and "model" with what follows them. */
    CHAT_ROWS_LEAST = 4, /* Before the workflow gets more than its least. */
    WORKFLOW_ROWS = 9,   /* All of it, without folding. */
    WORKFLOW_ROWS_LEAST = 4,
};

void demo_words_add(struct text *out, const struct demo_words *words) {
    struct bytes rest = bytes_of(words->words), word;
    int columns = words->columns > 0 ? words->columns : INT_MAX, at = words->indent;
    while (bytes_next(&rest, ' ', &word)) {
        if (at > words->indent && cells_of(word) >= columns - at) {
            text_addf(out, "\n%*s", words->indent, "");
            at = words->indent;
        } else if (at > words->indent) {
            text_add_char(out, ' ');
            at++;
        }
        at += cells_add(out, word, columns - words->indent);
    }
    text_add_char(out, '\n');
}

void demo_invite_add(struct text *out, int pid, int columns) {
    static const char invite[] = "kill -9 it now, I dare you:";
    AUTO(text_done) struct text command = text_up_to(64);
    text_addf(&command, "kill -9 %d", pid);
    bool fits = columns == 0 || (int)(strlen(invite) + 1 + command.len) <= columns;
    text_addf(out, "%s%s%s", invite, fits ? " " : "\n", text_bytes(&command).data);
}

/* "you    …" or "model  …"; each line of the text is one of its own. */
static void speech_add(const struct demo_picture *picture, const char *label, struct bytes text,
                       struct text *out) {
    enum colour colour = label[0] == 'y' ? COLOUR_BLUE : COLOUR_GREEN;
    struct bytes line;
    for (bool first = true; bytes_next(&text, '\n', &line); first = false) {
        AUTO(text_done) struct text plain = text_up_to(CHAT_TEXT_MAX), cut = {0};
        text_init(&cut, CHAT_TEXT_MAX);
        text_add(&cut, line.data, line.len);
        plain_add(&plain, text_bytes(&cut).data);
        text_addf(out, "%s%-*s%s", first ? paint_begin(&picture->paint, colour) : "", LABEL,
                  first ? label : "", first ? paint_end(&picture->paint, colour) : "");
        const struct demo_words words = {text_bytes(&plain).data, LABEL, picture->size.columns};
        demo_words_add(out, &words);
    }
}

static void chat_add(const struct demo_picture *picture, struct text *out) {
    for (size_t i = 0; i < picture->chat->count; i++) {
        const struct chat_exchange *exchange = &picture->chat->exchanges[i];
        if (exchange->begun) {
            speech_add(picture, "you", bytes_of(exchange->question), out);
            bool silent = exchange->answer.len == 0;
            struct bytes nothing = exchange->broken > 0 ? BYTES("… (again)") : BYTES("…");
            speech_add(picture, "model", silent ? nothing : text_bytes(&exchange->answer), out);
        }
    }
}

static void board_add(const struct demo_picture *picture, struct text *out) {
    AUTO(text_done) struct text shown = text_up_to(1 << 10);
    demo_board_show(picture->board, &shown);
    text_addf(out, "%s%-*s%s", paint_begin(&picture->paint, COLOUR_BLUE), LABEL, "board",
              paint_end(&picture->paint, COLOUR_BLUE));
    const struct demo_words words = {text_bytes(&shown).data, LABEL, picture->size.columns};
    demo_words_add(out, &words);
}

static void last_lines_add(struct text *out, struct bytes text, int most) {
    struct bytes line;
    for (int skip = cells_lines(text) - most; skip > 0; skip--) {
        (void)bytes_next(&text, '\n', &line); /* The line is there: it was counted. */
    }
    text_add(out, text.data, text.len);
}

void demo_picture_draw(const struct demo_picture *picture, struct text *out) {
    AUTO(text_done)
    struct text chat = text_up_to(PICTURE_MAX), below = text_up_to(PICTURE_MAX);
    AUTO(text_done) struct text board = text_up_to(PICTURE_MAX);
    text_addf(&below, "%s●%s ", paint_begin(&picture->paint, picture->colour),
              paint_end(&picture->paint, picture->colour));
    const struct demo_words daemon = {picture->daemon, 2, picture->size.columns};
    demo_words_add(&below, &daemon);
    if (picture->pid != 0) {
        text_add_str(&below, paint_begin(&picture->paint, COLOUR_YELLOW));
        demo_invite_add(&below, picture->pid, picture->size.columns);
        text_addf(&below, "%s\n", paint_end(&picture->paint, COLOUR_YELLOW));
    }
    chat_add(picture, &chat);
    board_add(picture, &board);
    /* Three blank lines. */
    int rows = picture->size.rows - 1 - cells_lines(text_bytes(&below)) -
               cells_lines(text_bytes(&board)) - 3;
    int above = rows - CHAT_ROWS_LEAST;
    above = above > WORKFLOW_ROWS         ? WORKFLOW_ROWS
            : above < WORKFLOW_ROWS_LEAST ? WORKFLOW_ROWS_LEAST
                                          : above;
    const struct workflow_draw draw = {.paint = picture->paint,
                                       .now_ms = picture->now_ms,
                                       .rows = above,
                                       .columns = picture->size.columns};
    size_t begin = out->len;
    workflow_draw(&draw, picture->tree, out);
    struct bytes drawn = {text_bytes(out).data + begin, out->len - begin};
    int left = rows - cells_lines(drawn);
    text_add_char(out, '\n');
    text_add(out, text_bytes(&board).data, board.len);
    text_add_char(out, '\n');
    last_lines_add(out, text_bytes(&chat), left > 0 ? left : 0);
    text_add_char(out, '\n');
    text_add(out, text_bytes(&below).data, below.len);
}
