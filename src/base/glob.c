/* glob.c: one place to go back to, at each of two levels: characters in a component, components in
 * a path. That is enough: what an earlier star took, a later one can take as well. */
#include "base/glob.h"

#include <string.h>

struct walk {
    struct bytes text;
    size_t at;
};

/* --- Characters ------------------------------------------------------------------------------- */

/* The bracket that starts at `at`: where it ends (after its ']'), or 0 when it does not. */
static size_t bracket_end(struct bytes pattern, size_t at) {
    size_t i = at + 1;
    if (i < pattern.len && pattern.data[i] == '!') {
        i++;
    }
    /* A ']' that stands first is one of the characters. */
    for (size_t first = i; i < pattern.len; i++) {
        if (pattern.data[i] == ']' && i > first) {
            return i + 1;
        }
    }
    return 0;
}

static bool bracket_holds(struct bytes pattern, size_t at, size_t end, unsigned char c) {
    size_t i = at + 1;
    bool negated = pattern.data[i] == '!';
    i += negated ? 1 : 0;
    bool found = false;
    for (; i < end - 1; i++) {
        unsigned char low = (unsigned char)pattern.data[i], high = low;
        if (i + 2 < end - 1 && pattern.data[i + 1] == '-') {
            high = (unsigned char)pattern.data[i + 2];
            i += 2;
        }
        found = found || (c >= low && c <= high);
    }
    return found != negated;
}

/* How many bytes the character at `at` has; 1 for what is no UTF-8. */
static size_t character_len(struct bytes text, size_t at) {
    size_t len = 1;
    while (at + len < text.len && ((unsigned char)text.data[at + len] & 0xC0) == 0x80) {
        len++;
    }
    return len;
}

/* One character of both, but no star: false when they differ. */
static bool step(struct walk *pattern, struct walk *subject) {
    char p = pattern->text.data[pattern->at], s = subject->text.data[subject->at];
    if (p == '?') {
        pattern->at++;
        subject->at += character_len(subject->text, subject->at);
        return true;
    }
    size_t end = p == '[' ? bracket_end(pattern->text, pattern->at) : 0;
    if (end > 0) {
        bool holds = bracket_holds(pattern->text, pattern->at, end, (unsigned char)s);
        pattern->at = end;
        subject->at++;
        return holds;
    }
    if (p == '\\' && pattern->at + 1 < pattern->text.len) {
        p = pattern->text.data[++pattern->at];
    }
    pattern->at++;
    subject->at++;
    return p == s;
}

static bool match_characters(struct bytes pattern, struct bytes subject) {
    struct walk p = {pattern, 0}, s = {subject, 0};
    struct walk star = {pattern, SIZE_MAX}, taken = {subject, 0};
    while (s.at < subject.len) {
        if (p.at < pattern.len && pattern.data[p.at] == '*') {
            star.at = ++p.at;
            taken.at = s.at;
            continue;
        }
        if (p.at < pattern.len && step(&p, &s)) {
            continue;
        }
        if (star.at == SIZE_MAX) {
            return false;
        }
        p.at = star.at;
        s.at = ++taken.at;
    }
    while (p.at < pattern.len && pattern.data[p.at] == '*') {
        p.at++;
    }
    return p.at == pattern.len;
}

/* --- Components ------------------------------------------------------------------------------- */

/* The component that starts at `at`; `*ret_next` is where the next one does. */
static struct bytes component(struct bytes text, size_t at, size_t *ret_next) {
    struct bytes rest = {text.data + at, text.len - at}, part = {0};
    (void)bytes_next(&rest, '/', &part); /* An empty rest is an empty component. */
    *ret_next = text.len - rest.len;
    return part;
}

static bool match_components(struct bytes pattern, struct bytes subject) {
    size_t p = 0, s = 0, star = SIZE_MAX, taken = 0, next = 0;
    while (s < subject.len) {
        struct bytes part = p < pattern.len ? component(pattern, p, &next) : (struct bytes){"", 0};
        if (p < pattern.len && bytes_is(part, "**")) {
            p = star = next;
            taken = s;
            continue;
        }
        size_t after = 0;
        struct bytes have = component(subject, s, &after);
        if (p < pattern.len && match_characters(part, have)) {
            p = next;
            s = after;
            continue;
        }
        if (star == SIZE_MAX) {
            return false;
        }
        p = star;
        (void)component(subject, taken, &taken); /* It is one component longer now. */
        s = taken;
    }
    while (p < pattern.len && bytes_is(component(pattern, p, &next), "**")) {
        p = next;
    }
    return p == pattern.len;
}

bool glob_match(enum glob_kind kind, struct bytes pattern, struct bytes subject) {
    if (pattern.len > GLOB_PATTERN_MAX) {
        return false;
    }
    if (kind == GLOB_WORDS) {
        return match_characters(pattern, subject);
    }
    if (pattern.len > 2 && memcmp(pattern.data, "./", 2) == 0) {
        pattern.data += 2;
        pattern.len -= 2;
    } else if (memchr(pattern.data, '/', pattern.len) == NULL && !bytes_is(pattern, "**")) {
        const char *slash = memrchr(subject.data, '/', subject.len);
        size_t start = slash == NULL ? 0 : (size_t)(slash - subject.data) + 1;
        return match_characters(pattern, (struct bytes){subject.data + start, subject.len - start});
    }
    return match_components(pattern, subject);
}
