/* When a prompt is folded, and how much of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules/trace/usage.h"
#include "rules/turn/compaction.h"

static struct fold_marks marks_of(int64_t tokens, int64_t output_tokens) {
    const struct fold_window window = {.tokens = tokens, .output_tokens = output_tokens};
    return fold_marks(&window);
}

static void a_prompt_has_most_of_the_window_beside_its_answer(void **state) {
    (void)state;
    struct fold_marks large = marks_of(200000, 32000), small = marks_of(8000, 0);
    assert_int_equal(large.prompt_max, 134400 * USAGE_BYTES_PER_TOKEN);
    assert_int_equal(large.keep_max, 20000 * USAGE_BYTES_PER_TOKEN);
    assert_int_equal(small.prompt_max, 3200 * USAGE_BYTES_PER_TOKEN); /* The answer has half. */
    assert_int_equal(small.summary_max, 400 * USAGE_BYTES_PER_TOKEN);
}

static void marks_stand_in_order_at_every_window(void **state) {
    (void)state;
    for (int64_t tokens = 1024; tokens <= 100000000; tokens = tokens * 3 / 2) {
        for (int64_t output = 0; output <= tokens; output += tokens / 4) {
            struct fold_marks marks = marks_of(tokens, output);
            assert_true(0 < marks.summary_max && marks.summary_max < marks.prompt_max / 2);
            assert_true(marks.prompt_max < marks.hard_max);
            assert_true(marks.hard_max < tokens * USAGE_BYTES_PER_TOKEN);
        }
    }
}

static void no_prompt_is_held_back_for_a_window_that_nobody_said(void **state) {
    (void)state;
    const struct fold_window window = {.tokens = 32768, .guessed = true};
    assert_int_equal(fold_marks(&window).hard_max, INT64_MAX);
    assert_int_equal(fold_marks(&window).prompt_max, marks_of(32768, 0).prompt_max);
}

/* Units of this size, folded as engine/turn/compaction.c does it: how many bytes stay. */
static int64_t left_of(const struct fold_limits *limits, const struct fold_sizes *sizes,
                       int64_t unit) {
    struct fold_at at = {.len = unit};
    while (at.passed < sizes->foldable && fold_takes(limits, sizes, &at)) {
        at.passed += unit;
    }
    return sizes->foldable - at.passed;
}

static void a_fold_leaves_at_most_half_of_what_a_prompt_may_have(void **state) {
    (void)state;
    for (int64_t tokens = 4096; tokens <= 1000000; tokens *= 2) {
        struct fold_marks marks = marks_of(tokens, 0);
        for (int64_t unit = 10; unit <= marks.prompt_max / 8; unit *= 3) {
            const struct fold_sizes sizes = {.prompt = marks.prompt_max * 3 / 2 / unit * unit +
                                                       marks.prompt_max / 10,
                                             .foldable = marks.prompt_max * 3 / 2 / unit * unit};
            struct fold_limits limits = fold_limits(&marks, &sizes);
            int64_t left = left_of(&limits, &sizes, unit), fixed = sizes.prompt - sizes.foldable;
            assert_true(left + fixed + limits.summary <= marks.prompt_max / 2);
            assert_true(left <= marks.keep_max || left == unit);
            assert_true(left > 0); /* The newest is not folded where it has room. */
        }
    }
}

static void what_is_kept_shrinks_to_nothing_before_the_prompt_is_too_long(void **state) {
    (void)state;
    struct fold_marks marks = marks_of(32768, 0);
    int64_t fixed = marks.prompt_max / 4;
    const struct fold_sizes sizes = {.prompt = 2 * marks.prompt_max + fixed,
                                     .foldable = 2 * marks.prompt_max};
    struct fold_limits limits = fold_limits(&marks, &sizes);
    assert_int_equal(left_of(&limits, &sizes, 2 * marks.prompt_max), 0);
    assert_int_equal(left_of(&limits, &sizes, marks.prompt_max), 0);
}

static void the_newest_unit_stays_while_the_prompt_has_room_for_it(void **state) {
    (void)state;
    struct fold_marks marks = marks_of(32768, 0);
    int64_t unit = marks.prompt_max * 5 / 8; /* More than half, and all of it fits. */
    const struct fold_sizes sizes = {.prompt = 4 * unit, .foldable = 4 * unit};
    struct fold_limits limits = fold_limits(&marks, &sizes);
    assert_true(unit > limits.leave);
    assert_int_equal(left_of(&limits, &sizes, unit), unit);
}

static void whoever_asks_for_it_has_everything_folded(void **state) {
    (void)state;
    struct fold_marks marks = marks_of(32768, 0);
    const struct fold_sizes sizes = {.prompt = 5000, .foldable = 5000};
    struct fold_limits limits = fold_limits_all(&marks, &sizes);
    assert_int_equal(left_of(&limits, &sizes, 500), 0);
    assert_int_equal(limits.summary, 2500); /* A longer one is not worth it. */
}

static void a_fold_that_saves_little_is_not_made(void **state) {
    (void)state;
    struct fold_marks marks = marks_of(32768, 0);
    struct fold_sizes sizes = {.prompt = marks.prompt_max + 1, .foldable = marks.summary_max};
    assert_false(fold_is_worth(&marks, &sizes));
    sizes.foldable = marks.summary_max + 1;
    assert_true(fold_is_worth(&marks, &sizes));
    sizes = (struct fold_sizes){.prompt = marks.hard_max + 1000, .foldable = 2000};
    assert_true(fold_is_worth(&marks, &sizes)); /* It makes all the difference. */
    sizes.foldable = 900;
    assert_false(fold_is_worth(&marks, &sizes)); /* It makes none. */
}

static void a_prompt_of_too_many_messages_is_folded_however_short_they_are(void **state) {
    (void)state;
    struct fold_marks marks = marks_of(1000000, 0);
    struct fold_sizes sizes = {
        .prompt = 30000, .foldable = 30000, .messages = FOLD_MESSAGES_MAX + 1};
    struct fold_limits limits = fold_limits(&marks, &sizes);
    struct fold_at at = {.len = 2};
    assert_true(fold_is_worth(&marks, &sizes));
    assert_true(fold_takes(&limits, &sizes, &at));
    at.messages = sizes.messages - FOLD_MESSAGES_MAX / 2;
    assert_false(fold_takes(&limits, &sizes, &at)); /* Half of them stays. */
    sizes.messages--;
    limits = fold_limits(&marks, &sizes);
    at.messages = 0;
    assert_false(fold_is_worth(&marks, &sizes));
    assert_false(fold_takes(&limits, &sizes, &at));
}

static void a_refused_prompt_tells_a_smaller_window_unless_it_is_short(void **state) {
    (void)state;
    assert_int_equal(fold_window_refused(8000), 6000);
    assert_int_equal(fold_window_refused(1000), 0);
    assert_int_equal(fold_window_refused(0), 0);
}

static void a_refusal_is_judged_by_what_was_taken_before(void **state) {
    (void)state;
    struct fold_refusal refusal = {.prompt = 8000, .window = 32768};
    assert_false(fold_refusal_is_doubtful(&refusal));
    assert_int_equal(fold_window_learned(&refusal), 6000);
    refusal.accepted = 16000;
    assert_false(fold_refusal_is_doubtful(&refusal));
    refusal.accepted = 16002;
    assert_true(fold_refusal_is_doubtful(&refusal));
    refusal.fixed = 4000; /* The instructions have to fit. */
    assert_int_equal(fold_window_learned(&refusal), 11024);
    refusal.fixed = 20000; /* Nothing smaller than what is known would do. */
    assert_int_equal(fold_window_learned(&refusal), 0);
    refusal = (struct fold_refusal){.prompt = 1000, .window = 32768};
    assert_int_equal(fold_window_learned(&refusal), 0);
    assert_int_equal(fold_window_raised(8000), 16000);
}

static void an_excerpt_is_the_beginning_and_the_end_in_whole_characters(void **state) {
    (void)state;
    static const char words[] = "äöüäöüäöüäöüäöüäöüäöüäöüäöüäöü";
    for (size_t max = 0; max <= sizeof words + 10; max++) {
        AUTO(text_done) struct text text;
        text_init(&text, sizeof words);
        fold_excerpt(BYTES(words), max, &text);
        assert_false(text_failed(&text));
        assert_true(text.len <= max);
        for (size_t i = 0, run = 0; i < text.len; i++) {
            bool within = ((unsigned char)text.data[i] & 0xc0) == 0x80;
            run = within ? run + 1 : 0;
            assert_true(i > 0 || !within);
        }
        if (max >= sizeof words - 1) {
            assert_string_equal(text.data, words);
        } else if (max >= 20) {
            assert_memory_equal(text.data, "ä", 2);
            assert_memory_equal(text.data + text.len - 2, "ü", 2);
            assert_non_null(strstr(text.data, "\n[…]\n"));
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prompt_has_most_of_the_window_beside_its_answer),
        cmocka_unit_test(marks_stand_in_order_at_every_window),
        cmocka_unit_test(no_prompt_is_held_back_for_a_window_that_nobody_said),
        cmocka_unit_test(a_fold_leaves_at_most_half_of_what_a_prompt_may_have),
        cmocka_unit_test(what_is_kept_shrinks_to_nothing_before_the_prompt_is_too_long),
        cmocka_unit_test(the_newest_unit_stays_while_the_prompt_has_room_for_it),
        cmocka_unit_test(whoever_asks_for_it_has_everything_folded),
        cmocka_unit_test(a_fold_that_saves_little_is_not_made),
        cmocka_unit_test(a_prompt_of_too_many_messages_is_folded_however_short_they_are),
        cmocka_unit_test(a_refused_prompt_tells_a_smaller_window_unless_it_is_short),
        cmocka_unit_test(a_refusal_is_judged_by_what_was_taken_before),
        cmocka_unit_test(an_excerpt_is_the_beginning_and_the_end_in_whole_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
