/* edit_line.h: a line that is being typed: bytes of the keyboard in, a text with a cursor out.
 *
 *             Ctrl-R                      any other key
 *   TYPING ─────────────> SEARCHING ─────────────────────────> TYPING
 *      │ ^                    │ Ctrl-C, Ctrl-G, Escape: the draft comes back
 *      │ └────────────────────┘
 *      └── ESC[200~ ──> PASTING ── ESC[201~ ──> TYPING
 *
 * Keys       arrows, Home, End (also Ctrl-A, Ctrl-E), Backspace, Delete, Ctrl-U (all), Ctrl-W (a
 *            word), Ctrl-K (the rest), up and down through the history, Ctrl-R searches it, Enter;
 *            Alt-Enter, and Enter after a backslash, for a line break. A paste of several lines
 *            stays one.
 * Promise    no input or output: the owner reads the keyboard and draws. A character is whole:
 *            UTF-8 that arrives in pieces is joined, bytes that are no UTF-8 are dropped, and a
 *            combining mark belongs to the character before it.
 * Ownership  embedded; the text is borrowed until the next call.
 * Threads    any; pure.
 */
#ifndef DROVER_CLI_TERMINAL_EDIT_LINE_H
#define DROVER_CLI_TERMINAL_EDIT_LINE_H

#include "base/base.h"
#include "base/text.h"

enum { EDIT_LINE_MAX = 256 << 10, EDIT_HISTORY_MAX = 500, EDIT_KEY_MAX = 32, EDIT_QUERY_MAX = 120 };

enum edit_mode { EDIT_TYPING, EDIT_PASTING, EDIT_SEARCHING };
/* What the owner must act on. */
enum edit_event {
    EDIT_CHANGED, /* The line, or nothing at all. */
    EDIT_ENTER,
    EDIT_INTERRUPT, /* Ctrl-C; the line is as it was. */
    EDIT_END,       /* Ctrl-D on an empty line. */
    EDIT_COMPLETE,  /* Tab. */
    EDIT_REDRAW,    /* Ctrl-L. */
    EDIT_SUSPEND,   /* Ctrl-Z. */
};

struct edit_line {
    enum edit_mode mode;
    struct text text;                /* Owned: the line. */
    size_t at;                       /* Where the cursor is. */
    char *history[EDIT_HISTORY_MAX]; /* Owned; the newest is history[count - 1]. */
    size_t count, back;              /* back: how far up in it we are; 0: the line itself. */
    char *draft;                     /* Owned: the line itself, while we are up or searching. */
    char key[EDIT_KEY_MAX];          /* The part of a key that has come. */
    size_t key_len;
    char query[EDIT_QUERY_MAX]; /* Text that the search looks for. */
    size_t query_len;
};
void edit_line_init(struct edit_line *edit);
void edit_line_done(struct edit_line *edit);

/* Takes bytes up to the first event, and answers how many. Always at least one of them. */
MUST_CHECK size_t edit_line_feed(struct edit_line *edit, struct bytes typed,
                                 enum edit_event *ret_event);
/* A part of a key waits for the rest: call edit_line_settle if none comes within EDIT_ESCAPE_MS. A
 * lone Escape is a key, too. */
enum { EDIT_ESCAPE_MS = 50 };
bool edit_line_is_partial(const struct edit_line *edit);
void edit_line_settle(struct edit_line *edit);

struct bytes edit_line_text(const struct edit_line *edit);
void edit_line_set(struct edit_line *edit, struct bytes text);
/* Replaces the bytes from `from` up to the cursor. */
void edit_line_replace(struct edit_line *edit, size_t from, struct bytes text);
/* Adds a line to the history, unless it is the newest one already. */
void edit_line_remember(struct edit_line *edit, struct bytes line);

/* Adds the prompt and the line as rows of at most `columns` cells, each with a line break, and says
 * where the cursor is. A search shows its own prompt. */
struct edit_place {
    int row, column;
};
struct edit_place edit_line_draw(const struct edit_line *edit, struct bytes prompt, int columns,
                                 struct text *out);

#endif
