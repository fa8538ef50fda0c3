/* What is said of a workflow's run that has ended. */
#include "workflow_kit.h"

#include "cli/workflow/show.h"

static void last_line_is(struct workflow_tree *tree, const char *run, const char *expected) {
    AUTO(json_release) json_t *line = workflow_end_json(run, tree);
    AUTO(text_done) struct text text;
    text_init(&text, 1 << 16);
    assert_non_null(line);
    assert_int_equal(json_write(line, &text).code, ERR_NONE);
    assert_string_equal(text.data, expected);
}

static void the_last_line_has_the_members_that_scripts_rely_on(void **state) {
    (void)state;
    AUTO(workflow_tree_done) struct workflow_tree tree;
    workflow_tree_init(&tree);
    hear(&tree, "workflow_finished",
         "{\"state\":\"degraded\",\"cause\":\"agents_failed\",\"result\":{\"a\":[1.5]},"
         "\"error\":null,\"agents\":{\"succeeded\":3,\"cached\":2,\"failed\":1,\"skipped\":0},"
         "\"tokens\":7,\"ms\":50}");
    last_line_is(&tree, "run_1",
                 "{\"event\":\"workflow_finished\",\"run\":\"run_1\",\"state\":\"degraded\","
                 "\"result\":{\"a\":[1.5]},\"error\":null,"
                 "\"agents\":{\"succeeded\":3,\"cached\":2,\"failed\":1,\"skipped\":0}}");
}

static void every_member_is_there_also_where_nothing_is_known(void **state) {
    (void)state;
    AUTO(workflow_tree_done) struct workflow_tree tree;
    workflow_tree_init(&tree);
    hear(&tree, "workflow_finished",
         "{\"state\":\"failed\",\"error\":{\"code\":\"syntax_error\",\"line\":2}}");
    last_line_is(&tree, NULL,
                 "{\"event\":\"workflow_finished\",\"run\":null,\"state\":\"failed\","
                 "\"result\":null,\"error\":{\"code\":\"syntax_error\",\"line\":2},"
                 "\"agents\":{\"succeeded\":0,\"cached\":0,\"failed\":0,\"skipped\":0}}");
}

static void error_is(const char *json, const char *expected) {
    AUTO(json_release) json_t *error = parsed(json);
    AUTO(text_done) struct text text;
    text_init(&text, 1 << 16);
    workflow_error_add(error, &text);
    assert_string_equal(text.data, expected);
}

static void an_error_is_told_with_its_place_in_the_script(void **state) {
    (void)state;
    error_is("{\"code\":\"script_error\",\"name\":\"TypeError\",\"message\":\"x is\\nnot\","
             "\"line\":12,\"column\":5}",
             "script_error at 12:5: TypeError: x is not");
    error_is("{\"code\":\"script_stuck\",\"name\":null,\"message\":\"no await for 10 s\"}",
             "script_stuck: no await for 10 s");
    error_is("{\"code\":\"worker_crashed\"}", "worker_crashed");
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_line_has_the_members_that_scripts_rely_on),
        cmocka_unit_test(every_member_is_there_also_where_nothing_is_known),
        cmocka_unit_test(an_error_is_told_with_its_place_in_the_script),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
