/* markdown.c: the beginning of a line decides its kind; then come the marks within the line. */
#include "cli/terminal/markdown.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
#include "cli/terminal/cells.h"
#include "cli/terminal/plain.h"

static void marked_add(const struct paint *paint, enum colour colour, struct bytes text,
                       struct text *out) {
    text_add_str(out, paint_begin(paint, colour));
    plain_add_line(text, out);
    text_add_str(out, paint_end(paint, colour));
}

/* --- Marks within a line ---------------------------------------------------------------------- */

static const struct {
    const char *mark;
    enum colour colour;
} spans[] = {
    {"`", COLOUR_CYAN},   {"**", COLOUR_BOLD},  {"__", COLOUR_BOLD},
    {"*", COLOUR_ITALIC}, {"_", COLOUR_ITALIC},
};

static bool is_word(char c) {
    unsigned char lower = (unsigned char)(c | 0x20);
    return (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'z') || (unsigned char)c >= 0x80;
}

/* Length of what stands between a mark at `at` and its other half; 0: this is no span. A blank
 * inside a mark, or a word before an underscore (snake_case), makes it a character like others. */
static size_t span_len(struct bytes line, size_t at, const char *mark) {
    size_t width = strlen(mark), from = at + width;
    bool wordy = mark[0] == '_' && at > 0 && is_word(line.data[at - 1]);
    bool wider = width == 1 && from < line.len && line.data[from] == mark[0];
    if (from >= line.len || line.data[from] == ' ' || wordy || wider) {
        return 0;
    }
    for (size_t end = from + 1; end + width <= line.len; end++) {
        bool closes = memcmp(line.data + end, mark, width) == 0 && line.data[end - 1] != ' ';
        bool longer = width == 1 && end + 1 < line.len && line.data[end + 1] == mark[0];
        bool inside = mark[0] == '_' && end + width < line.len && is_word(line.data[end + width]);
        if (closes && !inside && (!longer || mark[0] == '`')) {
            return end - from;
        }
        end += closes && longer; /* Both characters of a mark of the other width. */
    }
    return 0;
}

/* Length of "[text](address)" at `at`, which is added; 0: there is none. */
static size_t link_add(const struct markdown *markdown, struct bytes line, size_t at,
                       struct text *out) {
    struct bytes rest = {line.data + at + 1, line.len - at - 1};
    struct bytes name = {0}, address = {0};
    bool begun = line.data[at] == '[' && bytes_next(&rest, ']', &name) && rest.len > 0 &&
                 rest.data[0] == '(';
    if (!begun || name.len == 0 || memchr(rest.data, ')', rest.len) == NULL) {
        return 0;
    }
    rest = (struct bytes){rest.data + 1, rest.len - 1};
    (void)bytes_next(&rest, ')', &address); /* The parenthesis is there. */
    plain_add_line(name, out);
    if (address.len > 0 && !bytes_equal(name, address)) {
        text_add_str(out, " (");
        marked_add(&markdown->paint, COLOUR_GREY, address, out);
        text_add_char(out, ')');
    }
    return name.len + address.len + 4;
}

static size_t span_add(const struct markdown *markdown, struct bytes line, size_t at,
                       struct text *out) {
    for (size_t i = 0; i < COUNT_OF(spans); i++) {
        size_t width = strlen(spans[i].mark);
        struct bytes rest = {line.data + at, line.len - at};
        size_t len =
            bytes_begin(rest, bytes_of(spans[i].mark)) ? span_len(line, at, spans[i].mark) : 0;
        if (len > 0) {
            struct bytes inside = {line.data + at + width, len};
            marked_add(&markdown->paint, spans[i].colour, inside, out);
            return len + 2 * width;
        }
    }
    return link_add(markdown, line, at, out);
}

static bool may_begin_span(char c) {
    return c == '`' || c == '*' || c == '_' || c == '[';
}

static void words_add(const struct markdown *markdown, struct bytes line, struct text *out) {
    size_t shown = 0;
    for (size_t at = 0; at < line.len;) {
        size_t len = 0;
        if (line.data[at] == '\\' && at + 1 < line.len && may_begin_span(line.data[at + 1])) {
            plain_add_line((struct bytes){line.data + shown, at - shown}, out);
            shown = at + 1;
            at += 2;
            continue;
        }
        if (may_begin_span(line.data[at])) {
            plain_add_line((struct bytes){line.data + shown, at - shown}, out);
            shown = at;
            len = span_add(markdown, line, at, out);
            shown += len;
        }
        at += len > 0 ? len : 1;
        while (len == 0 && at < line.len && line.data[at] == line.data[at - 1] &&
               may_begin_span(line.data[at])) {
            at++; /* The rest of a run of marks that begins no span. */
        }
    }
    plain_add_line((struct bytes){line.data + shown, line.len - shown}, out);
}

/* --- Lines ------------------------------------------------------------------------------------ */

static size_t run_len(struct bytes text, char c) {
    size_t len = 0;
    while (len < text.len && text.data[len] == c) {
        len++;
    }
    return len;
}

static struct bytes bytes_skip(struct bytes text, size_t len) {
    return (struct bytes){text.data + len, text.len - len};
}

/* Whether the line opens or closes a block of code. */
static bool fence_take(struct markdown *markdown, struct bytes body) {
    char mark = body.len > 0 ? body.data[0] : ' ';
    size_t len = mark == '`' || mark == '~' ? run_len(body, mark) : 0;
    bool bare = bytes_trim(bytes_skip(body, len), " \t\r").len == 0;
    if (len < 3) {
        return false;
    }
    if (markdown->fence == 0) {
        markdown->fence = len;
        markdown->fence_mark = mark;
        return true;
    }
    bool closes = mark == markdown->fence_mark && len >= markdown->fence && bare;
    markdown->fence = closes ? 0 : markdown->fence;
    return closes;
}

static bool is_rule(struct bytes body) {
    char mark = body.len > 0 ? body.data[0] : ' ';
    return body.len >= 3 && (mark == '-' || mark == '*' || mark == '_') &&
           run_len(body, mark) == body.len;
}

/* Bytes of a line that is shown for each of its own: tabs and indents add some. */
enum { SHOWN_FACTOR = 8 };

/* Code, and a row of a table: broken rows would be read as others. */
static bool is_fixed(const struct markdown *markdown, struct bytes body) {
    return markdown->fence > 0 || (body.len > 0 && body.data[0] == '|');
}

void markdown_line(struct markdown *markdown, struct bytes line, struct text *out) {
    const struct paint *paint = &markdown->paint;
    const size_t begin = out->len;
    size_t indent = run_len(line, ' ');
    struct bytes body = bytes_skip(line, indent);
    size_t heading = run_len(body, '#');
    bool space = heading < body.len && body.data[heading] == ' ';
    const bool fence = fence_take(markdown, body);
    if (!paint->on) {
        plain_add_line(line, out);
    } else if (fence) {
        marked_add(paint, COLOUR_GREY, line, out);
    } else if (markdown->fence > 0) {
        marked_add(paint, COLOUR_CYAN, line, out);
    } else if (heading >= 1 && heading <= 6 && space) {
        marked_add(paint, COLOUR_BOLD, bytes_skip(body, heading + 1), out);
    } else if (is_rule(body)) {
        marked_add(paint, COLOUR_GREY, BYTES("────────"), out);
    } else if (body.len >= 2 && memchr("-*+", body.data[0], 3) != NULL && body.data[1] == ' ') {
        plain_add_line((struct bytes){line.data, indent}, out);
        text_add_str(out, "• ");
        words_add(markdown, bytes_skip(body, 2), out);
    } else if (body.len >= 1 && body.data[0] == '>') {
        marked_add(paint, COLOUR_GREY, BYTES("│ "), out);
        words_add(markdown, bytes_trim(bytes_skip(body, 1), " "), out);
    } else {
        words_add(markdown, line, out);
    }
    if (!is_fixed(markdown, body)) {
        cells_wrap_words(out, begin, paint->columns);
    }
}

void markdown_print(struct bytes text) {
    struct terminal_size size = {0};
    struct bytes line;
    if (!terminal_size(STDOUT_FILENO, &size) || size.columns < 2) {
        plain_print(text);
        return;
    }
    struct markdown markdown = {.paint = {.on = false, .columns = size.columns - 1}};
    const bool ended = text.len > 0 && text.data[text.len - 1] == '\n';
    for (bool more = false; bytes_next(&text, '\n', &line); more = true) {
        AUTO(text_done) struct text shown = text_up_to(SHOWN_FACTOR * (line.len + 1));
        markdown_line(&markdown, line, &shown);
        fputs(more ? "\n" : "", stdout);
        fwrite(text_bytes(&shown).data, 1, shown.len, stdout);
    }
    fputs(ended ? "\n" : "", stdout);
}
