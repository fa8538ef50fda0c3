/* line.c: see line.h. */
#include "agent/line.h"

#include <stdio.h>

#include "base/utf8.h"

#define REPLACEMENT "\xef\xbf\xbd"

void program_line_init(struct program_line *line, enum program_text_kind kind, size_t max) {
    line->kind = kind;
    line->max = max;
}

void program_line_done(struct program_line *line) {
    mem_free(line->raw);
    mem_free(line->kept);
}

void program_line_clear(struct program_line *line) {
    *line = (struct program_line){
        .kind = line->kind, .max = line->max, .raw = line->raw, .kept = line->kept};
}

/* --- JSON that becomes smaller ---------------------------------------------------------------- */

static void kept_add(struct program_line *line, const char *bytes, size_t len) {
    if (line->kept == NULL) {
        line->kept = mem_new_array(line->max, 1);
    }
    line->full = line->full || len > line->max - line->kept_len;
    if (!line->full) {
        memcpy(line->kept + line->kept_len, bytes, len);
        line->kept_len += len;
    }
}

/* A character of a string, or an escape: half of one is never kept. */
static void string_add(struct program_line *line, const char *bytes, size_t len) {
    const size_t brief = line->max / 4096 + 32, strings = line->max / 4 * 3;
    const bool fits = line->string_len + len <= brief ||
                      (line->string_len + len <= line->max / 2 && line->kept_len < strings);
    if (line->skip_depth == 0 && line->string_lost == 0 && fits) {
        kept_add(line, bytes, len);
        line->string_len += len;
    } else {
        line->string_lost += (int64_t)len;
        line->left_out += (int64_t)len;
    }
}

static void string_begin(struct program_line *line) {
    line->in_string = true;
    line->string_len = 0;
    line->string_lost = 0;
    if (line->skip_depth == 0) {
        kept_add(line, "\"", 1);
    }
}

static void string_end(struct program_line *line) {
    char mark[80];
    line->in_string = false;
    if (line->skip_depth > 0) {
        return;
    }
    if (line->string_lost > 0) {
        const int len = snprintf(mark, sizeof mark, "\\n[drover: %lld bytes are left out]",
                                 (long long)line->string_lost);
        kept_add(line, mark, (size_t)len);
    }
    kept_add(line, "\"", 1);
}

/* Backslash and letter, or backslash, u and four digits. */
static void escape_add(struct program_line *line, const char *bytes, size_t len) {
    if (line->escape_len + len <= sizeof line->escape) {
        memcpy(line->escape + line->escape_len, bytes, len);
        line->escape_len += len;
    }
    const size_t whole = line->escape_len > 1 && line->escape[1] == 'u' ? sizeof line->escape : 2;
    if (line->escape_len >= whole || len > 1) {
        string_add(line, line->escape, line->escape_len);
        line->escape_len = 0;
    }
}

static void in_string_add(struct program_line *line, const char *bytes, size_t len) {
    if (line->escape_len > 0 || bytes[0] == '\\') {
        escape_add(line, bytes, len);
    } else if (bytes[0] == '"') {
        string_end(line);
    } else {
        string_add(line, bytes, len);
    }
}

/* Between strings. Blanks mean nothing there. */
static void between_add(struct program_line *line, const char *bytes, size_t len) {
    const bool begins = bytes[0] == '{' || bytes[0] == '[';
    const bool ends = bytes[0] == '}' || bytes[0] == ']';
    line->depth += begins - ends;
    if (ends && line->depth < line->skip_depth) {
        line->skip_depth = 0;
    }
    const bool late = line->kept_len > line->max / 8 * 7;
    if (line->skip_depth == 0 && bytes[0] == ',' && line->depth >= 2 && late) {
        line->skip_depth = line->depth;
    }
    if (bytes[0] == '"') {
        string_begin(line);
    } else if (line->skip_depth > 0) {
        line->left_out += (int64_t)len;
    } else if (memchr(" \t\r", bytes[0], 3) == NULL) {
        kept_add(line, bytes, len);
    }
}

/* --- Characters ------------------------------------------------------------------------------- */

static void char_add(struct program_line *line, const char *bytes, size_t len) {
    if (line->kind == PROGRAM_PRINTS_TEXT) {
        kept_add(line, bytes, len);
    } else if (line->in_string) {
        in_string_add(line, bytes, len);
    } else {
        between_add(line, bytes, len);
    }
}

/* Length of the character that begins so; 0: none does. */
static size_t char_len(unsigned char first) {
    return first < 0x80                    ? 1
           : first >= 0xc2 && first < 0xe0 ? 2
           : first >= 0xe0 && first < 0xf0 ? 3
           : first >= 0xf0 && first < 0xf5 ? 4
                                           : 0;
}

/* Whole characters of those that are pending; with `rest`, all of them. */
static void pending_flush(struct program_line *line, bool rest) {
    while (line->pending_len > 0) {
        const size_t whole = char_len((unsigned char)line->pending[0]);
        size_t valid = 1;
        while (valid < line->pending_len && ((unsigned char)line->pending[valid] & 0xc0) == 0x80) {
            valid++;
        }
        if (!rest && valid == line->pending_len && valid < whole) {
            return; /* The rest may follow. */
        }
        const bool good =
            whole > 0 && whole <= line->pending_len && utf8_valid(line->pending, whole);
        const size_t used = good ? whole : 1;
        char_add(line, good ? line->pending : REPLACEMENT, good ? whole : sizeof REPLACEMENT - 1);
        line->pending_len -= used;
        memmove(line->pending, line->pending + used, line->pending_len);
    }
}

static void byte_add(struct program_line *line, char byte) {
    if (line->pending_len == 0 && (unsigned char)byte < 0x80) {
        char_add(line, &byte, 1);
        return;
    }
    line->pending[line->pending_len++] = byte;
    pending_flush(line, /* rest */ false);
}

/* --- Lines ------------------------------------------------------------------------------------ */

static void json_feed(struct program_line *line, struct bytes bytes) {
    if (!line->shrinks && line->raw_len + bytes.len <= line->max) {
        line->raw = line->raw == NULL ? mem_new_array(line->max, 1) : line->raw;
        memcpy(line->raw + line->raw_len, bytes.len == 0 ? "" : bytes.data, bytes.len);
        line->raw_len += bytes.len;
        return;
    }
    for (size_t i = 0; !line->shrinks && i < line->raw_len; i++) {
        byte_add(line, line->raw[i]);
    }
    line->shrinks = true;
    for (size_t i = 0; i < bytes.len; i++) {
        byte_add(line, bytes.data[i]);
    }
}

static enum program_line_state json_end(struct program_line *line, struct bytes *ret_text,
                                        enum program_line_form *ret_form) {
    *ret_form = PROGRAM_LINE_WHOLE;
    if (!line->shrinks && (line->raw_len == 0 || utf8_valid(line->raw, line->raw_len))) {
        *ret_text = (struct bytes){line->raw_len == 0 ? "" : line->raw, line->raw_len};
        return LINE_READ;
    }
    for (size_t i = 0; !line->shrinks && i < line->raw_len; i++) {
        byte_add(line, line->raw[i]);
    }
    pending_flush(line, /* rest */ true);
    *ret_text = (struct bytes){line->kept_len == 0 ? "" : line->kept, line->kept_len};
    *ret_form = line->left_out > 0 ? PROGRAM_LINE_CUT : PROGRAM_LINE_WHOLE;
    return line->full ? LINE_LOST : LINE_READ;
}

static enum program_line_state text_end(struct program_line *line, struct bytes *ret_text,
                                        enum program_line_form *ret_form) {
    pending_flush(line, /* rest */ true);
    *ret_text = (struct bytes){line->kept_len == 0 ? "" : line->kept, line->kept_len};
    *ret_form = PROGRAM_LINE_WHOLE;
    return LINE_READ;
}

enum program_line_state program_line_end(struct program_line *line, struct bytes *ret_text,
                                         enum program_line_form *ret_form) {
    return line->kind == PROGRAM_PRINTS_TEXT ? text_end(line, ret_text, ret_form)
                                             : json_end(line, ret_text, ret_form);
}

/* Bytes that were taken before a part was full. */
static size_t text_feed(struct program_line *line, struct bytes bytes) {
    enum { ROOM = 4 * (sizeof REPLACEMENT - 1) }; /* For all that may be pending. */
    size_t used = 0;
    while (used < bytes.len && (line->pending_len > 0 || line->kept_len + 2 * ROOM <= line->max)) {
        byte_add(line, bytes.data[used++]);
    }
    return used;
}

size_t program_line_feed(struct program_line *line, struct bytes bytes,
                         enum program_line_state *ret_state, struct bytes *ret_text,
                         enum program_line_form *ret_form) {
    const char *end = bytes.len == 0 ? NULL : memchr(bytes.data, '\n', bytes.len);
    const struct bytes body = {bytes.data, end == NULL ? bytes.len : (size_t)(end - bytes.data)};
    size_t used = body.len;
    if (line->kind == PROGRAM_PRINTS_TEXT) {
        used = text_feed(line, body);
    } else {
        json_feed(line, body);
    }
    line->eaten += (int64_t)used;
    const bool endless =
        line->kind == PROGRAM_PRINTS_JSON && line->eaten > (int64_t)LINE_TIMES * (int64_t)line->max;
    if (used < body.len) {
        *ret_state = text_end(line, ret_text, ret_form);
        *ret_form = PROGRAM_LINE_PART;
    } else if (end != NULL) {
        line->eaten++;
        used++;
        *ret_state = endless ? LINE_LOST : program_line_end(line, ret_text, ret_form);
    } else {
        *ret_state = endless ? LINE_SKIPPED : LINE_BEGUN;
    }
    return used;
}
