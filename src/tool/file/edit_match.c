/* edit_match.c: exact first, then by lines. */
#include "tool/file/edit_match.h"

#include <string.h>

static size_t lines_in(struct bytes text) {
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        count += text.data[i] == '\n' ? 1 : 0;
    }
    return count;
}

static void match_exact(struct bytes text, struct bytes passage, struct edit_places *places) {
    size_t at = 0, line = 1;
    while (places->count < EDIT_PLACES_MAX) {
        const char *found = memmem(text.data + at, text.len - at, passage.data, passage.len);
        if (found == NULL) {
            return;
        }
        size_t from = (size_t)(found - text.data);
        line += lines_in((struct bytes){text.data + at, from - at});
        places->places[places->count++] = (struct edit_place){from, from + passage.len, line};
        /* They do not overlap: "aa" stands once in "aaa". */
        line += lines_in(passage);
        at = from + passage.len;
    }
}

/* --- By lines --------------------------------------------------------------------------------- */

#define BLANKS " \t\r\f\v"

static bool is_blank(char c) {
    return c != '\0' && strchr(BLANKS, c) != NULL;
}

/* The line at `at`, and where the next begins. */
static struct bytes line_at(struct bytes text, size_t at, size_t *ret_next) {
    const char *newline = memchr(text.data + at, '\n', text.len - at);
    size_t end = newline == NULL ? text.len : (size_t)(newline - text.data);
    *ret_next = newline == NULL ? text.len : end + 1;
    return (struct bytes){text.data + at, end - at};
}

static bool same_but_blanks(struct bytes a, struct bytes b, size_t *steps) {
    a = bytes_trim(a, BLANKS);
    b = bytes_trim(b, BLANKS);
    size_t i = 0, j = 0;
    while (i < a.len && j < b.len) {
        ++*steps;
        bool blank = is_blank(a.data[i]);
        if (blank != is_blank(b.data[j]) || (!blank && a.data[i] != b.data[j])) {
            return false;
        }
        i++;
        j++;
        while (blank && i < a.len && is_blank(a.data[i])) {
            i++;
        }
        while (blank && j < b.len && is_blank(b.data[j])) {
            j++;
        }
    }
    return i == a.len && j == b.len;
}

/* All lines of the passage from `at` on; *ret_to is behind the last one, without its newline. */
static bool lines_match(struct bytes text, size_t at, struct bytes passage, size_t *ret_to,
                        size_t *steps) {
    size_t in_text = at, in_passage = 0;
    while (in_passage < passage.len) {
        if (in_text >= text.len) {
            return false;
        }
        size_t text_next = 0, passage_next = 0;
        struct bytes have = line_at(text, in_text, &text_next);
        struct bytes want = line_at(passage, in_passage, &passage_next);
        ++*steps;
        if (!same_but_blanks(have, want, steps)) {
            return false;
        }
        *ret_to = in_text + have.len;
        in_text = text_next;
        in_passage = passage_next;
    }
    return true;
}

/* Blank lines at both ends say nothing of where it stands. */
static struct bytes without_blank_ends(struct bytes passage) {
    for (size_t next = 0; passage.len > 0; passage.data += next, passage.len -= next) {
        if (bytes_trim(line_at(passage, 0, &next), BLANKS).len > 0) {
            break;
        }
    }
    struct bytes trimmed = bytes_trim(passage, BLANKS "\n");
    passage.len = (size_t)(trimmed.data + trimmed.len - passage.data);
    return passage;
}

static void match_lines(struct bytes text, struct bytes passage, struct edit_places *places) {
    passage = without_blank_ends(passage);
    size_t line = 1, steps = 0;
    for (size_t at = 0; passage.len > 0 && at < text.len && places->count < EDIT_PLACES_MAX &&
                        steps < EDIT_STEPS_MAX;
         line++) {
        size_t next = 0, to = 0;
        (void)line_at(text, at, &next);
        if (lines_match(text, at, passage, &to, &steps)) {
            places->places[places->count++] = (struct edit_place){at, to, line};
        }
        at = next;
    }
    if (steps >= EDIT_STEPS_MAX) {
        places->count = 0; /* Whether there is another is not known. */
    }
}

void edit_match(struct bytes text, struct bytes passage, struct edit_places *ret_places) {
    assert(passage.len > 0);
    ret_places->way = EDIT_EXACT;
    ret_places->count = 0;
    match_exact(text, passage, ret_places);
    if (ret_places->count == 0) {
        ret_places->way = EDIT_BUT_BLANKS;
        match_lines(text, passage, ret_places);
    }
}

void edit_near(struct bytes text, struct bytes passage, struct edit_places *ret_places) {
    ret_places->way = EDIT_BUT_BLANKS;
    ret_places->count = 0;
    passage = without_blank_ends(passage);
    size_t next = 0;
    if (passage.len > 0) {
        match_lines(text, line_at(passage, 0, &next), ret_places);
    }
}
