/* Help of the real commands: sections, examples, hints; and the kinds that placeholders mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/names.h"

static const struct command *const commands[] = {
#define COMMAND_ROW(name_) &command_##name_,
    COMMANDS(COMMAND_ROW) NULL,
#undef COMMAND_ROW
};

enum { SENTENCE_MAX = 58, WORDS_MAX = 32, LINE_MAX = 400 };

/* --- Rows ------------------------------------------------------------------------------------- */

static void each_command_has_a_section_an_example_and_a_sentence(void **state) {
    (void)state;
    for (size_t i = 0; commands[i] != NULL; i++) {
        const struct command *command = commands[i];
        const char *end = strstr(command->summary, ". ");
        size_t len = end != NULL ? (size_t)(end + 1 - command->summary) : strlen(command->summary);
        bool ends = command->summary[strlen(command->summary) - 1] == '.';
        if (command->hidden) {
            continue;
        }
        if (command->section == SECTION_NONE || command->examples == NULL || len > SENTENCE_MAX ||
            !ends) {
            fail_msg("drover %s %s: .section, .examples, or a first sentence of at most %d "
                     "characters are missing",
                     command->group != NULL ? command->group : "", command->name, SENTENCE_MAX);
        }
    }
}

/* Splits a line as a shell does where it has no more than quotes. */
static int line_split(char *line, const char *words[WORDS_MAX]) {
    int count = 0;
    for (char *from = line, *to; *from != '\0';) {
        char quote = '\0';
        assert_true(count < WORDS_MAX);
        words[count++] = to = from;
        for (; *from != '\0' && (*from != ' ' || quote != '\0'); from++) {
            if (*from == quote) {
                quote = '\0';
            } else if (quote == '\0' && (*from == '"' || *from == '\'')) {
                quote = *from;
            } else {
                *to++ = *from;
            }
        }
        assert_int_equal(quote, '\0');
        bool more = *from == ' ';
        *to = '\0';
        from += more ? 1 : 0;
    }
    return count;
}

static void example_check(const struct command *command, const char *example, size_t len) {
    char line[LINE_MAX];
    const char *words[WORDS_MAX];
    struct args args;
    struct why why = {.text = ""};
    assert_true(len < sizeof line);
    memcpy(line, example, len);
    line[len] = '\0';
    int count = line_split(line, words);
    assert_string_equal(words[0], "drover");
    struct err err = args_parse(commands, count, words, &args, &why);
    if (err_failed(err) || args.command != command) {
        fail_msg("%.*s: %s", (int)len, example, err_failed(err) ? why.text : "another command");
    }
}

static void each_example_is_parsed_as_its_command(void **state) {
    (void)state;
    for (size_t i = 0; commands[i] != NULL; i++) {
        const char *line = commands[i]->examples;
        while (line != NULL && *line != '\0') {
            size_t len = strcspn(line, "\n");
            assert_int_equal(line[len], '\n');
            example_check(commands[i], line, len);
            line += len + 1;
        }
    }
}

/* --- Screens ---------------------------------------------------------------------------------- */

static unsigned rows_of(const char *text) {
    unsigned rows = 0;
    for (const char *at = text; (at = strstr(at, "\n  ")) != NULL; at += 3) {
        rows += at[3] != ' ';
    }
    return rows;
}

static void drover_alone_shows_six_commands(void **state) {
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    help_start(commands, out);
    (void)fclose(out);
    assert_non_null(strstr(text, "Start here:"));
    assert_int_equal(rows_of(text), 6);
    free(text);
}

static void width_check(const struct args *asked) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    help_print(commands, asked, out);
    if (asked->command == NULL) {
        help_start(commands, out);
    }
    (void)fclose(out);
    for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
        struct bytes whole = {line, strcspn(line, "\n")};
        if (utf8_count(whole) > 80) {
            fail_msg("wider than 80 columns: %.*s", (int)whole.len, line);
        }
    }
    free(text);
}

static void help_fits_eighty_columns(void **state) {
    (void)state;
    width_check(&(struct args){.command = NULL});
    for (size_t i = 0; commands[i] != NULL; i++) {
        width_check(&(struct args){.command = commands[i]});
        width_check(&(struct args){.group = commands[i]->group});
    }
}

/* --- Hints ------------------------------------------------------------------------------------ */

static void a_word_that_is_no_command_gets_a_hint(void **state) {
    (void)state;
    static const struct {
        const char *first, *second, *says;
    } cases[] = {
        {"kil", NULL, "'kil' is not a command; did you mean 'drover stop'?"},
        {"kill", NULL, "'kill' is not a command; did you mean 'drover stop'?"},
        {"list", NULL, "'list' is not a command; did you mean 'drover ps'?"},
        {"start", NULL, "'start' is not a command; did you mean 'drover run' or 'drover serve'?"},
        {"rm", NULL, "'rm' is not a command; did you mean 'drover job rm' or 'drover session rm'?"},
        {"continue", NULL, "'continue' is not a command; did you mean 'drover resume'?"},
        {"append", NULL, "'append' is not a command; did you mean 'drover stream append'?"},
        {"sesion", NULL, "'sesion' is not a command; did you mean 'drover session'?"},
        {"job", "list", "'job list' is not a command; did you mean 'drover job ls'?"},
        {"job", "serch", "'job serch' is not a command; did you mean 'drover job search'?"},
        {"job", "show", "'job show' is not a command; did you mean 'drover show'?"},
        {"session", "delete",
         "'session delete' is not a command; did you mean 'drover session rm'?"},
        {"zzzzzzzz", NULL, "'zzzzzzzz' is not a command; 'drover help' lists them"},
        {"job", "zzzzzzzz", "'job zzzzzzzz' is not a command; 'drover help job' lists them"},
        {"-v", NULL, "there is no flag '-v'; did you mean 'drover version'?"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *const argv[] = {"drover", cases[i].first, cases[i].second, NULL};
        struct args args;
        struct why why = {.text = ""};
        int argc = cases[i].second != NULL ? 3 : 2;
        assert_int_equal(args_parse(commands, argc, argv, &args, &why).code, ERR_USAGE);
        assert_string_equal(why.text, cases[i].says);
    }
}

/* --- Placeholders ----------------------------------------------------------------------------- */

static void a_placeholder_says_which_kinds_are_meant(void **state) {
    (void)state;
    static const struct {
        const char *placeholder, *first, *second;
    } cases[] = {
        {"RUN", "run", NULL},
        {"[SESSION]", "session", NULL},
        {"JOB…", "job", NULL},
        {"[JOB…]", "job", NULL},
        {"RUN|SESSION", "run", "session"},
        {"NAME", NULL, NULL},
        {"[FILE|NAME]", NULL, NULL},
        {"STATE", NULL, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct name_kind *kinds[NAME_KINDS_MAX] = {NULL};
        unsigned count = name_kinds_of(bytes_of(cases[i].placeholder), kinds);
        unsigned wanted = cases[i].second != NULL ? 2 : cases[i].first != NULL ? 1 : 0;
        assert_int_equal(count, wanted);
        if (wanted > 0) {
            assert_string_equal(kinds[0]->kind, cases[i].first);
        }
        if (wanted > 1) {
            assert_string_equal(kinds[1]->kind, cases[i].second);
        }
    }
}

static void operands_have_the_placeholders_of_their_places(void **state) {
    (void)state;
    static const struct command two = {.operands = "SESSION DIR"}, many = {.operands = "JOB…"},
                                none = {.operands = NULL};
    assert_true(bytes_is(operand_placeholder(&two, 0), "SESSION"));
    assert_true(bytes_is(operand_placeholder(&two, 1), "DIR"));
    assert_int_equal(operand_placeholder(&two, 2).len, 0);
    assert_true(bytes_is(operand_placeholder(&many, 5), "JOB…"));
    assert_int_equal(operand_placeholder(&none, 0).len, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_command_has_a_section_an_example_and_a_sentence),
        cmocka_unit_test(each_example_is_parsed_as_its_command),
        cmocka_unit_test(drover_alone_shows_six_commands),
        cmocka_unit_test(help_fits_eighty_columns),
        cmocka_unit_test(a_word_that_is_no_command_gets_a_hint),
        cmocka_unit_test(a_placeholder_says_which_kinds_are_meant),
        cmocka_unit_test(operands_have_the_placeholders_of_their_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
