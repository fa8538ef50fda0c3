/* front_matter.c: keys and values, as far as they are read. */
#include "base/markdown/front_matter.h"

#include <string.h>

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

struct bytes front_line(struct bytes *io_rest) {
    struct bytes line = {io_rest->data, 0};
    (void)bytes_next(io_rest, '\n', &line); /* Nothing is left: an empty line. */
    while (line.len > 0 && is_blank(line.data[line.len - 1])) {
        line.len--;
    }
    return line;
}

static struct bytes from(struct bytes text, size_t skipped) {
    return (struct bytes){text.data + skipped, text.len - skipped};
}

static struct bytes unindented(struct bytes text) {
    while (text.len > 0 && is_blank(text.data[0])) {
        text = from(text, 1);
    }
    return text;
}

/* --- Where it stands -------------------------------------------------------------------------- */

static bool is_comment(struct bytes line) {
    line = unindented(line);
    return line.len > 0 && line.data[0] == '#';
}

static bool is_indented(struct bytes line) {
    return line.len == 0 || is_blank(line.data[0]);
}

static bool is_item(struct bytes line) {
    return line.len > 0 && line.data[0] == '-' && (line.len == 1 || is_blank(line.data[1]));
}

static bool is_quote(char c) {
    return c == '"' || c == '\'';
}

/* What YAML takes for a key or a map of them (`<<` takes in one that stands elsewhere), and we
 * would take for words. */
static bool is_odd(struct bytes line) {
    return memchr("?{[!&:<", line.data[0], 7) != NULL ||
           (is_quote(line.data[0]) && memchr(line.data, '\\', line.len) != NULL);
}

static struct bytes value_of(struct bytes line, struct bytes rest);

/* Whether no key can be missed: they are looked for where a line begins. */
static bool is_readable(struct bytes lines) {
    bool keys = false;
    while (lines.len > 0) {
        struct bytes line = front_line(&lines);
        if (line.len == 0 || is_comment(line)) {
            continue;
        }
        if (is_indented(line) || is_item(line)) {
            if (!keys) {
                return false;
            }
            continue;
        }
        struct bytes value = value_of(line, lines);
        if (value.data == NULL || is_odd(line)) {
            return false;
        }
        /* Behind a value that goes on over lines of its own, and what is left of its last line. */
        const char *end = value.data + value.len;
        if (end > lines.data) {
            lines = from(lines, (size_t)(end - lines.data));
            (void)front_line(&lines);
        }
        keys = true;
    }
    return true;
}

void front_read(struct bytes text, struct front *ret_front) {
    /* After the mark that editors of Windows put before all, and after empty lines. */
    static const struct bytes mark = BYTES_INIT("\xef\xbb\xbf");
    struct bytes rest = bytes_begin(text, mark) ? from(text, mark.len) : text;
    while (rest.len > 0 && (is_blank(rest.data[0]) || rest.data[0] == '\n')) {
        rest = from(rest, 1);
    }
    bool begins = bytes_begin(rest, BYTES("---"));
    *ret_front = (struct front){.lines = {text.data, 0}, .rest = text, .broken = begins};
    if (!bytes_is(front_line(&rest), "---")) {
        return;
    }
    const char *begin = rest.data;
    while (rest.len > 0) {
        struct bytes line = front_line(&rest);
        if (bytes_is(line, "---")) {
            const struct bytes lines = {begin, (size_t)(line.data - begin)};
            *ret_front =
                (struct front){.lines = lines, .rest = rest, .broken = !is_readable(lines)};
            return;
        }
    }
}

/* --- Keys and values -------------------------------------------------------------------------- */

/* Without the quotes around it, and what follows them, where that is a comment. */
static struct bytes unquoted(struct bytes value) {
    if (value.len < 2 || !is_quote(value.data[0])) {
        return value;
    }
    const char *end = memchr(value.data + 1, value.data[0], value.len - 1);
    if (end == NULL) {
        return value;
    }
    struct bytes after =
        unindented((struct bytes){end + 1, (size_t)(value.data + value.len - end - 1)});
    bool last = after.len == 0 || after.data[0] == '#';
    if (last) {
        return (struct bytes){value.data + 1, (size_t)(end - value.data - 1)};
    }
    bool around = value.data[value.len - 1] == value.data[0]; /* 'It''s one' */
    return around ? (struct bytes){value.data + 1, value.len - 2} : value;
}

/* A comment begins with a blank before it, or the line. */
static struct bytes uncommented(struct bytes value) {
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] == '#' && (i == 0 || is_blank(value.data[i - 1]))) {
            value.len = i;
            break;
        }
    }
    while (value.len > 0 && is_blank(value.data[value.len - 1])) {
        value.len--;
    }
    return value;
}

/* The lines below a key that are its value. */
static struct bytes block_of(struct bytes rest) {
    struct bytes value = {rest.data, 0};
    while (rest.len > 0) {
        struct bytes next = front_line(&rest);
        if (is_comment(next)) {
            continue;
        }
        if (!is_indented(next) && !is_item(next)) {
            break;
        }
        value.len = (size_t)(next.data + next.len - value.data);
    }
    while (value.len > 0 &&
           (is_blank(value.data[value.len - 1]) || value.data[value.len - 1] == '\n')) {
        value.len--;
    }
    return value;
}

/* Where a list in brackets ends, however its lines are indented. NULL: it does not. */
static const char *list_end(struct bytes text) {
    char quote = '\0', before = ' ';
    size_t depth = 0;
    for (size_t i = 0; i < text.len; before = text.data[i++]) {
        char c = text.data[i];
        bool begins = before == '\n' || is_blank(before);
        if (quote != '\0') {
            quote = c == quote ? '\0' : quote;
        } else if (is_quote(c) && (begins || before == ',' || before == '[')) {
            quote = c;
        } else if (c == '#' && begins) {
            const char *newline = memchr(text.data + i, '\n', text.len - i);
            i = newline == NULL ? text.len - 1 : (size_t)(newline - text.data);
        } else if (c == '[') {
            depth++;
        } else if (c == ']' && --depth == 0) {
            return text.data + i + 1;
        }
    }
    return NULL;
}

/* Of the key of `line`; `rest` is what stands after that line. */
static struct bytes value_of(struct bytes line, struct bytes rest) {
    const char *colon = memchr(line.data, ':', line.len);
    if (colon == NULL) {
        return BYTES("");
    }
    const struct bytes whole =
        unindented((struct bytes){colon + 1, (size_t)(line.data + line.len - colon - 1)});
    if (whole.len > 0 && whole.data[0] == '[') {
        const struct bytes all = {whole.data, (size_t)(rest.data + rest.len - whole.data)};
        const char *end = list_end(all); /* No data: it has no end. */
        return end == NULL ? (struct bytes){NULL, 0}
                           : (struct bytes){whole.data, (size_t)(end - whole.data)};
    }
    const struct bytes below = block_of(rest);
    const struct bytes value =
        whole.len > 0 && is_quote(whole.data[0]) ? unquoted(whole) : uncommented(whole);
    bool block = value.len <= 3 && value.len > 0 && strchr(">|", value.data[0]) != NULL;
    if (value.len == 0 || block) {
        return below;
    }
    return unindented(below).len == 0
               ? value
               : (struct bytes){whole.data, (size_t)(below.data + below.len - whole.data)};
}

/* No data: the line is none of a key. */
static struct bytes key_of(struct bytes line) {
    const char *colon = line.len == 0 ? NULL : memchr(line.data, ':', line.len);
    if (colon == NULL || is_indented(line)) {
        return (struct bytes){NULL, 0};
    }
    struct bytes name = {line.data, (size_t)(colon - line.data)};
    while (name.len > 0 && is_blank(name.data[name.len - 1])) {
        name.len--;
    }
    return unquoted(name);
}

static bool is_key(struct bytes line, const char *key) {
    const struct bytes name = key_of(line);
    return name.data != NULL && bytes_is(name, key);
}

bool front_next(struct bytes *io_rest, struct bytes *ret_key, struct bytes *ret_value) {
    while (io_rest->len > 0) {
        struct bytes line = front_line(io_rest);
        const struct bytes key =
            is_comment(line) || is_item(line) ? (struct bytes){NULL, 0} : key_of(line);
        if (key.data == NULL) {
            continue;
        }
        *ret_key = key;
        *ret_value = value_of(line, *io_rest);
        /* A list in brackets may have lines that look like keys. */
        const char *end = ret_value->data == NULL ? NULL : ret_value->data + ret_value->len;
        if (end != NULL && end > io_rest->data) {
            *io_rest = from(*io_rest, (size_t)(end - io_rest->data));
            (void)front_line(io_rest); /* The rest of its last line. */
        }
        return true;
    }
    return false;
}

struct bytes front_value(const struct front *front, const char *key) {
    struct bytes rest = front->lines;
    while (rest.len > 0) {
        struct bytes line = front_line(&rest);
        if (is_key(line, key)) {
            return value_of(line, rest);
        }
    }
    return (struct bytes){NULL, 0};
}
