/* A diff, applied to the old text, must give the new one; whatever they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/text.h"
#include "tool/file/diff.h"

enum { ROUNDS = 3000, LINES_MAX = 40 };

/* A small repeatable generator. */
static uint32_t draw(uint32_t *seed, uint32_t below) {
    *seed = *seed * 1664525U + 1013904223U;
    return (*seed >> 8) % below;
}

static void fill(struct text *text, uint32_t *seed) {
    uint32_t count = draw(seed, LINES_MAX);
    for (uint32_t i = 0; i < count; i++) {
        text_addf(text, "%c\n", 'a' + (char)draw(seed, 4));
    }
}

static const char *line_end(const char *at) {
    const char *end = strchr(at, '\n');
    assert_non_null(end);
    return end + 1;
}

/* Walks the hunks over the old text; what is not in a hunk is copied. */
static void apply(const char *old, const char *diff, struct text *made) {
    unsigned old_line = 1;
    for (const char *at = line_end(line_end(diff)); *at != '\0';) {
        unsigned from = 0, olds = 0, to = 0, news = 0;
        assert_int_equal(sscanf(at, "@@ -%u,%u +%u,%u @@", &from, &olds, &to, &news), 4);
        from += olds == 0 ? 1 : 0; /* Behind that line. */
        for (; old_line < from; old_line++) {
            text_add(made, old, (size_t)(line_end(old) - old));
            old = line_end(old);
        }
        for (at = line_end(at); olds + news > 0; at = line_end(at)) {
            size_t len = (size_t)(line_end(at) - at) - 1;
            if (*at != '+') {
                assert_memory_equal(old, at + 1, len);
                old += len;
                old_line++;
                olds--;
            }
            if (*at != '-') {
                text_add(made, at + 1, len);
                news--;
            }
        }
    }
    text_add_str(made, old);
}

static void an_applied_diff_gives_the_new_text(void **state) {
    (void)state;
    uint32_t seed = 7;
    for (int i = 0; i < ROUNDS; i++) {
        AUTO(text_done) struct text old, new, diff, made;
        text_init(&old, 1 << 16);
        text_init(&new, 1 << 16);
        text_init(&diff, 1 << 16);
        text_init(&made, 1 << 16);
        text_add_str(&old, "");
        text_add_str(&new, "");
        fill(&old, &seed);
        fill(&new, &seed);
        const char *before = old.data == NULL ? "" : old.data;
        const char *after = new.data == NULL ? "" : new.data;
        struct diff_sides sides = {.path = "f", .old = {before, old.len}, .new = {after, new.len}};
        (void)diff_write(&sides, &diff);
        assert_false(text_failed(&diff));
        apply(before, diff.data, &made);
        assert_string_equal(made.data == NULL ? "" : made.data, after);
    }
}

static void a_small_change_has_a_small_diff(void **state) {
    (void)state;
    AUTO(text_done) struct text old, new, diff;
    text_init(&old, 1 << 20);
    text_init(&new, 1 << 20);
    text_init(&diff, 1 << 20);
    for (int i = 0; i < 5000; i++) {
        text_addf(&old, "line %d\n", i);
        text_addf(&new, "line %d%s\n", i, i == 100 || i == 4000 ? " changed" : "");
    }
    struct diff_counts counts =
        diff_write(&(struct diff_sides){"f", {old.data, old.len}, {new.data, new.len}}, &diff);
    assert_int_equal(counts.added, 2);
    assert_int_equal(counts.removed, 2);
    assert_in_range(diff.len, 1, 600);
}

static void a_diff_that_does_not_fit_says_so(void **state) {
    (void)state;
    AUTO(text_done) struct text old, new, diff;
    text_init(&old, 1 << 20);
    text_init(&new, 1 << 20);
    text_init(&diff, 4096);
    for (int i = 0; i < 5000; i++) { /* More than is compared line by line. */
        text_addf(&old, "old %d\n", i);
        text_addf(&new, "new %d\n", i);
    }
    struct diff_counts counts =
        diff_write(&(struct diff_sides){"f", {old.data, old.len}, {new.data, new.len}}, &diff);
    assert_int_equal(counts.added, 5000);
    assert_false(text_failed(&diff));
    assert_non_null(strstr(diff.data, "[the rest is not shown: +5000 -5000 lines in all]"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_applied_diff_gives_the_new_text),
        cmocka_unit_test(a_small_change_has_a_small_diff),
        cmocka_unit_test(a_diff_that_does_not_fit_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
