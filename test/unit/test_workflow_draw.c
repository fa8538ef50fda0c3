/* A workflow's run as a picture, and as lines in a pipe. */
#include "workflow_kit.h"

#include "cli/terminal/cells.h"
#include "cli/workflow/draw.h"

struct scene {
    struct workflow_tree tree;
    struct workflow_draw draw;
    struct text text;
};

static int begin(void **state) {
    struct scene *scene = calloc(1, sizeof *scene);
    workflow_tree_init(&scene->tree);
    text_init(&scene->text, 1 << 20);
    scene->draw = (struct workflow_draw){.now_ms = 13000, .columns = 80};
    *state = scene;
    return 0;
}

static int end(void **state) {
    struct scene *scene = *state;
    workflow_tree_done(&scene->tree);
    text_done(&scene->text);
    free(scene);
    return 0;
}

static void draw(struct scene *scene) {
    text_clear(&scene->text);
    workflow_draw(&scene->draw, &scene->tree, &scene->text);
    assert_false(text_failed(&scene->text));
}

static void picture_is(struct scene *scene, const char *expected) {
    draw(scene);
    assert_string_equal(scene->text.data, expected);
}

/* One phase that is over, one that goes on, one that has not begun. */
static void three_phases(struct workflow_tree *tree) {
    hear(tree, "workflow_started", "{\"name\":\"look\",\"phases\":[\"Find\",\"Judge\",\"Tell\"]}");
    hear(tree, "phase", "{\"no\":1,\"title\":\"Find\"}");
    begin_agent(tree, 1, "Find");
    begin_agent(tree, 2, "Find");
    end_agent(tree, 1, "\"state\":\"succeeded\",\"tokens\":312,\"cost_micros\":1100");
    end_agent(tree, 2, "\"state\":\"succeeded\",\"cached\":true,\"tokens\":0");
    hear(tree, "phase", "{\"no\":2,\"title\":\"Judge\"}");
    begin_agent(tree, 3, "Judge");
    begin_agent(tree, 4, "Judge");
    end_agent(tree, 3, "\"state\":\"failed\",\"cause\":\"timed_out\",\"tokens\":1234");
}

static void phases_stand_in_order_with_their_agents_below(void **state) {
    struct scene *scene = *state;
    three_phases(&scene->tree);
    picture_is(scene,
               "● look  4 agents: 1 succeeded, 1 cached, 1 failed, 1…  1.5k tok   $0.0011    12s\n"
               "  ✓ Find  2/2                                           312 tok   $0.0011\n"
               "    ✓ agent 1                                           312 tok   $0.0011     2s\n"
               "    ↷ agent 2  cached\n"
               "  ● Judge  1/2, 1 failed                               1.2k tok\n"
               "    ✗ agent 3  timed_out                               1.2k tok               2s\n"
               "    ● agent 4                                                                12s\n"
               "  ○ Tell\n");
}

static void agents_of_no_phase_stand_below_the_name(void **state) {
    struct scene *scene = *state;
    hear(&scene->tree, "workflow_started", "{\"name\":\"look\",\"phases\":[]}");
    begin_agent(&scene->tree, 1, "");
    scene->draw.columns = 60;
    picture_is(scene, "● look  1 agent: 1 at work                               12s\n"
                      "  ● agent 1                                              12s\n");
}

static int lines_of(const struct text *text, int columns) {
    int lines = 0;
    for (size_t at = 0; at < text->len; lines++) {
        size_t len = strcspn(text->data + at, "\n");
        assert_true(cells_of((struct bytes){text->data + at, len}) <= columns);
        at += len + 1;
    }
    return lines;
}

static void no_line_is_longer_than_the_terminal_and_none_too_many(void **state) {
    struct scene *scene = *state;
    three_phases(&scene->tree);
    for (int i = 10; i < 60; i++) {
        begin_agent(&scene->tree, i, i % 2 == 0 ? "Judge" : "日本語の段階");
    }
    for (int i = 10; i < 40; i++) {
        end_agent(&scene->tree, i, "\"state\":\"succeeded\",\"tokens\":9999999,\"cost_micros\":99");
    }
    assert_non_null(
        workflow_tree_asks(&scene->tree, "run_50", "apr_0123456789", "run_command: make"));
    scene->draw.note = "the daemon is away; trying again";
    for (scene->draw.rows = 4; scene->draw.rows < 70; scene->draw.rows++) {
        for (scene->draw.columns = 12; scene->draw.columns < 120; scene->draw.columns += 7) {
            draw(scene);
            assert_true(lines_of(&scene->text, scene->draw.columns) <= scene->draw.rows);
        }
    }
}

static void what_ended_well_folds_into_counts_first(void **state) {
    struct scene *scene = *state;
    three_phases(&scene->tree);
    scene->draw.columns = 40;
    scene->draw.rows = 7;
    picture_is(scene, "● look  4 agents: 1 succeeded, 1…    12s\n"
                      "  ✓ Find  2/2\n"
                      "  ● Judge  1/2, 1 failed\n"
                      "    ✗ agent 3  timed_out              2s\n"
                      "    ● agent 4                        12s\n"
                      "  ○ Tell\n");
    scene->draw.rows = 5;
    picture_is(scene, "● look  4 agents: 1 succeeded, 1…    12s\n"
                      "  ✓ Find  2/2\n"
                      "  ● Judge  1/2, 1 failed\n"
                      "    ● agent 4                        12s\n"
                      "  ○ Tell\n");
}

static void of_many_at_work_as_many_are_shown_as_fit(void **state) {
    struct scene *scene = *state;
    hear(&scene->tree, "workflow_started", "{\"name\":\"look\",\"phases\":[\"A\",\"B\"]}");
    hear(&scene->tree, "phase", "{\"no\":1,\"title\":\"B\"}");
    for (int i = 0; i < 9; i++) {
        begin_agent(&scene->tree, i, "B");
    }
    scene->draw.columns = 40;
    scene->draw.rows = 8;
    picture_is(scene, "● look  9 agents: 9 at work          12s\n"
                      "  ○ A\n"
                      "  ● B  0/9\n"
                      "    ● agent 0                        12s\n"
                      "    ● agent 1                        12s\n"
                      "    ● agent 2                        12s\n"
                      "    ● agent 3                        12s\n"
                      "    and 5 more\n");
    scene->draw.rows = 6;
    picture_is(scene, "● look  9 agents: 9 at work          12s\n"
                      "  ● B  0/9\n"
                      "    ● agent 0                        12s\n"
                      "    ● agent 1                        12s\n"
                      "    ● agent 2                        12s\n"
                      "    and 6 more\n");
}

static void who_waits_for_an_answer_is_told_with_the_command_that_gives_it(void **state) {
    struct scene *scene = *state;
    hear(&scene->tree, "workflow_started", "{\"name\":\"look\",\"phases\":[]}");
    begin_agent(&scene->tree, 1, "");
    begin_agent(&scene->tree, 2, "");
    assert_non_null(workflow_tree_asks(&scene->tree, "run_1", "apr_1", "run_command: make"));
    scene->draw.columns = 60;
    picture_is(scene, "● look  2 agents: 2 at work                              12s\n"
                      "  ? agent 1  asks: run_command: make                     12s\n"
                      "  ● agent 2                                              12s\n"
                      "? agent 1 asks: run_command: make\n"
                      "  drover approve apr_1\n");
    assert_non_null(workflow_tree_asks(&scene->tree, "run_2", "apr_2", "edit_file: a"));
    draw(scene);
    assert_non_null(strstr(scene->text.data, "? agent 1 asks (1 of 2): run_command: make\n"));
}

/* The question is wrapped to the width, the end of the answer stays in sight. */
static void the_first_question_is_whole_and_answered_in_place(void **state) {
    static const char question[] = "run_command: 日本語 --out build/some/where && make install";
    struct scene *scene = *state;
    hear(&scene->tree, "workflow_started", "{\"name\":\"look\",\"phases\":[]}");
    begin_agent(&scene->tree, 1, "");
    assert_non_null(workflow_tree_asks(&scene->tree, "run_1", "apr_1", question));
    scene->draw.columns = 40;
    scene->draw.rows = 23;
    scene->draw.typed = "n it would overwrite what is installed 日本";
    scene->draw.hint = "answer y, n, or n and a reason";
    draw(scene);
    assert_string_equal(strchr(scene->text.data, '\n'),
                        "\n  ? agent 1  asks: run_command: …    12s\n"
                        "? agent 1 asks: run_command: 日本語\n"
                        "  --out build/some/where && make install\n"
                        "  y, n REASON, or: drover approve apr_1\n"
                        "answer y, n, or n and a reason\n"
                        "> ould overwrite what is installed 日本\n");
    workflow_tree_asked(&scene->tree);
    static const char lines[] = "Bash: ls\n> 1\n> 2\n> 3\n> 4\n> 5\n> 6\n> rm -rf /srv";
    assert_non_null(workflow_tree_asks(&scene->tree, "run_1", "apr_2", lines));
    draw(scene);
    assert_non_null(strstr(scene->text.data, "\n  ? agent 1  asks: Bash: ls …        12s\n"));
    assert_non_null(strstr(scene->text.data,
                           "? agent 1 asks: Bash: ls\n  > 1\n  > 2\n  > 3\n  > 4\n  > 5\n"
                           "  … and more: drover approve\n"));
    scene->draw.rows = 0;
    draw(scene);
    assert_non_null(strstr(scene->text.data, "  > 6\n  > rm -rf /srv\n"));
}

static void what_else_an_agent_waits_for_is_a_sentence(void **state) {
    struct scene *scene = *state;
    hear(&scene->tree, "workflow_started", "{\"name\":\"look\",\"phases\":[]}");
    begin_agent(&scene->tree, 1, "");
    AUTO(json_release)
    json_t *row = json_pack("{s:s,s:s,s:s,s:s,s:i}", "id", "run_1", "state", "queued", "gate",
                            "budget", "note", "project:shop", "started_ms", 1000);
    workflow_tree_row(&scene->tree, row);
    scene->draw.columns = 100;
    draw(scene);
    assert_non_null(strstr(scene->text.data, "agent 1  waits for room in a budget: project:shop"));
}

static void who_waits_for_its_provider_is_no_agent_at_work(void **state) {
    struct scene *scene = *state;
    scene->draw.columns = 60;
    hear(&scene->tree, "workflow_started", "{\"name\":\"look\",\"phases\":[]}");
    begin_agent(&scene->tree, 1, "");
    hear(&scene->tree, "agent_retrying", "{\"run\":\"run_1\",\"resume_at_ms\":99000}");
    draw(scene);
    assert_non_null(strstr(scene->text.data, "  … agent 1  waits for its provider "));
    hear(&scene->tree, "agent_resumed", "{\"run\":\"run_1\"}");
    draw(scene);
    assert_non_null(strstr(scene->text.data, "  ● agent 1  "));
}

static void an_end_is_shown_with_its_state_and_time(void **state) {
    struct scene *scene = *state;
    hear(&scene->tree, "workflow_started", "{\"name\":\"look\",\"phases\":[\"A\"]}");
    begin_agent(&scene->tree, 1, "A");
    end_agent(&scene->tree, 1, "\"state\":\"cancelled\",\"cause\":\"stopped\",\"tokens\":1");
    hear(&scene->tree, "workflow_finished",
         "{\"state\":\"succeeded\",\"output_tokens\":1,\"cost_micros\":0,\"ms\":61000}");
    scene->draw.columns = 60;
    picture_is(scene, "✓ look  succeeded, 1 agent: 1 skipped           1 tok  1m01s\n"
                      "  ✓ A  1/1                                      1 tok\n"
                      "    ↷ agent 1  skipped                          1 tok     2s\n");
}

static void ids_stand_behind_the_names_where_they_are_wanted(void **state) {
    struct scene *scene = *state;
    hear(&scene->tree, "workflow_started", "{\"name\":\"look\",\"phases\":[]}");
    begin_agent(&scene->tree, 1, "");
    begin_agent(&scene->tree, 2, "");
    end_agent(&scene->tree, 1, "\"state\":\"failed\",\"cause\":\"stuck\"");
    scene->draw.ids = true;
    scene->draw.columns = 60;
    picture_is(scene, "● look  2 agents: 1 failed, 1 at work                    12s\n"
                      "  ✗ agent 1  run_1  stuck                                 2s\n"
                      "  ● agent 2  run_2                                       12s\n");
}

static void colours_come_only_when_they_are_wanted(void **state) {
    struct scene *scene = *state;
    three_phases(&scene->tree);
    draw(scene);
    assert_null(strchr(scene->text.data, '\033'));
    scene->draw.paint.on = true;
    draw(scene);
    assert_non_null(strstr(scene->text.data, "\033[31m✗\033[0m agent 3"));
    assert_int_equal(lines_of(&scene->text, 80), 8);
}

static void a_pipe_gets_one_line_for_each_event(void **state) {
    struct scene *scene = *state;
    struct workflow_tree *tree = &scene->tree;
    struct text *lines = &scene->text;
    hear_at(tree, 1, "workflow_started", "{\"name\":\"look\",\"resumed_from\":null}", lines);
    hear_at(tree, 1, "phase", "{\"no\":1,\"title\":\"Find\"}", lines);
    hear_at(tree, 1, "log", "{\"no\":2,\"text\":\"two\\nlines \\u001b[2J\"}", lines);
    hear_at(tree, 1, "agent_started", "{\"run\":\"run_1\",\"label\":\"a\",\"phase\":\"Find\"}",
            lines);
    hear_at(tree, 1, "agent_finished",
            "{\"run\":\"run_1\",\"state\":\"succeeded\",\"tokens\":1300,\"cost_micros\":1100,"
            "\"ms\":9000}",
            lines);
    hear_at(tree, 1, "agent_finished",
            "{\"run\":\"run_2\",\"label\":\"b\",\"state\":\"succeeded\",\"cached\":true,\"ms\":0}",
            lines);
    hear_at(tree, 1, "agent_finished",
            "{\"run\":\"run_3\",\"label\":\"c\",\"state\":\"failed\",\"cause\":\"stuck\","
            "\"note\":\"silent for 180 s\",\"ms\":5}",
            lines);
    hear_at(tree, 1, "something_new", "{}", lines);
    hear_at(tree, 1, "agent_started", "{}", lines);
    hear_at(tree, 1, "run_stopping", "{\"cause\":\"stopped\"}", lines);
    hear_at(tree, 1, "workflow_finished",
            "{\"state\":\"cancelled\",\"cause\":\"stopped\",\"output_tokens\":1300,\"ms\":12000}",
            lines);
    assert_string_equal(lines->data,
                        "workflow started: look (run_w)\n"
                        "phase: Find\n"
                        "log: two lines  [2J\n"
                        "agent started: a [Find]\n"
                        "agent succeeded: a [Find] 1.3k tokens, $0.0011, 9s\n"
                        "agent cached: b\n"
                        "agent failed: c stuck: silent for 180 s, 5ms\n"
                        "workflow stopping: stopped\n"
                        "workflow cancelled: stopped, 3 agents: 1 succeeded, 1 cached, 1 failed, "
                        "1.3k tokens, 12s\n");
}

static void tokens_are_short(void **state) {
    (void)state;
    assert_string_equal(workflow_tokens(0).text, "0");
    assert_string_equal(workflow_tokens(999).text, "999");
    assert_string_equal(workflow_tokens(1000).text, "1.0k");
    assert_string_equal(workflow_tokens(999999).text, "999.9k");
    assert_string_equal(workflow_tokens(1000000).text, "1.0M");
    assert_string_equal(workflow_tokens(INT64_MAX).text, "9223372036854.7M");
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(phases_stand_in_order_with_their_agents_below, begin, end),
        cmocka_unit_test_setup_teardown(agents_of_no_phase_stand_below_the_name, begin, end),
        cmocka_unit_test_setup_teardown(no_line_is_longer_than_the_terminal_and_none_too_many,
                                        begin, end),
        cmocka_unit_test_setup_teardown(what_ended_well_folds_into_counts_first, begin, end),
        cmocka_unit_test_setup_teardown(of_many_at_work_as_many_are_shown_as_fit, begin, end),
        cmocka_unit_test_setup_teardown(the_first_question_is_whole_and_answered_in_place, begin,
                                        end),
        cmocka_unit_test_setup_teardown(what_else_an_agent_waits_for_is_a_sentence, begin, end),
        cmocka_unit_test_setup_teardown(
            who_waits_for_an_answer_is_told_with_the_command_that_gives_it, begin, end),
        cmocka_unit_test_setup_teardown(who_waits_for_its_provider_is_no_agent_at_work, begin, end),
        cmocka_unit_test_setup_teardown(an_end_is_shown_with_its_state_and_time, begin, end),
        cmocka_unit_test_setup_teardown(ids_stand_behind_the_names_where_they_are_wanted, begin,
                                        end),
        cmocka_unit_test_setup_teardown(colours_come_only_when_they_are_wanted, begin, end),
        cmocka_unit_test_setup_teardown(a_pipe_gets_one_line_for_each_event, begin, end),
        cmocka_unit_test(tokens_are_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
