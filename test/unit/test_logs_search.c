#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/job/logs_search.h"
#include "base/json/json.h"
#include "base/memory.h"

/* A log in memory; `step` is how much one read brings, a hole is where bytes were dropped. */
struct source {
    const char *data;
    size_t len, step;
    size_t grows; /* By so much with each read. */
    int64_t hole_from, hole_to;
    int64_t later_from, later_to; /* Another hole. */
    struct world world;
    uint64_t now_ns, tick_ns;
    atomic_bool *cancel; /* Set by the first read. */
};

static struct err read_source(void *ctx, int64_t offset, char *buffer, size_t size,
                              struct log_read *ret_read) {
    struct source *source = ctx;
    struct log_read read = {.offset = offset, .hole_from = offset, .size = (int64_t)source->len};
    if (source->cancel != NULL) {
        atomic_store(source->cancel, true);
    }
    if (offset >= source->hole_from && offset < source->hole_to) {
        read.offset = source->hole_to;
    }
    if (read.offset >= source->later_from && read.offset < source->later_to) {
        read.offset = source->later_to;
    }
    int64_t end = (int64_t)source->len;
    source->len += source->grows;
    if (read.offset < source->later_from && source->later_from < end) {
        end = source->later_from;
    }
    if (read.offset < source->hole_from && source->hole_from < end) {
        end = source->hole_from;
    }
    if (read.offset < end) {
        size_t len = (size_t)(end - read.offset);
        len = len < size ? len : size;
        len = source->step > 0 && len > source->step ? source->step : len;
        memcpy(buffer, source->data + read.offset, len);
        read.len = len;
    }
    *ret_read = read;
    return ERR_OK;
}

static uint64_t ticking(void *ctx) {
    struct source *source = ctx;
    source->now_ns += source->tick_ns;
    return source->now_ns;
}

struct ask {
    const char *pattern;
    int64_t limit, context;
    enum search_text kind;
};

static struct err search(struct source *source, struct ask ask, json_t **ret_json,
                         struct why *why) {
    source->world = *world_real();
    source->world.mono_ns = ticking;
    source->world.ctx = source;
    if (source->hole_to == 0) {
        source->hole_from = source->hole_to = INT64_MAX;
    }
    const struct search_options options = {.pattern = {ask.pattern, strlen(ask.pattern)},
                                           .limit = ask.limit == 0 ? 50 : ask.limit,
                                           .context = ask.context,
                                           .kind = ask.kind,
                                           .world = &source->world,
                                           .time_ms = SEARCH_TIME_MS,
                                           .cancelled = source->cancel,
                                           .ctx = source,
                                           .read = read_source};
    AUTO(text_done) struct text answer;
    text_init(&answer, 8 << 20);
    struct err err = log_search(&options, &answer, why);
    if (!err_failed(err)) {
        assert_false(text_failed(&answer));
        assert_int_equal(json_parse(answer.data, answer.len, 16, ret_json, why).code, ERR_NONE);
    }
    return err;
}

static json_t *found(const char *log, struct ask ask) {
    struct source source = {.data = log, .len = strlen(log)};
    struct why why = {.text = ""};
    json_t *json = NULL;
    assert_int_equal(search(&source, ask, &json, &why).code, ERR_NONE);
    return json;
}

static int64_t number(const json_t *json, const char *name) {
    const json_t *value = json_object_get(json, name);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static const json_t *match(const json_t *json, size_t at) {
    const json_t *value = json_array_get(json_object_get(json, "matches"), at);
    assert_non_null(value);
    return value;
}

static size_t count(const json_t *json) {
    return json_array_size(json_object_get(json, "matches"));
}

static const char *text_of(const json_t *json) {
    return json_string_value(json_object_get(json, "text"));
}

static bool truncated(const json_t *json) {
    return json_is_true(json_object_get(json, "truncated"));
}

static void lines_are_numbered_from_one(void **state) {
    AUTO(json_release)
    json_t *json = found("alpha\nbeta\n\ngamma beta\n", (struct ask){.pattern = "beta"});
    assert_int_equal(count(json), 2);
    assert_int_equal(number(match(json, 0), "line"), 2);
    assert_string_equal(text_of(match(json, 0)), "beta");
    assert_int_equal(number(match(json, 1), "line"), 4);
    assert_int_equal(number(json, "total"), 2);
    assert_false(truncated(json));
}

static void the_last_line_needs_no_line_feed(void **state) {
    AUTO(json_release) json_t *json = found("a\nlast", (struct ask){.pattern = "last$"});
    assert_int_equal(number(match(json, 0), "line"), 2);
    AUTO(json_release) json_t *none = found("a\n", (struct ask){.pattern = "^$"});
    assert_int_equal(count(none), 0); /* There is no empty line behind the last line feed. */
}

static void an_empty_log_has_no_match(void **state) {
    AUTO(json_release) json_t *json = found("", (struct ask){.pattern = "x*"});
    assert_int_equal(number(json, "total"), 0);
    assert_int_equal(count(json), 0);
}

static void context_is_what_is_around_a_match_and_stops_at_the_edges(void **state) {
    AUTO(json_release)
    json_t *json = found("1\n2\n3\n4\n5\n6\n", (struct ask){.pattern = "[15]", .context = 2});
    const json_t *first = match(json, 0), *second = match(json, 1);
    assert_int_equal(json_array_size(json_object_get(first, "before")), 0);
    const json_t *after = json_object_get(first, "after");
    assert_int_equal(json_array_size(after), 2);
    assert_string_equal(json_string_value(json_array_get(after, 0)), "2");
    assert_string_equal(json_string_value(json_array_get(after, 1)), "3");
    const json_t *before = json_object_get(second, "before");
    assert_int_equal(json_array_size(before), 2);
    assert_string_equal(json_string_value(json_array_get(before, 0)), "3");
    assert_string_equal(json_string_value(json_array_get(before, 1)), "4");
    assert_int_equal(json_array_size(json_object_get(second, "after")), 1);
}

static void neighbours_of_one_match_may_match_themselves(void **state) {
    AUTO(json_release)
    json_t *json = found("x\nx\nx\n", (struct ask){.pattern = "x", .context = 1});
    assert_int_equal(count(json), 3);
    assert_int_equal(json_array_size(json_object_get(match(json, 1), "before")), 1);
    assert_int_equal(json_array_size(json_object_get(match(json, 1), "after")), 1);
}

static void beyond_the_limit_lines_are_counted_only(void **state) {
    AUTO(json_release)
    json_t *json =
        found("x1\nx2\nx3\nx4\n", (struct ask){.pattern = "x", .limit = 2, .context = 1});
    assert_int_equal(count(json), 2);
    assert_int_equal(number(json, "total"), 4);
    assert_true(truncated(json));
    const json_t *after = json_object_get(match(json, 1), "after");
    assert_string_equal(json_string_value(json_array_get(after, 0)), "x3");
}

/* However the log is cut, the answer is the same. */
static void it_does_not_matter_where_reads_end(void **state) {
    static const char log[] = "one\ntwo \xE2\x82\xAC\n\x1b[31mred\x1b[0m\r\nfour\n";
    AUTO(json_release)
    json_t *whole =
        found(log, (struct ask){.pattern = "o|r", .context = 1, .kind = SEARCH_TERMINAL});
    for (size_t step = 1; step < sizeof log; step++) {
        struct source source = {.data = log, .len = sizeof log - 1, .step = step};
        struct why why;
        AUTO(json_release) json_t *json = NULL;
        struct ask ask = {.pattern = "o|r", .context = 1, .kind = SEARCH_TERMINAL};
        assert_int_equal(search(&source, ask, &json, &why).code, ERR_NONE);
        assert_true(json_equal(json, whole));
    }
    assert_int_equal(count(whole), 4);
}

static void escape_sequences_of_a_terminal_are_no_text(void **state) {
    static const char log[] = "\x1b[1;32mgreen\x1b[0m light\r\n"
                              "\x1b]0;a title\x07shown\r\n"
                              "\x1b]8;;http://x\x1b\\link\x1b(B\x1b=end\r\n"
                              "\x1bPdata\x1b\\tab\there\x08\r\n"
                              "10%\r20%\r\n"
                              "cut \x1b[31\n"
                              "next\n";
    AUTO(json_release)
    json_t *json = found(log, (struct ask){.pattern = "", .kind = SEARCH_TERMINAL});
    static const char *const want[] = {"green light", "shown", "linkend", "tab\there",
                                       "10%\r20%",    "cut ",  "next"};
    assert_int_equal(count(json), COUNT_OF(want));
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        assert_string_equal(text_of(match(json, i)), want[i]);
    }
    AUTO(json_release) json_t *plain = found(log, (struct ask){.pattern = "\\x1b\\[1;32m"});
    assert_int_equal(count(plain), 1); /* Of other output every byte is text. */
}

static void bytes_that_are_no_utf_8_are_searched_and_shown_replaced(void **state) {
    AUTO(json_release) json_t *json = found("a\xFF\xFEz\n", (struct ask){.pattern = "z"});
    assert_string_equal(text_of(match(json, 0)), "a\xEF\xBF\xBD\xEF\xBF\xBDz");
    AUTO(json_release) json_t *dot = found("\xE2\x82\xAC\n", (struct ask){.pattern = "^.$"});
    assert_int_equal(count(dot), 1); /* A dot is a character. */
}

static void a_nul_byte_is_text(void **state) {
    static const char log[] = "a\0b\n";
    struct source source = {.data = log, .len = sizeof log - 1};
    struct why why;
    AUTO(json_release) json_t *json = NULL;
    assert_int_equal(search(&source, (struct ask){.pattern = "a.b"}, &json, &why).code, ERR_NONE);
    assert_int_equal(json_string_length(json_object_get(match(json, 0), "text")), 3);
}

static void a_hole_ends_a_line_and_is_told(void **state) {
    static const char log[] = "first\nbegin-XXXXXXXXXX-end\nlast\n";
    struct source source = {.data = log, .len = sizeof log - 1, .hole_from = 12, .hole_to = 22};
    struct why why;
    AUTO(json_release) json_t *json = NULL;
    assert_int_equal(search(&source, (struct ask){.pattern = "begin|end"}, &json, &why).code,
                     ERR_NONE);
    assert_int_equal(count(json), 2);
    assert_string_equal(text_of(match(json, 0)), "begin-");
    assert_string_equal(text_of(match(json, 1)), "-end");
    const json_t *dropped = json_object_get(json, "dropped");
    assert_int_equal(number(dropped, "from"), 12);
    assert_int_equal(number(dropped, "to"), 22);
}

static void several_holes_are_told_as_one_around_them(void **state) {
    static const char log[] = "first\nXXXXmiddle\nXXXXlast\n";
    struct source source = {.data = log,
                            .len = sizeof log - 1,
                            .hole_from = 6,
                            .hole_to = 10,
                            .later_from = 17,
                            .later_to = 21};
    struct why why;
    AUTO(json_release) json_t *json = NULL;
    assert_int_equal(search(&source, (struct ask){.pattern = "."}, &json, &why).code, ERR_NONE);
    assert_int_equal(number(json, "total"), 3);
    const json_t *dropped = json_object_get(json, "dropped");
    assert_int_equal(number(dropped, "from"), 6);
    assert_int_equal(number(dropped, "to"), 21);
}

static void a_log_that_grows_is_searched_up_to_where_it_was(void **state) {
    enum { LINES = 1000, THERE = 10 };
    char log[2 * LINES];
    for (size_t i = 0; i < sizeof log; i += 2) {
        memcpy(log + i, "x\n", 2);
    }
    struct source source = {.data = log, .len = 2 * THERE, .step = 2, .grows = 2};
    struct why why;
    AUTO(json_release) json_t *json = NULL;
    assert_int_equal(search(&source, (struct ask){.pattern = "x"}, &json, &why).code, ERR_NONE);
    assert_int_equal(number(json, "total"), THERE);
    /* What was dropped meanwhile, up to there, is told; what lies behind was not asked for. */
    struct source fast = {.data = log,
                          .len = 2 * THERE,
                          .step = 2,
                          .grows = 2 * THERE,
                          .hole_from = THERE,
                          .hole_to = 3 * THERE};
    AUTO(json_release) json_t *part = NULL;
    assert_int_equal(search(&fast, (struct ask){.pattern = "x"}, &part, &why).code, ERR_NONE);
    assert_int_equal(number(part, "total"), THERE / 2);
    assert_int_equal(number(json_object_get(part, "dropped"), "to"), 2 * THERE);
}

static void a_line_is_cut_at_its_limit(void **state) {
    size_t len = 3 * (size_t)SEARCH_LINE_MAX;
    AUTO(mem_release) char *log = mem_new(len + 1);
    memset(log, 'a', len);
    log[len - 1] = 'z';
    AUTO(json_release) json_t *cut = found(log, (struct ask){.pattern = "z"});
    assert_int_equal(number(cut, "total"), 0);
    AUTO(json_release) json_t *json = found(log, (struct ask){.pattern = "^a"});
    assert_int_equal(strlen(text_of(match(json, 0))), SEARCH_LINE_MAX);
}

static void what_is_told_is_bounded_and_says_so(void **state) {
    enum { LINES = 200 };
    size_t line = SEARCH_LINE_MAX;
    AUTO(mem_release) char *log = mem_new(LINES * line + 1);
    memset(log, 'a', LINES * line);
    for (size_t i = 1; i <= LINES; i++) {
        log[i * line - 1] = '\n';
    }
    AUTO(json_release)
    json_t *json = found(log, (struct ask){.pattern = "a", .limit = 500, .context = 50});
    assert_int_equal(number(json, "total"), LINES);
    assert_true(truncated(json));
    assert_true(count(json) < LINES);
}

static void a_pattern_that_does_not_compile_is_refused_with_its_position(void **state) {
    static const struct {
        const char *pattern, *position;
    } bad[] = {{"a(b", "position 3"},
               {"[z-a]", "position 3"},
               {"\xE2\x82\xAC*+?*", "position"},
               {"\\C", "position 2"},
               {"(?<n", "position"}};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct source source = {.data = "", .len = 0};
        struct why why = {.text = ""};
        json_t *json = NULL;
        struct err err = search(&source, (struct ask){.pattern = bad[i].pattern}, &json, &why);
        assert_int_equal(err.code, ERR_BAD_PATTERN);
        assert_non_null(strstr(why.text, bad[i].position));
    }
}

static void a_position_counts_characters(void **state) {
    struct source source = {.data = "", .len = 0};
    struct why why = {.text = ""};
    json_t *json = NULL;
    struct err err = search(&source, (struct ask){.pattern = "\xE2\x82\xAC("}, &json, &why);
    assert_int_equal(err.code, ERR_BAD_PATTERN);
    assert_non_null(strstr(why.text, "position 2"));
}

/* Each of these would run for longer than anybody waits. None may be "no match". */
static void a_pattern_that_explodes_is_too_expensive(void **state) {
    static const char *const patterns[] = {
        "(a+)+$",          "(a|aa)+$", "(.*)*b", "((a*)*)*b", "^(([a-z])+.)+[A-Z]([a-z])+$",
        "(?:a?){60}a{60}b"};
    char log[4096];
    memset(log, 'a', sizeof log);
    log[sizeof log - 2] = '!';
    log[sizeof log - 1] = '\n';
    for (size_t i = 0; i < COUNT_OF(patterns); i++) {
        struct source source = {.data = log, .len = sizeof log};
        struct why why = {.text = ""};
        json_t *json = NULL;
        struct err err = search(&source, (struct ask){.pattern = patterns[i]}, &json, &why);
        if (!err_failed(
                err)) { /* The compiler of patterns may know better; then it is an answer. */
            json_decref(json);
            continue;
        }
        assert_int_equal(err.code, ERR_TOO_EXPENSIVE);
        assert_non_null(strstr(why.text, "too expensive"));
    }
    struct source source = {.data = log, .len = sizeof log};
    struct why why = {.text = ""};
    json_t *json = NULL;
    assert_int_equal(search(&source, (struct ask){.pattern = "(a+)+$"}, &json, &why).code,
                     ERR_TOO_EXPENSIVE);
}

static void the_clock_ends_a_search_between_lines_and_within_one(void **state) {
    struct source many = {.data = "x\n", .len = 2, .tick_ns = UINT64_C(20) * 1000000000};
    struct why why = {.text = ""};
    json_t *json = NULL;
    assert_int_equal(search(&many, (struct ask){.pattern = "x"}, &json, &why).code,
                     ERR_TOO_EXPENSIVE);
    assert_non_null(strstr(why.text, "the search took over 10 s")); /* "x" is a cheap pattern. */
    assert_null(strstr(why.text, "pattern"));
    /* Cheap for the count of steps, but each start looks at the whole rest of the line. */
    size_t len = SEARCH_LINE_MAX;
    AUTO(mem_release) char *log = mem_new(len + 1);
    memset(log, 'a', len);
    log[len - 1] = 'b';
    struct source one = {.data = log, .len = len, .tick_ns = UINT64_C(4) * 1000000000};
    assert_int_equal(search(&one, (struct ask){.pattern = "a+[^a]b"}, &json, &why).code,
                     ERR_TOO_EXPENSIVE);
}

static void a_search_for_nobody_ends(void **state) {
    size_t len = 8 << 20;
    AUTO(mem_release) char *log = mem_new(len + 1);
    memset(log, '\n', len);
    atomic_bool cancel = false;
    struct source source = {.data = log, .len = len, .cancel = &cancel};
    struct why why = {.text = ""};
    json_t *json = NULL;
    assert_int_equal(search(&source, (struct ask){.pattern = "x"}, &json, &why).code,
                     ERR_INTERRUPTED);
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_numbered_from_one),
        cmocka_unit_test(the_last_line_needs_no_line_feed),
        cmocka_unit_test(an_empty_log_has_no_match),
        cmocka_unit_test(context_is_what_is_around_a_match_and_stops_at_the_edges),
        cmocka_unit_test(neighbours_of_one_match_may_match_themselves),
        cmocka_unit_test(beyond_the_limit_lines_are_counted_only),
        cmocka_unit_test(it_does_not_matter_where_reads_end),
        cmocka_unit_test(escape_sequences_of_a_terminal_are_no_text),
        cmocka_unit_test(bytes_that_are_no_utf_8_are_searched_and_shown_replaced),
        cmocka_unit_test(a_nul_byte_is_text),
        cmocka_unit_test(a_hole_ends_a_line_and_is_told),
        cmocka_unit_test(several_holes_are_told_as_one_around_them),
        cmocka_unit_test(a_log_that_grows_is_searched_up_to_where_it_was),
        cmocka_unit_test(a_line_is_cut_at_its_limit),
        cmocka_unit_test(what_is_told_is_bounded_and_says_so),
        cmocka_unit_test(a_pattern_that_does_not_compile_is_refused_with_its_position),
        cmocka_unit_test(a_position_counts_characters),
        cmocka_unit_test(a_pattern_that_explodes_is_too_expensive),
        cmocka_unit_test(the_clock_ends_a_search_between_lines_and_within_one),
        cmocka_unit_test(a_search_for_nobody_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
