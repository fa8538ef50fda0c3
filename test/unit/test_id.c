/* Typed ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/id.h"

static const uint8_t zeroes[10];
static const uint8_t ones[10] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255};

static void an_id_is_its_prefix_its_time_and_its_randomness(void **state) {
    (void)state;
    assert_string_equal(id_make("tok", 0, zeroes).text, "tok_00000000000000000000000000");
    assert_string_equal(id_make("s", (INT64_C(1) << 48) - 1, ones).text,
                        "s_7zzzzzzzzzzzzzzzzzzzzzzzzz");
    assert_string_equal(id_make("tok", 1, zeroes).text, "tok_00000000010000000000000000");
    static const uint8_t counted[10] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 31};
    assert_string_equal(id_make("run", 0, counted).text, "run_0000000000000000000000000z");
}

static void ids_sort_by_the_millisecond_they_were_made_in(void **state) {
    (void)state;
    struct id before = id_make("run", 0, ones);
    for (int64_t at = 1; at < INT64_C(1) << 48; at = at * 3 + 1) {
        struct id after = id_make("run", at, zeroes);
        assert_true(strcmp(before.text, after.text) < 0);
        before = id_make("run", at, ones);
    }
}

static void a_mad_clock_gives_an_id_all_the_same(void **state) {
    (void)state;
    assert_string_equal(id_make("tok", INT64_MIN, zeroes).text, id_make("tok", 0, zeroes).text);
    struct id last = id_make("tok", INT64_MAX, ones);
    assert_true(id_valid(last.text, strlen(last.text), "tok"));
}

static void only_what_id_make_could_have_made_is_valid(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {
        {"tok_0123456789abcdefghjkmnpqrs", true},   {"tok_7zzzzzzzzzzzzzzzzzzzzzzzzz", true},
        {"tok_8zzzzzzzzzzzzzzzzzzzzzzzzz", false},  {"tok_0123456789abcdefghjkmnpqr", false},
        {"tok_0123456789abcdefghjkmnpqrst", false}, {"run_0123456789abcdefghjkmnpqrs", false},
        {"tok-0123456789abcdefghjkmnpqrs", false},  {"tok_0123456789ABCDEFGHJKMNPQRS", false},
        {"tok_i123456789abcdefghjkmnpqrs", false},  {"tok_0l23456789abcdefghjkmnpqrs", false},
        {"tok_0o23456789abcdefghjkmnpqrs", false},  {"tok_0u23456789abcdefghjkmnpqrs", false},
        {"tok_0 23456789abcdefghjkmnpqrs", false},  {"", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(id_valid(cases[i].text, strlen(cases[i].text), "tok"), cases[i].valid);
    }
    assert_false(id_valid("tok_0123456789abcdefghjkmnpqr\0", 30, "tok"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_its_prefix_its_time_and_its_randomness),
        cmocka_unit_test(ids_sort_by_the_millisecond_they_were_made_in),
        cmocka_unit_test(a_mad_clock_gives_an_id_all_the_same),
        cmocka_unit_test(only_what_id_make_could_have_made_is_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
