/* logs_lines.c: ECMA-48, as far as it takes to know where a sequence ends.
 *
 *     ESC [ … final 40–7E                  CSI: colours, cursor
 *     ESC ] … (BEL | ESC \)                OSC: titles, links
 *     ESC P, X, ^ or _ … (BEL | ESC \)     other strings
 *     ESC 20–2F … final 30–7E              character sets
 *     ESC final
 */
#include "api/job/logs_search.h"

#include <string.h>

#include "base/memory.h"

enum { TEXT, ESCAPE, CONTROL, STRING, STRING_ESCAPE, CHARSET };
enum { BELL = 0x07, ESC = 0x1B, DELETE = 0x7F };

void log_lines_init(struct log_lines *lines, enum search_text kind,
                    struct err (*each)(void *ctx, struct bytes line), void *ctx) {
    *lines = (struct log_lines){
        .kind = kind, .line = mem_new(SEARCH_LINE_MAX), .each = each, .ctx = ctx};
}

void log_lines_done(struct log_lines *lines) {
    mem_free(lines->line);
    lines->line = NULL;
}

static unsigned char after_escape(unsigned char byte) {
    switch (byte) {
    case '[':
        return CONTROL;
    case ']':
    case 'P':
    case 'X':
    case '^':
    case '_':
        return STRING;
    case ESC:
        return ESCAPE;
    default:
        return byte >= 0x20 && byte <= 0x2F ? CHARSET : TEXT;
    }
}

static unsigned char after_byte(unsigned char state, unsigned char byte) {
    switch (state) {
    case ESCAPE:
        return after_escape(byte);
    case CONTROL:
        return byte == ESC ? ESCAPE : byte >= 0x40 && byte <= 0x7E ? TEXT : CONTROL;
    case STRING:
        return byte == ESC ? STRING_ESCAPE : byte == BELL ? TEXT : STRING;
    case STRING_ESCAPE:
        return byte == '\\' ? TEXT : after_escape(byte);
    default: /* CHARSET */
        return byte >= 0x30 && byte <= 0x7E ? TEXT : CHARSET;
    }
}

/* Whether the byte is text. A tab is; a carriage return too, unless its line ends there. */
static bool is_text(struct log_lines *lines, unsigned char byte) {
    if (lines->kind == SEARCH_PLAIN) {
        return true;
    }
    if (lines->escape != TEXT) {
        lines->escape = after_byte(lines->escape, byte);
        return false;
    }
    if (byte == ESC) {
        lines->escape = ESCAPE;
        return false;
    }
    return byte == '\t' || byte == '\r' || (byte >= 0x20 && byte != DELETE);
}

static struct err line_end(struct log_lines *lines) {
    struct bytes line = {lines->line, lines->len};
    while (lines->kind == SEARCH_TERMINAL && line.len > 0 && line.data[line.len - 1] == '\r') {
        line.len--;
    }
    lines->len = 0;
    lines->escape = TEXT;
    return lines->each(lines->ctx, line);
}

struct err log_lines_break(struct log_lines *lines) {
    if (lines->len == 0) {
        lines->escape = TEXT;
        return ERR_OK; /* A terminal's last words are often no text. */
    }
    return line_end(lines);
}

static void add_plain(struct log_lines *lines, struct bytes bytes) {
    size_t room = SEARCH_LINE_MAX - lines->len;
    size_t len = bytes.len < room ? bytes.len : room;
    memcpy(lines->line + lines->len, bytes.data, len);
    lines->len += len;
}

static void add_terminal(struct log_lines *lines, struct bytes bytes) {
    for (size_t i = 0; i < bytes.len; i++) {
        if (is_text(lines, (unsigned char)bytes.data[i]) && lines->len < SEARCH_LINE_MAX) {
            lines->line[lines->len++] = bytes.data[i];
        }
    }
}

struct err log_lines_add(struct log_lines *lines, struct bytes bytes) {
    while (bytes.len > 0) {
        const char *end = memchr(bytes.data, '\n', bytes.len);
        size_t len = end == NULL ? bytes.len : (size_t)(end - bytes.data);
        struct bytes part = {bytes.data, len};
        if (lines->kind == SEARCH_PLAIN) {
            add_plain(lines, part);
        } else {
            add_terminal(lines, part);
        }
        if (end == NULL) {
            return ERR_OK;
        }
        TRY(line_end(lines));
        bytes = (struct bytes){end + 1, bytes.len - len - 1};
    }
    return ERR_OK;
}
