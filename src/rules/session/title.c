/* title.c: see title.h. */
#include "rules/session/title.h"

#include <strings.h>

#include "base/utf8.h"

bool title_is_asked(struct bytes model) {
    return model.len > 0 && !bytes_begin(model, BYTES("scripted/"));
}

/* --- Within a text ---------------------------------------------------------------------------- */

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct bytes after(struct bytes text, size_t count) {
    return (struct bytes){text.data + count, text.len - count};
}

static struct bytes trim(struct bytes text) {
    while (text.len > 0 && is_space(text.data[0])) {
        text = after(text, 1);
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

static bool is_mark(unsigned char c) {
    return c < 0x80 && !(c >= '0' && c <= '9') && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

struct bytes title_last_line(struct bytes text) {
    struct bytes line = {text.data, 0};
    for (text = trim(text); text.len > 0 && line.len == 0; text = trim(text)) {
        const char *break_at = memrchr(text.data, '\n', text.len);
        const size_t from = break_at == NULL ? 0 : (size_t)(break_at + 1 - text.data);
        line = trim(after(text, from));
        text.len = from;
        size_t marks = 0;
        while (marks < line.len && is_mark((unsigned char)line.data[marks])) {
            marks++;
        }
        /* A fence of code, or a rule, says nothing; a head, a list or a quote does. */
        const bool leads = marks > 0 && memchr("#*->", line.data[0], 4) != NULL;
        line = marks == line.len ? (struct bytes){line.data, 0} : leads ? after(line, marks) : line;
    }
    return line;
}

/* One line, whatever stands in it, of TITLE_CHARS at most. A word that does not fit goes as a
 * whole, unless little would be left. */
static struct title title_of(struct bytes line) {
    struct title title = {.len = 0};
    size_t len = 0, space = 0;
    bool gap_before = false;
    for (size_t chars = 0; len < line.len; len++) {
        chars += ((unsigned char)line.data[len] & 0xC0) != 0x80;
        if (chars > TITLE_CHARS || len >= TITLE_BYTES) {
            break;
        }
        space = is_space(line.data[len]) ? len : space;
    }
    if (len < line.len) {
        line.len = is_space(line.data[len]) || space < len / 2 ? utf8_cut(line, len) : space;
        line = trim(line);
    }
    for (size_t i = 0; i < line.len; i++) {
        const unsigned char c = (unsigned char)line.data[i];
        const bool gap = c <= ' ' || c == 0x7F;
        if (!gap && gap_before && title.len > 0) {
            title.text[title.len++] = ' ';
        }
        if (!gap) {
            title.text[title.len++] = (char)c;
        }
        gap_before = gap;
    }
    title.text[title.len] = '\0';
    return title;
}

struct title title_of_words(struct bytes text) {
    return title_of(first_line(text));
}

/* --- What a model answered -------------------------------------------------------------------- */

static bool starts(struct bytes text, struct bytes prefix) {
    return text.len >= prefix.len && strncasecmp(text.data, prefix.data, prefix.len) == 0;
}

/* Length of a mark at that end of the text, of which models put several around a title. Longer
 * marks than a byte are those of UTF-8. */
enum end { AT_START, AT_END };
static size_t mark_len(struct bytes text, enum end end) {
    static const char *const marks[] = {"\"", "'", "`", "*", "#", "_",
                                        "“",  "”", "‘", "’", "«", "»"};
    for (size_t i = 0; i < COUNT_OF(marks); i++) {
        const struct bytes mark = bytes_of(marks[i]);
        if (text.len >= mark.len &&
            bytes_begin(end == AT_START ? text : after(text, text.len - mark.len), mark)) {
            return mark.len;
        }
    }
    return end == AT_END && text.len > 0 && text.data[text.len - 1] == '.' ? 1 : 0;
}

static struct bytes unmark(struct bytes text) {
    for (size_t len = 1; len > 0; text = trim(text)) {
        len = mark_len(text, AT_START);
        text = after(text, len);
    }
    for (size_t len = 1; len > 0; text = trim(text)) {
        len = mark_len(text, AT_END);
        text.len -= len;
    }
    return text;
}

/* Some models print their thoughts before the answer. */
struct title title_of_answer(struct bytes said) {
    const struct bytes thoughts_end = BYTES("</think>"), label = BYTES("title:");
    said = trim(said);
    if (starts(said, BYTES("<think>"))) {
        const char *at = memmem(said.data, said.len, thoughts_end.data, thoughts_end.len);
        said = at == NULL ? BYTES("") : after(said, (size_t)(at - said.data) + thoughts_end.len);
    }
    struct bytes line = unmark(first_line(said));
    if (starts(line, label)) {
        line = unmark(trim(after(line, label.len)));
    }
    return title_of(line);
}
