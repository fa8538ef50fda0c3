/* Where a field of a JSON line is; which arguments a program without an adapter gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agent/program.h"
#include "rules/agent/place.h"

static void a_place_has_names_indices_and_conditions(void **state) {
    (void)state;
    static const char line[] =
        "{\"type\":\"message\",\"role\":\"user\",\"n\":2,\"end\":true,\"a\":{\"0\":\"named\"},"
        "\"content\":[{\"text\":\"one\"},{\"text\":\"two\"}]}";
    static const struct {
        const char *place, *text; /* NULL: there is none. */
    } rows[] = {
        {"role", "user"},
        {"content.1.text", "two"},
        {"content.2.text", NULL},
        {"content.x.text", NULL},
        {"a.0", "named"},
        {"role.0", NULL},
        {"content.0.text if role=user", "one"},
        {"content.0.text if role=assistant", NULL},
        {"role if type=message and n=2 and end=true", "user"},
        {"role if type=message and n=3", NULL},
        {"role if content.1.text=two", "user"},
        {"role if away=1", NULL},
    };
    AUTO(json_release) json_t *json = NULL;
    assert_false(err_failed(json_parse_wrapped(BYTES(line), &json, NULL)));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_true(agent_place_fits(bytes_of(rows[i].place)));
        const json_t *found = agent_place_find(bytes_of(rows[i].place), json);
        if ((found == NULL) != (rows[i].text == NULL)) {
            fail_msg("%s", rows[i].place);
        }
        assert_true(bytes_is(json_text(found), rows[i].text == NULL ? "" : rows[i].text));
    }
    static const char *const wrong[] = {
        "",       ".a",      "a.",      "a..b",       "a if ",
        "a if b", "a if =x", "a if b=", "a if b=c d", "a if b=c and d"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        if (agent_place_fits(bytes_of(wrong[i]))) {
            fail_msg("fits: '%s'", wrong[i]);
        }
    }
}

/* Arguments, with blanks between; the refusal of a definition. */
static void arguments_have_the_prompt_in_place_and_leave_out_what_is_empty(void **state) {
    (void)state;
#define LINES "\"lines\":{\"session\":\"id\"},\"args\":[],"
    static const struct {
        const char *fields, *native, *argv;
    } rows[] = {
        {"\"args\":[\"-p\"]", "", "x -p hi"},
        {"\"args\":[\"--say={prompt}!\",\"--json\"]", "", "x --say=hi! --json"},
        {"\"args\":[\"run\",\"--model\",\"{model}\",\"--\",\"{prompt}\"]", "", "x run -- hi"},
        {"\"model\":\"m\",\"args\":[\"--model\",\"{model}\"]", "", "x --model m hi"},
        {"\"args\":[\"--model={model}\",\"-q\"]", "", "x -q hi"},
        {"\"args\":[\"-q\",\"--model={model}\"]", "", "x -q hi"},
        {"\"args\":[\"a\",\"{model}\"]", "", "x a hi"},
        {LINES "\"resume_args\":[\"--to\",\"{session}\"]", "", "x hi"},
        {LINES "\"resume_args\":[\"--to\",\"{session}\"]", "s1", "x --to s1 hi"},
        {"\"args\":[\"{session}\"]", "",
         "\"args\" begin a session, which has no name yet: write the arguments that go on with "
         "{session} as \"resume_args\""},
        {LINES "\"resume_args\":[\"--last\"]", "",
         "\"resume_args\" need {session} in one of them, and \"session\" in \"lines\", which says "
         "where its name is"},
        {"\"lines\":{\"text\":\"a if b\"}", "",
         "\"lines\": 'a if b' of \"text\" is no place in a line: write PATH, or PATH if PATH=TEXT "
         "and PATH=TEXT; a path is names with dots between"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(text_done) struct text text = text_up_to(1000), argv = text_up_to(1000);
        AUTO(json_release) json_t *json = NULL;
        AUTO(arena_done) struct arena arena;
        struct agent_definition agent;
        struct why why = {""};
        struct program_command command;
        arena_init(&arena, 1 << 20);
        text_addf(&text, "{\"name\":\"a\",\"program\":\"json_lines\",\"command\":\"x\",%s}",
                  rows[i].fields);
        assert_false(err_failed(json_parse_wrapped(text_bytes(&text), &json, NULL)));
        if (err_failed(agent_definition_read(json, &agent, &why))) {
            assert_string_equal(why.text, rows[i].argv);
            continue;
        }
        const struct program *program = program_find(BYTES("json_lines"));
        const struct program_start start = {
            .agent = &agent, .prompt = BYTES("hi"), .native = bytes_of(rows[i].native)};
        assert_int_equal(program_start_make(program, &start, &arena, &command).code, ERR_NONE);
        for (size_t at = 0; at < command.argc; at++) {
            text_addf(&argv, "%s%s", at > 0 ? " " : "", command.argv[at]);
        }
        assert_string_equal(argv.data, rows[i].argv);
        assert_int_equal(program_resumes(program, &agent), agent.resume_args != NULL);
    }
#undef LINES
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_place_has_names_indices_and_conditions),
        cmocka_unit_test(arguments_have_the_prompt_in_place_and_leave_out_what_is_empty),
    };
    json_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
