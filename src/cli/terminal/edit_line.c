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

enum {
    CTRL_A = 1,
    CTRL_C = 3,
    CTRL_D = 4,
    CTRL_E = 5,
    BELL = 8,
    CTRL_K = 11,
    ENTER = 13,
    CTRL_U = 21,
    CTRL_W = 23,
    ESCAPE = 27,
    BACKSPACE = 127
};

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

static size_t before(const struct edit_line *edit, size_t at) {
    do {
        at -= at > 0;
    } while (at > 0 && ((unsigned char)edit->text.data[at] & 0xC0) == 0x80);
    return at;
}

static size_t behind(const struct edit_line *edit, size_t at) {
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

static void remember(struct edit_line *edit) {
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

static void climb(struct edit_line *edit, int by) {
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

enum wait { WAIT_FOR_EVER = -1 };

/* *ret_byte -1: nothing came in time, or nothing ever will. */
static struct err read_byte(const struct edit_line *edit, int wait_ms, int *ret_byte) {
    struct pollfd polls[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                             {.fd = edit->interrupt_fd, .events = POLLIN}};
    unsigned char byte = 0;
    int ready = poll(polls, COUNT_OF(polls), wait_ms);
    if (ready < 0 && errno != EINTR) {
        return err_from_errno(errno, "line: poll");
    }
    if (ready > 0 && (polls[1].revents & POLLIN) != 0) {
        return err_make(ERR_INTERRUPTED, "line: wait");
    }
    *ret_byte = ready > 0 && read(STDIN_FILENO, &byte, 1) == 1 ? byte : -1;
    return ERR_OK;
}

struct key {
    char bytes[KEY_SIZE];
    size_t len; /* 0: the terminal is gone. */
};

static bool whole(const struct key *key) {
    unsigned char first = (unsigned char)key->bytes[0],
                  last = (unsigned char)key->bytes[key->len - 1];
    if (first == ESCAPE && key->len >= 2 && (key->bytes[1] == '[' || key->bytes[1] == 'O')) {
        return key->len >= 3 && last >= 0x40 && last <= 0x7E;
    }
    if (first == ESCAPE) {
        return key->len == 2;
    }
    size_t want = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 1;
    return key->len >= want;
}

static struct err read_key(const struct edit_line *edit, struct key *key) {
    int byte = 0;
    key->len = 0;
    do {
        struct err err = read_byte(edit, key->len == 0 ? WAIT_FOR_EVER : ESCAPE_MS, &byte);
        if (err_failed(err)) {
            return err;
        }
        if (byte < 0) {
            return ERR_OK; /* A lone ESC, or the end. */
        }
        key->bytes[key->len++] = (char)byte;
    } while (!whole(key) && key->len < KEY_SIZE);
    return ERR_OK;
}

static bool is_key(const struct key *key, const char *bytes) {
    return key->len == strlen(bytes) && memcmp(key->bytes, bytes, key->len) == 0;
}

static void go_up(struct edit_line *edit) {
    climb(edit, 1);
}

static void go_down(struct edit_line *edit) {
    climb(edit, -1);
}

static void go_right(struct edit_line *edit) {
    edit->at = behind(edit, edit->at);
}

static void go_left(struct edit_line *edit) {
    edit->at = before(edit, edit->at);
}

static void go_home(struct edit_line *edit) {
    edit->at = 0;
}

static void go_end(struct edit_line *edit) {
    edit->at = edit->text.len;
}

static void cut_right(struct edit_line *edit) {
    cut(edit, edit->at, behind(edit, edit->at));
}

static void break_line(struct edit_line *edit) {
    insert(edit, BYTES("\n"));
}

static const struct {
    const char *bytes;
    void (*obey)(struct edit_line *edit);
} escapes[] = {
    {"\033[A", go_up},    {"\033OA", go_up},    {"\033[B", go_down},    {"\033OB", go_down},
    {"\033[C", go_right}, {"\033OC", go_right}, {"\033[D", go_left},    {"\033OD", go_left},
    {"\033[H", go_home},  {"\033OH", go_home},  {"\033[1~", go_home},   {"\033[F", go_end},
    {"\033OF", go_end},   {"\033[4~", go_end},  {"\033[3~", cut_right}, {"\033\r", break_line},
};

static void obey_escape(struct edit_line *edit, const struct key *key) {
    for (size_t i = 0; i < COUNT_OF(escapes); i++) {
        if (is_key(key, escapes[i].bytes)) {
            escapes[i].obey(edit);
        }
    }
}

static void obey_control(struct edit_line *edit, int key) {
    switch (key) {
    case CTRL_A:
        edit->at = 0;
        break;
    case CTRL_E:
        edit->at = edit->text.len;
        break;
    case BELL:
    case BACKSPACE:
        cut(edit, before(edit, edit->at), edit->at);
        break;
    case CTRL_K:
        cut(edit, edit->at, edit->text.len);
        break;
    case CTRL_U:
        cut(edit, 0, edit->text.len);
        break;
    case CTRL_W:
        cut(edit, word_begin(edit), edit->at);
        break;
    default:
        break; /* Other keys of that kind mean nothing here. */
    }
}

/* Between the two marks of a paste a line break is text. */
static bool pastes(const struct key *key, bool pasting) {
    return is_key(key, "\033[200~") || (pasting && !is_key(key, "\033[201~"));
}

static void obey(struct edit_line *edit, const struct key *key, bool pasting) {
    unsigned char first = (unsigned char)key->bytes[0];
    if (first == ESCAPE) {
        obey_escape(edit, key);
    } else if (pasting && (first == ENTER || first == '\n')) {
        insert(edit, BYTES("\n"));
    } else if (first < 0x20 || first == BACKSPACE) {
        obey_control(edit, first);
    } else if (utf8_valid(key->bytes, key->len)) {
        insert(edit, (struct bytes){key->bytes, key->len});
    }
}

enum line_end { LINE_GOES_ON, LINE_DONE, LINE_OVER };

static struct err edit_key(struct edit_line *edit, bool *io_pasting, enum line_end *ret_end) {
    struct key key;
    struct err err = read_key(edit, &key);
    if (err_failed(err)) {
        return err;
    }
    int first = key.len == 0 ? -1 : (unsigned char)key.bytes[0];
    *io_pasting = pastes(&key, *io_pasting);
    if (first == CTRL_C) {
        return err_make(ERR_INTERRUPTED, "line: Ctrl-C");
    }
    bool over = first < 0 || (first == CTRL_D && edit->text.len == 0);
    bool done = !*io_pasting && (first == ENTER || first == '\n');
    *ret_end = over ? LINE_OVER : done ? LINE_DONE : LINE_GOES_ON;
    if (*ret_end == LINE_GOES_ON) {
        obey(edit, &key, *io_pasting);
    }
    return ERR_OK;
}

static struct err edit_keys(struct edit_line *edit, const char *prompt, enum line_end *ret_end) {
    struct err err = ERR_OK;
    bool pasting = false;
    *ret_end = LINE_GOES_ON;
    fputs("\033[?2004h", stdout); /* Pastes come between two marks. */
    while (!err_failed(err) && *ret_end == LINE_GOES_ON) {
        draw(edit, prompt);
        err = edit_key(edit, &pasting, ret_end);
    }
    edit->at = edit->text.len;
    draw(edit, prompt);
    fputs("\033[?2004l\r\n", stdout);
    (void)fflush(stdout); /* As in draw. */
    return err;
}

struct err edit_line_next(struct edit_line *edit, const char *prompt, struct bytes *ret_line) {
    struct raw_terminal terminal = {.raw = false};
    enum line_end end = LINE_OVER;
    text_clear(&edit->text);
    text_add(&edit->text, "", 0);
    edit->at = edit->back = edit->row = 0;
    if (!raw_terminal_begin(&terminal)) {
        return err_make(ERR_IO, "line: no terminal");
    }
    struct err err = edit_keys(edit, prompt, &end);
    raw_terminal_end(&terminal);
    if (err_failed(err)) {
        return err;
    }
    if (end == LINE_OVER) {
        *ret_line = (struct bytes){NULL, 0};
        return ERR_OK;
    }
    text_add(&edit->text, "", 0);
    remember(edit);
    *ret_line = (struct bytes){edit->text.data == NULL ? "" : edit->text.data, edit->text.len};
    return ERR_OK;
}
