/* What is known of a workflow's run, put together from events and rows. */
#include "workflow_kit.h"

static int begin(void **state) {
    struct workflow_tree *tree = calloc(1, sizeof *tree);
    workflow_tree_init(tree);
    *state = tree;
    return 0;
}

static int end(void **state) {
    workflow_tree_done(*state);
    free(*state);
    return 0;
}

static void a_run_is_what_its_events_say(void **state) {
    struct workflow_tree *tree = *state;
    assert_string_equal(tree->state, "queued");
    hear(tree, "workflow_started",
         "{\"name\":\"look\",\"phases\":[{\"title\":\"A\",\"detail\":\"x\"},\"B\"]}");
    assert_string_equal(tree->name, "look");
    assert_string_equal(tree->state, "running");
    assert_int_equal(tree->started_ms, 1000);
    assert_int_equal(tree->phase_count, 3);
    assert_string_equal(tree->phases[1].title, "A");
    assert_string_equal(tree->phases[2].title, "B");
    assert_false(tree->phases[2].begun);
    hear(tree, "phase", "{\"no\":1,\"title\":\"B\"}");
    assert_true(tree->phases[2].begun);
    assert_int_equal(tree->current, 2);
    hear(tree, "workflow_finished",
         "{\"state\":\"failed\",\"cause\":\"script_error\",\"error\":{\"code\":\"script_error\"},"
         "\"agents\":{\"succeeded\":0},\"output_tokens\":7,\"cost_micros\":null,\"ms\":50}");
    assert_true(tree->finished);
    assert_string_equal(tree->state, "failed");
    assert_string_equal(tree->cause, "script_error");
    assert_int_equal(tree->ms, 50);
    assert_int_equal(tree->tokens, 7);
    assert_int_equal(tree->cost_micros, -1);
    assert_non_null(tree->error);
}

static void agents_are_counted_by_how_they_ended(void **state) {
    struct workflow_tree *tree = *state;
    for (int i = 0; i < 6; i++) {
        begin_agent(tree, i, "");
    }
    assert_int_equal(tree->marks[WORKFLOW_WORKS], 6);
    end_agent(tree, 0, "\"state\":\"succeeded\",\"tokens\":5,\"cost_micros\":100");
    end_agent(tree, 1, "\"state\":\"succeeded\",\"cached\":true");
    end_agent(tree, 2, "\"state\":\"failed\",\"cause\":\"stuck\",\"tokens\":2");
    end_agent(tree, 3, "\"state\":\"timed_out\",\"cause\":null");
    end_agent(tree, 4, "\"state\":\"cancelled\",\"cause\":\"stopped\"");
    assert_int_equal(tree->marks[WORKFLOW_WORKS], 1);
    assert_int_equal(tree->marks[WORKFLOW_DONE], 1);
    assert_int_equal(tree->marks[WORKFLOW_CACHED], 1);
    assert_int_equal(tree->marks[WORKFLOW_FAILED], 2);
    assert_int_equal(tree->marks[WORKFLOW_SKIPPED], 1);
    assert_string_equal(tree->agents[2].cause, "stuck");
    assert_string_equal(tree->agents[3].cause, "timed_out");
    assert_string_equal(tree->agents[4].cause, "");
    assert_int_equal(tree->tokens, 7);
    assert_int_equal(tree->cost_micros, 100);
}

static void an_event_that_comes_twice_changes_nothing(void **state) {
    struct workflow_tree *tree = *state;
    for (int i = 0; i < 2; i++) {
        begin_agent(tree, 1, "A");
        end_agent(tree, 1, "\"state\":\"succeeded\",\"tokens\":5,\"cost_micros\":100");
    }
    begin_agent(tree, 1, "A");
    assert_int_equal(tree->agent_count, 1);
    assert_int_equal(tree->marks[WORKFLOW_DONE], 1);
    assert_int_equal(tree->marks[WORKFLOW_WORKS], 0);
    assert_int_equal(tree->tokens, 5);
    assert_int_equal(tree->cost_micros, 100);
}

static void who_is_heard_of_only_at_its_end_is_there_too(void **state) {
    struct workflow_tree *tree = *state;
    hear(tree, "agent_finished",
         "{\"run\":\"run_1\",\"label\":\"x\",\"phase\":\"New\",\"state\":\"succeeded\","
         "\"cached\":true,\"ms\":0}");
    assert_int_equal(tree->agent_count, 1);
    assert_string_equal(tree->agents[0].name, "x");
    assert_string_equal(tree->phases[tree->agents[0].phase].title, "New");
}

static void without_a_label_the_prompt_names_an_agent(void **state) {
    struct workflow_tree *tree = *state;
    hear(tree, "agent_started",
         "{\"run\":\"run_1\",\"label\":null,\"prompt\":\"Look at\\n\\u001b[2Jall of the files that "
         "were changed in the last week, and judge.\"}");
    assert_string_equal(tree->agents[0].name, "Look at [2Jall of the files that were changed i…");
    hear(tree, "agent_started", "{\"run\":\"run_2\"}");
    assert_string_equal(tree->agents[1].name, "run_2");
    AUTO(json_release) json_t *row = parsed("{\"id\":\"run_2\",\"prompt\":\"Judge.\"}");
    workflow_tree_row(tree, row);
    assert_string_equal(tree->agents[1].name, "Judge.");
}

static void what_a_later_daemon_says_is_passed_over(void **state) {
    struct workflow_tree *tree = *state;
    hear(tree, "something_new", "{\"run\":\"run_1\"}");
    hear(tree, "agent_started", "{}");
    hear(tree, "agent_started", "[]");
    hear(tree, "agent_finished", "{\"run\":7}");
    hear(tree, "workflow_started", "{\"phases\":7}");
    hear(tree, "phase", "{}");
    assert_int_equal(tree->agent_count, 0);
    assert_int_equal(tree->phase_count, 1);
}

static void a_row_corrects_since_when_an_agent_works(void **state) {
    struct workflow_tree *tree = *state;
    begin_agent(tree, 1, "A");
    AUTO(json_release)
    json_t *row = parsed("{\"id\":\"run_1\",\"state\":\"running\",\"started_ms\":400,"
                         "\"output_tokens\":3,\"tokens\":90,\"ended_ms\":null}");
    workflow_tree_row(tree, row);
    assert_int_equal(tree->agents[0].started_ms, 400);
    assert_int_equal(tree->agents[0].mark, WORKFLOW_WORKS);
    assert_int_equal(tree->tokens, 3);
    AUTO(json_release)
    json_t *other = parsed("{\"id\":\"run_2\",\"label\":\"late\",\"state\":\"succeeded\","
                           "\"cached\":false,\"started_ms\":500,\"ended_ms\":900}");
    workflow_tree_row(tree, other);
    assert_int_equal(tree->agents[1].ms, 400);
    assert_int_equal(tree->marks[WORKFLOW_DONE], 1);
    end_agent(tree, 1, "\"state\":\"succeeded\",\"tokens\":8");
    workflow_tree_row(tree, row); /* It was asked for before the end, and came behind it. */
    assert_int_equal(tree->agents[0].mark, WORKFLOW_DONE);
    assert_int_equal(tree->tokens, 8);
}

static void the_row_of_a_run_tells_what_its_events_do_not(void **state) {
    struct workflow_tree *tree = *state;
    AUTO(json_release)
    json_t *run = parsed(
        "{\"id\":\"run_w\",\"label\":\"look\",\"state\":\"succeeded\",\"started_ms\":100,"
        "\"ended_ms\":350,\"result\":{\"result\":[1],\"error\":null,\"agents\":{\"cached\":2}}}");
    workflow_tree_run(tree, run);
    assert_true(tree->finished);
    assert_string_equal(tree->name, "look");
    assert_int_equal(tree->ms, 250);
    assert_int_equal(json_array_size(tree->result), 1);
    assert_null(tree->error);
}

static void a_result_that_was_cut_comes_from_the_row(void **state) {
    struct workflow_tree *tree = *state;
    hear(tree, "workflow_finished", "{\"state\":\"succeeded\",\"result_cut\":true,\"ms\":5}");
    assert_true(tree->cut);
    AUTO(json_release)
    json_t *run = parsed("{\"state\":\"succeeded\",\"made_ms\":1,\"ended_ms\":2,"
                         "\"result\":{\"result\":\"long\",\"error\":null}}");
    workflow_tree_run(tree, run);
    assert_false(tree->cut);
    assert_string_equal(json_string_value(tree->result), "long");
    assert_int_equal(tree->ms, 5);
}

static void who_asks_is_told_once_until_the_answer(void **state) {
    struct workflow_tree *tree = *state;
    begin_agent(tree, 1, "A");
    for (int i = 0; i < 3; i++) { /* Of two questions it is the first one, each time. */
        const struct workflow_agent *news = workflow_tree_asks(tree, "run_1", "apr_1", "q");
        assert_ptr_equal(news, i == 0 ? &tree->agents[0] : NULL);
        assert_null(workflow_tree_asks(tree, "run_1", "apr_2", "q"));
        assert_null(workflow_tree_asks(tree, "run_9", "apr_3", "q"));
        workflow_tree_asked(tree);
        assert_string_equal(tree->agents[0].asks, "apr_1");
    }
    assert_non_null(workflow_tree_asks(tree, "run_1", "apr_2", "q"));
    workflow_tree_asked(tree);
    assert_string_equal(tree->agents[0].asks, "apr_2");
    workflow_tree_asked(tree);
    assert_null(tree->agents[0].asks);
}

static void who_has_ended_asks_no_more(void **state) {
    struct workflow_tree *tree = *state;
    begin_agent(tree, 1, "A");
    assert_non_null(workflow_tree_asks(tree, "run_1", "apr_1", "q"));
    end_agent(tree, 1, "\"state\":\"succeeded\"");
    assert_null(tree->agents[0].asks);
    assert_null(workflow_tree_asks(tree, "run_1", "apr_1", "q"));
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_run_is_what_its_events_say, begin, end),
        cmocka_unit_test_setup_teardown(agents_are_counted_by_how_they_ended, begin, end),
        cmocka_unit_test_setup_teardown(an_event_that_comes_twice_changes_nothing, begin, end),
        cmocka_unit_test_setup_teardown(who_is_heard_of_only_at_its_end_is_there_too, begin, end),
        cmocka_unit_test_setup_teardown(without_a_label_the_prompt_names_an_agent, begin, end),
        cmocka_unit_test_setup_teardown(what_a_later_daemon_says_is_passed_over, begin, end),
        cmocka_unit_test_setup_teardown(a_row_corrects_since_when_an_agent_works, begin, end),
        cmocka_unit_test_setup_teardown(the_row_of_a_run_tells_what_its_events_do_not, begin, end),
        cmocka_unit_test_setup_teardown(a_result_that_was_cut_comes_from_the_row, begin, end),
        cmocka_unit_test_setup_teardown(who_asks_is_told_once_until_the_answer, begin, end),
        cmocka_unit_test_setup_teardown(who_has_ended_asks_no_more, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
