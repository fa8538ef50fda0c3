/* title.c: see title.h. */
#include "rules/session/title.h"

#include <string.h>
#include <strings.h>

#include "base/utf8.h"

bool title_is_asked(struct bytes model) {
    static const char scripted[] = "scripted/";
    size_t len = sizeof scripted - 1;
    return model.len > 0 && (model.len < len || memcmp(model.data, scripted, len) != 0);
}

/* --- Within a text ---------------------------------------------------------------------------- */

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct bytes behind(struct bytes text, size_t count) {
    return (struct bytes){text.data + count, text.len - count};
}

static struct bytes trim(struct bytes text) {
    while (text.len > 0 && is_space(text.data[0])) {
        text = behind(text, 1);
    }
    while (text.len > 0 && is_space(text.data[text.len - 1])) {
        text.len--;
    }
    return text;
}

static struct bytes first_line(struct bytes text) {
    text = trim(text);
    const char *end = text.len == 0 ? NULL : memchr(text.data, '\n', text.len);
    text.len = end == NULL ? text.len : (size_t)(end - text.data);
    return trim(text);
}

/* A word that does not fit goes as a whole, unless little would be left. */
static struct bytes cut(struct bytes text) {
    size_t len = 0, space = 0;
    for (size_t chars = 0; len < text.len; len++) {
        bool begins = ((unsigned char)text.data[len] & 0xC0) != 0x80;
        chars += begins ? 1 : 0;
        if (chars > TITLE_CHARS || len >= TITLE_BYTES) {
            break;
        }
        space = is_space(text.data[len]) ? len : space;
    }
    if (len == text.len) {
        return text;
    }
    text.len = is_space(text.data[len]) || space < len / 2 ? utf8_cut(text, len) : space;
    return trim(text);
}

/* One line, whatever stands in it. */
static struct title title_of(struct bytes line) {
    struct title title = {.len = 0};
    bool space = false;
    line = cut(line);
    for (size_t i = 0; i < line.len; i++) {
        unsigned char c = (unsigned char)line.data[i];
        bool gap = c <= ' ' || c == 0x7F;
        if (!gap && space && title.len > 0) {
            title.text[title.len++] = ' ';
        }
        if (!gap) {
            title.text[title.len++] = (char)c;
        }
        space = gap;
    }
    title.text[title.len] = '\0';
    return title;
}

struct title title_of_words(struct bytes text) {
    return title_of(first_line(text));
}

/* --- What a model answered -------------------------------------------------------------------- */

static bool starts(struct bytes text, const char *prefix) {
    size_t len = strlen(prefix);
    return text.len >= len && strncasecmp(text.data, prefix, len) == 0;
}

/* Some models print them before the answer. */
static struct bytes behind_thoughts(struct bytes said) {
    static const char end[] = "</think>";
    if (!starts(said, "<think>")) {
        return said;
    }
    const char *at = memmem(said.data, said.len, end, sizeof end - 1);
    return at == NULL ? (struct bytes){said.data, 0}
                      : behind(said, (size_t)(at - said.data) + sizeof end - 1);
}

/* Longer marks than a byte are those of UTF-8. */
static const char *const marks[] = {"\"", "'", "`", "*", "#", "_", "“", "”", "‘", "’", "«", "»"};

static size_t mark_at_start(struct bytes text) {
    for (size_t i = 0; i < COUNT_OF(marks); i++) {
        size_t len = strlen(marks[i]);
        if (text.len >= len && memcmp(text.data, marks[i], len) == 0) {
            return len;
        }
    }
    return 0;
}

static size_t mark_at_end(struct bytes text) {
    for (size_t i = 0; i < COUNT_OF(marks); i++) {
        size_t len = strlen(marks[i]);
        if (text.len >= len && memcmp(text.data + text.len - len, marks[i], len) == 0) {
            return len;
        }
    }
    return text.len > 0 && text.data[text.len - 1] == '.' ? 1 : 0;
}

static struct bytes unmark(struct bytes text) {
    for (size_t len = 1; len > 0; text = trim(text)) {
        len = mark_at_start(text);
        text = behind(text, len);
    }
    for (size_t len = 1; len > 0; text = trim(text)) {
        len = mark_at_end(text);
        text.len -= len;
    }
    return text;
}

struct title title_of_answer(struct bytes said) {
    static const char label[] = "title:";
    struct bytes line = unmark(first_line(behind_thoughts(trim(said))));
    if (starts(line, label)) {
        line = unmark(trim(behind(line, sizeof label - 1)));
    }
    return title_of(line);
}
