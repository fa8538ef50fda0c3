/* edit_line.c: a key is read whole before it is obeyed: one byte, one character of UTF-8, or an
 * escape sequence (ESC [ … letter, ESC O letter, ESC key). */
#include "cli/terminal/edit_line.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "cli/terminal/cells.h"

enum {
    CTRL_C = 3,
    CTRL_D = 4,
    CTRL_G = 7,
    TAB = 9,
    CTRL_L = 12,
    ENTER = 13,
    CTRL_R = 18,
    CTRL_Z = 26
};
enum { ESCAPE = 27, BACKSPACE = 127 };

void edit_line_init(struct edit_line *edit) {
    *edit = (struct edit_line){.mode = EDIT_TYPING};
    text_init(&edit->text, EDIT_LINE_MAX);
}

void edit_line_done(struct edit_line *edit) {
    for (size_t i = 0; i < edit->count; i++) {
        mem_free(edit->history[i]);
    }
    mem_free(edit->draft);
    text_done(&edit->text);
}

struct bytes edit_line_text(const struct edit_line *edit) {
    return text_bytes(&edit->text);
}

/* --- The line --------------------------------------------------------------------------------- */

static bool byte_continues(const struct edit_line *edit, size_t at) {
    return ((unsigned char)edit->text.data[at] & 0xC0) == 0x80;
}

/* A combining mark takes no cell, and is one with the character before it. */
static bool mark_stands_at(const struct edit_line *edit, size_t at) {
    int cells = 1;
    if (at < edit->text.len && edit->text.data[at] != '\n') {
        (void)cells_step(text_bytes(&edit->text), at, &cells); /* Only the width is asked for. */
    }
    return cells == 0;
}

static size_t char_before(const struct edit_line *edit, size_t at) {
    do {
        at -= at > 0;
    } while (at > 0 && (byte_continues(edit, at) || mark_stands_at(edit, at)));
    return at;
}

static size_t char_after(const struct edit_line *edit, size_t at) {
    do {
        at += at < edit->text.len;
    } while (at < edit->text.len && (byte_continues(edit, at) || mark_stands_at(edit, at)));
    return at;
}

static void range_cut(struct edit_line *edit, size_t from, size_t to) {
    if (from < to) {
        memmove(edit->text.data + from, edit->text.data + to, edit->text.len - to);
        text_cut(&edit->text, edit->text.len - (to - from));
        edit->at = from;
    }
}

static void text_insert(struct edit_line *edit, struct bytes what) {
    if (what.len == 0 || edit->text.len + what.len >= EDIT_LINE_MAX) {
        return;
    }
    size_t after = edit->text.len - edit->at;
    text_add(&edit->text, what.data, what.len);
    if (!text_failed(&edit->text)) {
        memmove(edit->text.data + edit->at + what.len, edit->text.data + edit->at, after);
        memcpy(edit->text.data + edit->at, what.data, what.len);
        edit->at += what.len;
    }
}

static void line_set(struct edit_line *edit, struct bytes text) {
    text_clear(&edit->text);
    text_add(&edit->text, text.data, text.len);
    edit->at = edit->text.len;
}

void edit_line_set(struct edit_line *edit, struct bytes text) {
    line_set(edit, text);
    edit->back = 0;
    edit->mode = EDIT_TYPING;
}

void edit_line_replace(struct edit_line *edit, size_t from, struct bytes text) {
    range_cut(edit, from, edit->at);
    text_insert(edit, text);
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

/* --- History ---------------------------------------------------------------------------------- */

void edit_line_remember(struct edit_line *edit, struct bytes line) {
    bool same = edit->count > 0 && bytes_is(line, edit->history[edit->count - 1]);
    if (line.len == 0 || same) {
        return;
    }
    if (edit->count == EDIT_HISTORY_MAX) {
        mem_free(edit->history[0]);
        memmove(edit->history, edit->history + 1, (EDIT_HISTORY_MAX - 1) * sizeof *edit->history);
        edit->count--;
    }
    edit->history[edit->count++] = mem_copy(line.data, line.len);
}

static void draft_keep(struct edit_line *edit) {
    struct bytes text = text_bytes(&edit->text);
    mem_free(edit->draft);
    edit->draft = mem_copy(text.data, text.len);
}

/* The line that is `back` up; the line itself where that is 0. */
static void history_show(struct edit_line *edit, size_t back) {
    edit->back = back;
    line_set(edit, bytes_of(back == 0 ? edit->draft : edit->history[edit->count - back]));
}

static void history_up(struct edit_line *edit) {
    if (edit->back < edit->count) {
        if (edit->back == 0) {
            draft_keep(edit);
        }
        history_show(edit, edit->back + 1);
    }
}

static void history_down(struct edit_line *edit) {
    if (edit->back > 0) {
        history_show(edit, edit->back - 1);
    }
}

/* --- Search ----------------------------------------------------------------------------------- */

/* Shows the newest line from `back` on that holds the query; without one the line stays. */
static void search_from(struct edit_line *edit, size_t back) {
    edit->query[edit->query_len] = '\0';
    for (; edit->query_len > 0 && back <= edit->count; back++) {
        if (back > 0 && strstr(edit->history[edit->count - back], edit->query) != NULL) {
            history_show(edit, back);
            return;
        }
    }
}

static void search_begin(struct edit_line *edit) {
    draft_keep(edit);
    edit->mode = EDIT_SEARCHING;
    edit->query_len = edit->back = 0;
}

static void search_cancel(struct edit_line *edit) {
    edit->mode = EDIT_TYPING;
    history_show(edit, 0);
}

/* False: the key ends the search, and means what it always does. */
static bool search_obey(struct edit_line *edit, struct bytes key) {
    unsigned char first = (unsigned char)key.data[0];
    if (first == CTRL_R) {
        search_from(edit, edit->back + 1);
    } else if (first == CTRL_C || first == CTRL_G || (first == ESCAPE && key.len == 1)) {
        search_cancel(edit);
    } else if (first == BACKSPACE || first == 8) {
        edit->query_len = utf8_cut((struct bytes){edit->query, edit->query_len},
                                   edit->query_len - (edit->query_len > 0));
        search_from(edit, 1);
    } else if (first >= 0x20 && edit->query_len + key.len < sizeof edit->query) {
        memcpy(edit->query + edit->query_len, key.data, key.len);
        edit->query_len += key.len;
        search_from(edit, edit->back == 0 ? 1 : edit->back);
    } else {
        edit->mode = EDIT_TYPING;
        return first == ENTER; /* Enter takes the line over; a second one sends it. */
    }
    return true;
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

static void action_do(struct edit_line *edit, enum edit_action action) {
    const size_t at = edit->at, end = edit->text.len;
    switch (action) {
    case GO_UP:
        history_up(edit);
        break;
    case GO_DOWN:
        history_down(edit);
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
        range_cut(edit, action == CUT_LEFT ? char_before(edit, at) : word_begin(edit), at);
        break;
    case CUT_RIGHT:
    case CUT_REST:
        range_cut(edit, at, action == CUT_RIGHT ? char_after(edit, at) : end);
        break;
    case CUT_ALL:
        range_cut(edit, 0, end);
        break;
    case BREAK_LINE:
        text_insert(edit, BYTES("\n"));
        break;
    }
}

static void text_obey(struct edit_line *edit, struct bytes key) {
    if ((unsigned char)key.data[0] >= 0x20 && utf8_valid(key.data, key.len) &&
        utf8_control_len(key) == 0) {
        text_insert(edit, key);
    }
}

/* A terminal ends the lines of a paste with CR; a tab is kept as a blank. */
static enum edit_event paste_obey(struct edit_line *edit, struct bytes key) {
    char first = key.data[0];
    if (bytes_is(key, "\033[201~")) {
        edit->mode = EDIT_TYPING;
    } else if (first == ENTER || first == '\n') {
        text_insert(edit, BYTES("\n"));
    } else if (first == TAB) {
        text_insert(edit, BYTES("    "));
    } else {
        text_obey(edit, key);
    }
    return EDIT_CHANGED;
}

static enum edit_event enter_obey(struct edit_line *edit) {
    bool continues =
        edit->at > 0 && edit->at == edit->text.len && edit->text.data[edit->at - 1] == '\\';
    if (continues) {
        edit_line_replace(edit, edit->at - 1, BYTES("\n"));
    }
    return continues ? EDIT_CHANGED : EDIT_ENTER;
}

/* Other control characters, and escape sequences that nobody knows, mean nothing here. */
static enum edit_event key_obey(struct edit_line *edit, struct bytes key) {
    unsigned char first = (unsigned char)key.data[0];
    if (edit->mode == EDIT_PASTING) {
        return paste_obey(edit, key);
    }
    if (edit->mode == EDIT_SEARCHING && search_obey(edit, key)) {
        return EDIT_CHANGED;
    }
    if (bytes_is(key, "\033[200~")) {
        edit->mode = EDIT_PASTING;
        return EDIT_CHANGED;
    }
    for (size_t i = 0; i < COUNT_OF(actions); i++) {
        if (bytes_is(key, actions[i].key)) {
            action_do(edit, actions[i].action);
            return EDIT_CHANGED;
        }
    }
    switch (first) {
    case ENTER:
    case '\n':
        return enter_obey(edit);
    case CTRL_C:
        return EDIT_INTERRUPT;
    case CTRL_D:
        if (edit->text.len == 0) {
            return EDIT_END;
        }
        action_do(edit, CUT_RIGHT);
        return EDIT_CHANGED;
    case TAB:
        return EDIT_COMPLETE;
    case CTRL_L:
        return EDIT_REDRAW;
    case CTRL_Z:
        return EDIT_SUSPEND;
    case CTRL_R:
        search_begin(edit);
        return EDIT_CHANGED;
    default:
        text_obey(edit, key);
        return EDIT_CHANGED;
    }
}

size_t edit_line_feed(struct edit_line *edit, struct bytes typed, enum edit_event *ret_event) {
    size_t used = 0;
    *ret_event = EDIT_CHANGED;
    while (used < typed.len && *ret_event == EDIT_CHANGED) {
        edit->key[edit->key_len++] = typed.data[used++];
        struct bytes key = {edit->key, edit->key_len};
        if (key_len(key) <= edit->key_len || edit->key_len == sizeof edit->key) {
            edit->key_len = 0;
            *ret_event = key_obey(edit, key);
        }
    }
    return used;
}

bool edit_line_is_partial(const struct edit_line *edit) {
    return edit->key_len > 0;
}

void edit_line_settle(struct edit_line *edit) {
    struct bytes key = {edit->key, edit->key_len};
    edit->key_len = 0;
    if (key.len > 0 && edit->mode == EDIT_SEARCHING) {
        (void)search_obey(edit, key); /* A lone Escape ends a search, and means nothing else. */
    }
}

/* --- The picture ------------------------------------------------------------------------------ */

/* Adds a row break where the next character would pass the last column. */
static void place_advance(struct edit_place *place, int cells, int columns, struct text *out) {
    if (place->column + cells > columns && place->column > 0) {
        text_add_char(out, '\n');
        *place = (struct edit_place){.row = place->row + 1};
    }
    place->column += cells;
}

static void piece_draw(struct edit_place *place, struct bytes piece, int columns,
                       struct text *out) {
    for (size_t at = 0, len = 0; at < piece.len; at += len) {
        int cells = 0;
        len = cells_step(piece, at, &cells);
        if (piece.data[at] == '\n') {
            text_add_char(out, '\n');
            *place = (struct edit_place){.row = place->row + 1};
            continue;
        }
        place_advance(place, cells, columns, out);
        text_add(out, piece.data + at, len);
    }
}

struct edit_place edit_line_draw(const struct edit_line *edit, struct bytes prompt, int columns,
                                 struct text *out) {
    struct edit_place place = {0}, cursor;
    struct bytes line = text_bytes(&edit->text);
    int width = columns > 1 ? columns - 1 : 1; /* The cursor needs a cell after the last one. */
    if (edit->mode == EDIT_SEARCHING) {
        piece_draw(&place, BYTES("search '"), width, out);
        piece_draw(&place, (struct bytes){edit->query, edit->query_len}, width, out);
        piece_draw(&place, BYTES("': "), width, out);
    } else {
        piece_draw(&place, prompt, width, out);
    }
    piece_draw(&place, (struct bytes){line.data, edit->at}, width, out);
    cursor = place;
    piece_draw(&place, (struct bytes){line.data + edit->at, line.len - edit->at}, width, out);
    text_add_char(out, '\n');
    return cursor;
}
