/* Command lines read by table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/base/args.h"
#include "cli/base/cli.h"

static const struct flag tail_flags[] = {
    {.name = "after", .kind = FLAG_INT, .value = "SEQ", .max = 100, .about = "x"},
    {.name = "follow", .letter = 'f', .kind = FLAG_SWITCH, .about = "x"},
    {.name = "via", .kind = FLAG_TEXT, .choices = "sse|ws|poll", .value = "HOW", .about = "x"},
    {.name = NULL},
};

static const struct flag append_flags[] = {
    {.name = "data", .letter = 'd', .kind = FLAG_TEXT, .value = "JSON", .about = "x"},
    {.name = NULL},
};

static const struct command tail = {.group = "stream",
                                    .name = "tail",
                                    .summary = "x",
                                    .operands = "NAME",
                                    .flags = tail_flags,
                                    .talks = true};
static const struct command append = {.group = "stream",
                                      .name = "append",
                                      .summary = "x",
                                      .operands = "NAME",
                                      .flags = append_flags,
                                      .talks = true};
static const struct flag run_flags[] = {
    {.name = "env", .letter = 'e', .kind = FLAG_LIST, .value = "NAME", .about = "x"},
    {.name = "word", .kind = FLAG_LIST, .value = "WORD", .about = "x"},
    {.name = "wait",
     .kind = FLAG_DURATION,
     .value = "TIME",
     .min = 1000,
     .max = 60000,
     .absent = "5s",
     .about = "x"},
    {.name = "room", .kind = FLAG_SIZE, .value = "SIZE", .min = 1, .max = 1 << 30, .about = "x"},
    {.name = NULL},
};
static const struct command run = {.group = "job",
                                   .name = "run",
                                   .summary = "x",
                                   .operands = "CMD",
                                   .takes_rest = true,
                                   .flags = run_flags};
static const struct command version = {.name = "version", .summary = "x"};
static const struct command *const commands[] = {&tail, &append, &run, &version, NULL};

enum { WORDS_MAX = 8 };
struct words {
    const char *argv[WORDS_MAX];
};

static struct err parse(const struct words *words, struct args *args, struct why *why) {
    int argc = 0;
    while (argc < WORDS_MAX && words->argv[argc] != NULL) {
        argc++;
    }
    why->text[0] = '\0';
    return args_parse(commands, argc, words->argv, args, why);
}

static void flags_and_operands_come_in_any_order(void **state) {
    (void)state;
    static const struct words lines[] = {
        {{"drover", "stream", "tail", "-f", "notes", "--after", "7", NULL}},
        {{"drover", "stream", "tail", "--after=7", "--follow", "notes", NULL}},
        {{"drover", "stream", "tail", "--follow=true", "--after=7", "--", "notes", NULL}},
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct args args;
        struct why why;
        assert_int_equal(parse(&lines[i], &args, &why).code, ERR_NONE);
        assert_ptr_equal(args.command, &tail);
        assert_int_equal(args.operand_count, 1);
        assert_string_equal(args.operands[0], "notes");
        assert_true(args_on(&args, "follow"));
        assert_int_equal(args_int(&args, "after", -1), 7);
        assert_null(args_text(&args, "via"));
    }
}

static void after_two_dashes_nothing_is_a_flag(void **state) {
    (void)state;
    const struct words line = {{"drover", "stream", "tail", "--", "--after", NULL}};
    struct args args;
    struct why why;
    assert_int_equal(parse(&line, &args, &why).code, ERR_NONE);
    assert_string_equal(args.operands[0], "--after");
}

static void what_is_wrong_is_said(void **state) {
    (void)state;
    static const struct {
        struct words line;
        const char *says;
    } cases[] = {
        {{{"drover", "steam", NULL}}, "'steam' is not a command; did you mean 'drover stream'?"},
        {{{"drover", "stream", "tial", NULL}},
         "'stream tial' is not a command; did you mean 'drover stream tail'?"},
        {{{"drover", "qqqqqqqq", NULL}}, "'qqqqqqqq' is not a command; 'drover help' lists them"},
        {{{"drover", "version", "--jsn", NULL}},
         "there is no flag '--jsn'; did you mean '--json'?"},
        {{{"drover", "version", "-x", NULL}}, "there is no flag '-x'"},
        {{{"drover", "version", "more", NULL}}, "'more' is one word too many"},
        {{{"drover", "stream", "tail", NULL}}, "something is missing: drover stream tail NAME"},
        {{{"drover", "stream", "tail", "a", "--after", NULL}}, "--after needs a value: SEQ"},
        {{{"drover", "stream", "tail", "a", "--after=x", NULL}},
         "--after: 'x' is not a whole number from 0 to 100"},
        {{{"drover", "stream", "tail", "a", "--after=101", NULL}},
         "--after: '101' is not a whole number from 0 to 100"},
        {{{"drover", "stream", "tail", "a", "--via", "pigeon", NULL}},
         "--via: 'pigeon' is not one of sse|ws|poll"},
        {{{"drover", "stream", "tail", "a", "--via", "s", NULL}},
         "--via: 's' is not one of sse|ws|poll"},
        {{{"drover", "stream", "tail", "a", "--follow=maybe", NULL}},
         "--follow: 'maybe' is neither true nor false"},
        {{{"drover", "stream", "tail", "a", "-f", "-f", NULL}}, "--follow was given twice"},
        {{{"drover", "job", "run", "--wait=1x", "true", NULL}},
         "--wait: '1x' is not a time like 500ms, 30s, 5m or 2h from 1s to 1m"},
        {{{"drover", "job", "run", "--room=2G", "true", NULL}},
         "--room: '2G' is not a size like 64M or 1G from 1 to 1G"},
        {{{"drover", "job", "run", "-e", NULL}}, "--env needs a value: NAME"},
        {{{"drover", "job", "run", "-e", "a", NULL}}, "something is missing: drover job run CMD"},
        {{{"drover", "job", "run", "--", NULL}}, "something is missing: drover job run CMD"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct args args = {.operand_count = 77};
        struct why why;
        assert_int_equal(parse(&cases[i].line, &args, &why).code, ERR_USAGE);
        assert_string_equal(why.text, cases[i].says);
        assert_int_equal(args.operand_count, 77); /* Untouched. */
    }
}

static void help_needs_no_operands(void **state) {
    (void)state;
    const struct words line = {{"drover", "stream", "tail", "--help", NULL}};
    struct args args;
    struct why why;
    assert_int_equal(parse(&line, &args, &why).code, ERR_NONE);
    assert_true(args.help);
    assert_ptr_equal(args.command, &tail);
}

static void a_group_alone_names_no_command(void **state) {
    (void)state;
    const struct words line = {{"drover", "stream", NULL}};
    struct args args;
    struct why why;
    assert_int_equal(parse(&line, &args, &why).code, ERR_NONE);
    assert_null(args.command);
}

/* --data is the data directory, but for `append` it is the event's data. */
static void the_data_directory_has_another_name_where_data_is_taken(void **state) {
    (void)state;
    const struct words one = {{"drover", "stream", "tail", "a", "--data", "/d", NULL}};
    const struct words two = {
        {"drover", "stream", "append", "a", "--data", "{}", "--dir=/d", NULL}};
    struct args args;
    struct why why;
    assert_int_equal(parse(&one, &args, &why).code, ERR_NONE);
    assert_string_equal(args_directory(&args), "/d");
    assert_int_equal(parse(&two, &args, &why).code, ERR_NONE);
    assert_string_equal(args_directory(&args), "/d");
    assert_string_equal(args_text(&args, "data"), "{}");
}

static void a_list_keeps_each_value_in_its_order(void **state) {
    (void)state;
    const struct words line = {{"drover", "job", "run", "-e", "a", "--word=b", "-ec", "true"}};
    struct args args;
    struct why why;
    unsigned cursor = 0, other = 0;
    assert_int_equal(parse(&line, &args, &why).code, ERR_NONE);
    assert_int_equal(args_int(&args, "env", 0), 2);
    assert_string_equal(args_next(&args, "env", &cursor), "a");
    assert_string_equal(args_next(&args, "env", &cursor), "c");
    assert_null(args_next(&args, "env", &cursor));
    assert_null(args_next(&args, "env", &cursor));
    assert_string_equal(args_next(&args, "word", &other), "b");
    assert_null(args_next(&args, "word", &other));
}

static void a_list_has_a_limit(void **state) {
    (void)state;
    const char *argv[2 * ARGS_REPEATS_MAX + 16] = {"drover", "job", "run"};
    int argc = 3;
    for (int i = 0; i <= ARGS_REPEATS_MAX; i++) {
        argv[argc++] = "-e";
        argv[argc++] = "x";
    }
    argv[argc++] = "true";
    struct args args = {.operand_count = 77};
    struct why why;
    assert_int_equal(args_parse(commands, argc, argv, &args, &why).code, ERR_USAGE);
    assert_string_equal(why.text, "--env: more than 256 values");
    argv[argc - 3] = "--wait=9";
    argv[argc - 2] = "true";
    assert_int_equal(args_parse(commands, argc - 1, argv, &args, &why).code, ERR_NONE);
    assert_int_equal(args_int(&args, "env", 0), ARGS_REPEATS_MAX);
}

static void times_and_sizes_become_numbers(void **state) {
    (void)state;
    const struct words line = {{"drover", "job", "run", "--wait", "30s", "--room=64M", "x", NULL}};
    struct args args;
    struct why why;
    assert_int_equal(parse(&line, &args, &why).code, ERR_NONE);
    assert_int_equal(args_int(&args, "wait", 0), 30000);
    assert_int_equal(args_int(&args, "room", 0), 64 << 20);
}

static void a_command_of_its_own_is_not_read(void **state) {
    (void)state;
    static const struct words lines[] = {
        {{"drover", "job", "run", "--wait=9s", "ls", "--help", "-e", "--"}},
        {{"drover", "job", "run", "--wait=9s", "--", "ls", "--help", "-e"}},
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct args args;
        struct why why;
        assert_int_equal(parse(&lines[i], &args, &why).code, ERR_NONE);
        assert_false(args.help);
        assert_int_equal(args.operand_count, 0);
        assert_int_equal(args_int(&args, "env", 0), 0);
        assert_int_equal(args.rest_count, i == 0 ? 4 : 3);
        assert_string_equal(args.rest[0], "ls");
        assert_string_equal(args.rest[1], "--help");
        assert_string_equal(args.rest[2], "-e");
    }
    const struct words flag = {{"drover", "job", "run", "--", "--wait", NULL}};
    struct args args;
    struct why why;
    assert_int_equal(parse(&flag, &args, &why).code, ERR_NONE);
    assert_string_equal(args.rest[0], "--wait");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_and_operands_come_in_any_order),
        cmocka_unit_test(after_two_dashes_nothing_is_a_flag),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(help_needs_no_operands),
        cmocka_unit_test(a_group_alone_names_no_command),
        cmocka_unit_test(the_data_directory_has_another_name_where_data_is_taken),
        cmocka_unit_test(a_list_keeps_each_value_in_its_order),
        cmocka_unit_test(a_list_has_a_limit),
        cmocka_unit_test(times_and_sizes_become_numbers),
        cmocka_unit_test(a_command_of_its_own_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
