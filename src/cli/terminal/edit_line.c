/* edit_line.c: keys in, a line out; each change draws the line anew from where it began.
 *
 * A key is read whole before it is obeyed: one byte, one character of UTF-8, or an escape sequence
 * (ESC [ … letter, ESC O letter, ESC key). Every character is taken to be one column wide. */
#include "cli/terminal/edit_line.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "cli/terminal/paint.h"
#include "cli/terminal/raw_terminal.h"

enum { KEY_SIZE = 32, COLUMNS = 80, ESCAPE_MS = 50 };

enum { CTRL_C = 3, CTRL_D = 4, ENTER = 13, ESCAPE = 27 };

void edit_line_init(struct edit_line *edit, int interrupt_fd) {
    *edit = (struct edit_line){.interrupt_fd = interrupt_fd};
    text_init(&edit->text, EDIT_LINE_MAX);
}

void edit_line_done(struct edit_line *edit) {
    for (size_t i = 0; i < edit->count; i++) {
        mem_free(edit->history[i]);
    }
    mem_free(edit->draft);
    text_done(&edit->text);
}

/* --- The screen ------------------------------------------------------------------------------- */

struct place {
    size_t row, column;
};

/* Where the cursor stands behind the prompt and so many bytes. */
static struct place place_of(const char *prompt, struct bytes text, size_t columns) {
    struct place place = {.column = strlen(prompt)};
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c == '\n' || (place.column >= columns && (c & 0xC0) != 0x80)) {
            place = (struct place){.row = place.row + 1};
        }
        place.column += c != '\n' && (c & 0xC0) != 0x80;
    }
    return place;
}

static void move(size_t count, char direction) {
    if (count > 0) {
        printf("\033[%zu%c", count, direction);
    }
}

static void draw(struct edit_line *edit, const char *prompt) {
    struct terminal_size size;
    size_t columns = terminal_size(STDOUT_FILENO, &size) ? (size_t)size.columns : COLUMNS;
    const struct bytes all = {edit->text.data, edit->text.len}, before = {all.data, edit->at};
    struct place end = place_of(prompt, all, columns), cursor = place_of(prompt, before, columns);
    move(edit->row, 'A');
    printf("\r\033[J%s", prompt);
    for (size_t i = 0; i < all.len; i++) {
        fputs(all.data[i] == '\n' ? "\r\n" : "", stdout);
        fwrite(&all.data[i], 1, all.data[i] != '\n', stdout);
    }
    move(end.row - cursor.row, 'A');
    fputc('\r', stdout);
    move(cursor.column, 'C');
    edit->row = cursor.row;
    (void)fflush(stdout); /* A terminal that is gone shows when it is read. */
}

/* --- The line --------------------------------------------------------------------------------- */

static size_t char_before(const struct edit_line *edit, size_t at) {
    do {
        at -= at > 0;
    } while (at > 0 && ((unsigned char)edit->text.data[at] & 0xC0) == 0x80);
    return at;
}

static size_t char_after(const struct edit_line *edit, size_t at) {
    do {
        at += at < edit->text.len;
    } while (at < edit->text.len && ((unsigned char)edit->text.data[at] & 0xC0) == 0x80);
    return at;
}

static void cut(struct edit_line *edit, size_t from, size_t to) {
    if (from < to) {
        memmove(edit->text.data + from, edit->text.data + to, edit->text.len - to);
        edit->text.len -= to - from;
        edit->text.data[edit->text.len] = '\0';
        edit->at = from;
    }
}

static void insert(struct edit_line *edit, struct bytes what) {
    if (edit->text.len + what.len >= EDIT_LINE_MAX) {
        return;
    }
    size_t behind_it = edit->text.len - edit->at;
    text_add(&edit->text, what.data, what.len);
    if (!text_failed(&edit->text)) {
        memmove(edit->text.data + edit->at + what.len, edit->text.data + edit->at, behind_it);
        memcpy(edit->text.data + edit->at, what.data, what.len);
        edit->at += what.len;
    }
}

static void replace(struct edit_line *edit, const char *text) {
    text_clear(&edit->text);
    text_add_str(&edit->text, text);
    edit->at = edit->text.len;
}

static size_t word_begin(const struct edit_line *edit) {
    size_t at = edit->at;
    while (at > 0 && edit->text.data[at - 1] == ' ') {
        at--;
    }
    while (at > 0 && edit->text.data[at - 1] != ' ') {
        at--;
    }
    return at;
}

/* --- What was typed before -------------------------------------------------------------------- */

static void history_add(struct edit_line *edit) {
    bool same = edit->count > 0 && strcmp(edit->history[edit->count - 1], edit->text.data) == 0;
    if (edit->text.len == 0 || same) {
        return;
    }
    if (edit->count == EDIT_HISTORY_MAX) {
        mem_free(edit->history[0]);
        memmove(edit->history, edit->history + 1, (EDIT_HISTORY_MAX - 1) * sizeof *edit->history);
        edit->count--;
    }
    edit->history[edit->count++] = mem_copy(edit->text.data, edit->text.len);
}

static void history_go(struct edit_line *edit, int by) {
    if ((by > 0 && edit->back == edit->count) || (by < 0 && edit->back == 0)) {
        return;
    }
    if (edit->back == 0) {
        mem_free(edit->draft);
        edit->draft = mem_copy(edit->text.len > 0 ? edit->text.data : "", edit->text.len);
    }
    edit->back = by > 0 ? edit->back + 1 : edit->back - 1;
    replace(edit, edit->back == 0 ? edit->draft : edit->history[edit->count - edit->back]);
}

/* --- Keys ------------------------------------------------------------------------------------- */

/* Length of the whole key that begins so. */
static size_t key_len(struct bytes key) {
    unsigned char first = (unsigned char)key.data[0], last = (unsigned char)key.data[key.len - 1];
    if (first == ESCAPE && key.len >= 2 && (key.data[1] == '[' || key.data[1] == 'O')) {
        return key.len >= 3 && last >= 0x40 && last <= 0x7E ? key.len : key.len + 1;
    }
    return first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 || first == ESCAPE ? 2 : 1;
}

/* Reads a key into `room`. An empty one: the terminal is gone. A part of one: a lone ESC, or the
 * end. */
static struct err read_key(const struct edit_line *edit, char room[KEY_SIZE],
                           struct bytes *ret_key) {
    size_t len = 0, whole = 1;
    *ret_key = (struct bytes){room, 0};
    while (len < whole && len < KEY_SIZE) {
        struct pollfd polls[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                                 {.fd = edit->interrupt_fd, .events = POLLIN}};
        int ready = poll(polls, COUNT_OF(polls), len == 0 ? -1 /* for ever */ : ESCAPE_MS);
        if (ready < 0 && errno != EINTR) {
            return err_from_errno(errno, "line: poll");
        }
        if (ready > 0 && (polls[1].revents & POLLIN) != 0) {
            return err_make(ERR_INTERRUPTED, "line: wait");
        }
        if (ready <= 0 || read(STDIN_FILENO, &room[len], 1) != 1) {
            return ERR_OK; /* Nothing came in time, or nothing ever will. */
        }
        ret_key->len = ++len;
        whole = key_len(*ret_key);
    }
    return ERR_OK;
}

enum edit_action {
    GO_UP,
    GO_DOWN,
    GO_RIGHT,
    GO_LEFT,
    GO_HOME,
    GO_END,
    CUT_LEFT,
    CUT_RIGHT,
    CUT_REST,
    CUT_ALL,
    CUT_WORD,
    BREAK_LINE
};
/* The last seven: Ctrl-A, Ctrl-E, Ctrl-H, Backspace, Ctrl-K, Ctrl-U, Ctrl-W. */
static const struct {
    const char *key;
    enum edit_action action;
} actions[] = {
    {"\033[A", GO_UP},    {"\033OA", GO_UP},    {"\033[B", GO_DOWN},    {"\033OB", GO_DOWN},
    {"\033[C", GO_RIGHT}, {"\033OC", GO_RIGHT}, {"\033[D", GO_LEFT},    {"\033OD", GO_LEFT},
    {"\033[H", GO_HOME},  {"\033OH", GO_HOME},  {"\033[1~", GO_HOME},   {"\033[F", GO_END},
    {"\033OF", GO_END},   {"\033[4~", GO_END},  {"\033[3~", CUT_RIGHT}, {"\033\r", BREAK_LINE},
    {"\001", GO_HOME},    {"\005", GO_END},     {"\010", CUT_LEFT},     {"\177", CUT_LEFT},
    {"\013", CUT_REST},   {"\025", CUT_ALL},    {"\027", CUT_WORD}};

static void act(struct edit_line *edit, enum edit_action action) {
    const size_t at = edit->at, end = edit->text.len;
    switch (action) {
    case GO_UP:
    case GO_DOWN:
        history_go(edit, action == GO_UP ? 1 : -1);
        break;
    case GO_RIGHT:
    case GO_LEFT:
        edit->at = action == GO_RIGHT ? char_after(edit, at) : char_before(edit, at);
        break;
    case GO_HOME:
    case GO_END:
        edit->at = action == GO_HOME ? 0 : end;
        break;
    case CUT_LEFT:
    case CUT_WORD:
        cut(edit, action == CUT_LEFT ? char_before(edit, at) : word_begin(edit), at);
        break;
    case CUT_RIGHT:
    case CUT_REST:
        cut(edit, at, action == CUT_RIGHT ? char_after(edit, at) : end);
        break;
    case CUT_ALL:
        cut(edit, 0, end);
        break;
    case BREAK_LINE:
        insert(edit, BYTES("\n"));
        break;
    }
}

/* Other control characters, and escape sequences that nobody knows, mean nothing here. */
static void obey(struct edit_line *edit, struct bytes key, bool pasting) {
    unsigned char first = (unsigned char)key.data[0];
    size_t i = 0;
    while (i < COUNT_OF(actions) && !bytes_is(key, actions[i].key)) {
        i++;
    }
    if (pasting && (first == ENTER || first == '\n')) {
        insert(edit, BYTES("\n"));
    } else if (i < COUNT_OF(actions)) {
        act(edit, actions[i].action);
    } else if (first >= 0x20 && utf8_valid(key.data, key.len)) {
        insert(edit, key);
    }
}

struct err edit_line_next(struct edit_line *edit, const char *prompt, struct bytes *ret_line) {
    struct raw_terminal terminal = {.raw = false};
    bool pasting = false, done = false, over = false;
    text_clear(&edit->text);
    text_add(&edit->text, "", 0);
    edit->at = edit->back = edit->row = 0;
    if (!raw_terminal_begin(&terminal)) {
        return err_make(ERR_IO, "line: no terminal");
    }
    struct err err = ERR_OK;
    fputs("\033[?2004h", stdout); /* Pastes come between two marks. */
    while (!err_failed(err) && !done && !over) {
        char room[KEY_SIZE];
        struct bytes key = {room, 0};
        draw(edit, prompt);
        err = read_key(edit, room, &key);
        if (err_failed(err)) {
            break;
        }
        int first = key.len == 0 ? -1 : (unsigned char)key.data[0];
        /* Between the two marks of a paste a line break is text. */
        pasting = bytes_is(key, "\033[200~") || (pasting && !bytes_is(key, "\033[201~"));
        done = !pasting && (first == ENTER || first == '\n');
        over = first < 0 || (first == CTRL_D && edit->text.len == 0);
        if (first == CTRL_C) {
            err = err_make(ERR_INTERRUPTED, "line: Ctrl-C");
        } else if (!done && !over) {
            obey(edit, key, pasting);
        }
    }
    edit->at = edit->text.len;
    draw(edit, prompt);
    fputs("\033[?2004l\r\n", stdout);
    (void)fflush(stdout); /* As in draw. */
    raw_terminal_end(&terminal);
    if (!err_failed(err) && over) {
        *ret_line = (struct bytes){NULL, 0};
    } else if (!err_failed(err)) {
        text_add(&edit->text, "", 0);
        history_add(edit);
        *ret_line = text_bytes(&edit->text);
    }
    return err;
}
