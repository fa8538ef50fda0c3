/* Runs as a tree: rows in, lines out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "cli/run/tree.h"
#include "cli/terminal/cells.h"

enum { NOW_MS = 1000000 };

static json_t *parsed(const char *text) {
    json_t *json = NULL;
    struct why why;
    assert_int_equal(json_parse(text, strlen(text), 16, &json, &why).code, ERR_NONE);
    return json;
}

/* A workflow with three agents, a session's turn with a command, a job that waits for its place;
 * the newest first, as the API has them. */
static const char rows[] =
    "[{\"id\":\"run_01m87p3c9zzzzaaaaaaaaaaaaa\",\"kind\":\"job\",\"state\":\"queued\","
    "\"gate\":\"slot\",\"label\":\"nightly\",\"made_ms\":990000,\"attempts\":2},"
    "{\"id\":\"run_01m87p3c9yyyyaaaaaaaaaaaaa\",\"kind\":\"job\",\"state\":\"running\","
    "\"parent\":\"run_01m87p3c9xxxxaaaaaaaaaaaaa\",\"command\":\"npm test\",\"made_ms\":990000},"
    "{\"id\":\"run_01m87p3c9xxxxaaaaaaaaaaaaa\",\"kind\":\"turn\",\"state\":\"running\","
    "\"command\":\"Fix the \\u65e5\\u672c\\u8a9e tests\",\"made_ms\":985000},"
    "{\"id\":\"run_01m87p3c9wwwwaaaaaaaaaaaaa\",\"kind\":\"agent\",\"state\":\"succeeded\","
    "\"parent\":\"run_01m87p3c90kvaaaaaaaaaaaaaa\",\"label\":\"quick\",\"made_ms\":980000,"
    "\"ended_ms\":980100},"
    "{\"id\":\"run_01m87p3c9vvvvaaaaaaaaaaaaa\",\"kind\":\"turn\",\"state\":\"waiting\","
    "\"parent\":\"run_01m87p3c9uuuuaaaaaaaaaaaaa\",\"command\":\"Tidy up\",\"made_ms\":980000},"
    "{\"id\":\"run_01m87p3c9uuuuaaaaaaaaaaaaa\",\"kind\":\"agent\",\"state\":\"running\","
    "\"parent\":\"run_01m87p3c90kvaaaaaaaaaaaaaa\",\"label\":\"tidy\",\"made_ms\":980000},"
    "{\"id\":\"run_01m87p3c9ttttaaaaaaaaaaaaa\",\"kind\":\"agent\",\"state\":\"running\","
    "\"parent\":\"run_01m87p3c90kvaaaaaaaaaaaaaa\",\"label\":\"slow\",\"made_ms\":980000},"
    "{\"id\":\"run_01m87p3c90kvaaaaaaaaaaaaaa\",\"kind\":\"workflow\",\"state\":\"running\","
    "\"label\":\"demo\",\"made_ms\":979000}]";

static const char questions[] =
    "[{\"id\":\"apr_01m87p3ca9rcaaaaaaaaaaaaaa\",\"run\":\"run_01m87p3c9vvvvaaaaaaaaaaaaa\","
    "\"kind\":\"leave\",\"tool\":\"run_command\",\"shown\":\"rm -rf build\"}]";

struct drawn {
    const char *runs, *questions;
    int columns;
    size_t rows;
    bool ascii;
};

/* No line is wider than the terminal, whatever is drawn. */
static struct text drawn_of(const struct drawn *drawn) {
    AUTO(json_release) json_t *runs = parsed(drawn->runs);
    AUTO(json_release)
    json_t *asked = drawn->questions != NULL ? parsed(drawn->questions) : json_array();
    const struct run_tree tree = {.runs = runs,
                                  .questions = asked,
                                  .view = {.now_ms = NOW_MS, .columns = drawn->columns},
                                  .rows = drawn->rows,
                                  .ascii = drawn->ascii};
    struct text out = text_up_to(1 << 20);
    run_tree_draw(&tree, &out);
    struct bytes rest = text_bytes(&out), line;
    size_t lines = 0;
    while (bytes_next(&rest, '\n', &line)) {
        assert_true(cells_of(line) <= (drawn->columns > 0 ? drawn->columns : 80));
        lines++;
    }
    assert_true(drawn->rows == 0 || lines <= drawn->rows);
    return out;
}

static void draws(const struct drawn *drawn, const char *expected) {
    AUTO(text_done) struct text out = drawn_of(drawn);
    assert_string_equal(out.data, expected);
}

static void what_belongs_together_stands_together_and_questions_stand_first(void **state) {
    (void)state;
    draws(&(struct drawn){rows, questions, .columns = 0},
          "RUN               KIND      STATE         TIME  LABEL\n"
          "run_01m87p3c90kv  workflow  running        21s  demo\n"
          "run_01m87p3c9uuu  agent     waiting        20s  ├ tidy\n"
          "    ? run_command: rm -rf build\n"
          "      drover approve apr_01m87p3ca9rc\n"
          "run_01m87p3c9ttt  agent     running        20s  ├ slow\n"
          "run_01m87p3c9www  agent     succeeded    100ms  └ quick\n"
          "run_01m87p3c9zzz  job       queued         10s  nightly\n"
          "    waits for a free place: others have to end first\n"
          "run_01m87p3c9xxx  turn      running        15s  Fix the 日本語 tests\n"
          "run_01m87p3c9yyy  job       running        10s  └ npm test\n");
}

static void a_wide_terminal_has_the_reasons_on_the_line(void **state) {
    (void)state;
    draws(&(struct drawn){rows, questions, .columns = 120},
          "RUN               KIND      STATE         TIME  LABEL\n"
          "run_01m87p3c90kv  workflow  running        21s  demo\n"
          "run_01m87p3c9uuu  agent     waiting        20s  ├ tidy\n"
          "    ? run_command: rm -rf build\n"
          "      drover approve apr_01m87p3ca9rc\n"
          "run_01m87p3c9ttt  agent     running        20s  ├ slow\n"
          "run_01m87p3c9www  agent     succeeded    100ms  └ quick\n"
          "run_01m87p3c9zzz  job       queued         10s  nightly  waits for a free place: others "
          "have "
          "to end first, attempt 2\n"
          "run_01m87p3c9xxx  turn      running        15s  Fix the 日本語 tests\n"
          "run_01m87p3c9yyy  job       running        10s  └ npm test\n");
}

static void a_narrow_terminal_loses_columns_and_not_the_question(void **state) {
    (void)state;
    draws(&(struct drawn){rows, questions, .columns = 40},
          "RUN               STATE      LABEL\n"
          "run_01m87p3c90kv  running    demo\n"
          "run_01m87p3c9uuu  waiting    ├ tidy\n"
          "    ? run_command: rm -rf build\n"
          "      drover approve apr_01m87p3ca9rc\n"
          "run_01m87p3c9ttt  running    ├ slow\n"
          "run_01m87p3c9www  succeeded  └ quick\n"
          "run_01m87p3c9zzz  queued     nightly\n"
          "    waits for a free place: others have\n"
          "    to end first\n"
          "run_01m87p3c9xxx  running    Fix the 日…\n"
          "run_01m87p3c9yyy  running    └ npm test\n");
}

static void a_workflow_shows_how_many_agents_have_ended(void **state) {
    (void)state;
    static const char workflows[] =
        "[{\"id\":\"run_01m87p3c90kvaaaaaaaaaaaaaa\",\"kind\":\"workflow\",\"state\":\"waiting\","
        "\"label\":\"audit\",\"made_ms\":979000,\"cause\":\"paused\",\"progress\":{\"done\":12,"
        "\"total\":40,\"cached\":2,\"waiting\":3,\"failed\":1,\"last_ms\":980000}},"
        "{\"id\":\"run_01m87p3c90kuaaaaaaaaaaaaaa\",\"kind\":\"workflow\",\"state\":\"running\","
        "\"label\":\"demo\",\"made_ms\":979000,\"progress\":{\"done\":0,\"total\":9,\"cached\":0,"
        "\"waiting\":0,\"failed\":0,\"last_ms\":980000}}]";
    draws(&(struct drawn){workflows, .columns = 100},
          "RUN               KIND      STATE         TIME  LABEL\n"
          "run_01m87p3c90kv  workflow  waiting        21s  audit\n"
          "    12/40, 1 failed, 3 waiting, waits for you: it is paused, and 'drover resume audit' "
          "lets it go on\n"
          "run_01m87p3c90ku  workflow  running        21s  demo  0/9\n");
    draws(&(struct drawn){workflows, .columns = 60},
          "RUN               KIND      STATE         TIME  LABEL\n"
          "run_01m87p3c90kv  workflow  waiting        21s  audit\n"
          "    12/40, 1 failed, 3 waiting, waits for you: it is paused,\n"
          "    and 'drover resume audit' lets it go on\n"
          "run_01m87p3c90ku  workflow  running        21s  demo  0/9\n");
}

static void without_utf_8_the_tree_is_ascii(void **state) {
    (void)state;
    AUTO(text_done) struct text out = drawn_of(&(struct drawn){rows, .columns = 40, .ascii = true});
    for (size_t i = 0; i < out.len; i++) {
        assert_true((unsigned char)out.data[i] < 0x80);
    }
    assert_non_null(strstr(out.data, "running    |-slow\n"));
    assert_non_null(strstr(out.data, "succeeded  `-quick\n"));
    assert_non_null(strstr(out.data, "Fix the ??~\n"));
}

/* A workflow of `agents`, of which every seventh has ended, and the one of that number asks. */
static void many_make(size_t agents, size_t asker, struct text *runs, struct text *asked) {
    const char *workflow = "run_01m87p3c90kvaaaaaaaaaaaaaa";
    text_add_char(runs, '[');
    for (size_t i = agents; i > 0; i--) {
        const bool ended = i % 7 == 0 && i != asker;
        text_addf(runs,
                  "{\"id\":\"run_01m87p3c9w%04zuaaaaaaaaaaaa\",\"kind\":\"agent\",\"state\":\"%s\","
                  "\"parent\":\"%s\",\"label\":\"a%zu\",\"made_ms\":980000%s},",
                  i, ended ? "succeeded" : "running", workflow, i,
                  ended ? ",\"ended_ms\":990000" : "");
    }
    text_addf(runs,
              "{\"id\":\"%s\",\"kind\":\"workflow\",\"state\":\"running\",\"label\":\"demo\"}]",
              workflow);
    text_addf(asked,
              "[{\"id\":\"apr_01m87p3ca9rcaaaaaaaaaaaaaa\",\"run\":\"run_01m87p3c9w%04zu"
              "aaaaaaaaaaaa\",\"kind\":\"answer\",\"shown\":\"Which port?\"}]",
              asker);
}

static void a_large_tree_is_folded_and_never_its_question(void **state) {
    (void)state;
    AUTO(text_done) struct text runs = text_up_to(1 << 20), asked = text_up_to(1 << 16);
    many_make(100, 77, &runs, &asked);
    draws(&(struct drawn){runs.data, asked.data, .rows = 8},
          "RUN                 KIND      STATE         TIME  LABEL\n"
          "run_01m87p3c90kvaa  workflow  running     16m40s  demo\n"
          "run_01m87p3c9w0077  agent     running        20s  ├ a77\n"
          "    ? Which port?\n"
          "      drover approve apr_01m87p3ca9rc --answer TEXT\n"
          "run_01m87p3c9w0001  agent     running        20s  ├ a1\n"
          "run_01m87p3c9w0002  agent     running        20s  ├ a2\n"
          "    97 more agents: 84 running, 13 succeeded\n");
    AUTO(text_done)
    struct text whole = drawn_of(&(struct drawn){runs.data, asked.data, .columns = 120});
    assert_non_null(strstr(whole.data, "└ 91 more agents: 78 running, 13 succeeded\n"));
    AUTO(text_done)
    struct text tiny = drawn_of(&(struct drawn){runs.data, asked.data, .columns = 40, .rows = 7});
    assert_non_null(strstr(tiny.data, "drover approve apr_01m87p3ca9rc"));
    AUTO(text_done)
    struct text least = drawn_of(&(struct drawn){runs.data, asked.data, .columns = 40, .rows = 4});
    assert_non_null(strstr(least.data, "and more; all questions: drover approve\n"));
}

static void trees_fold_too_where_lines_are_few(void **state) {
    (void)state;
    AUTO(text_done) struct text runs = text_up_to(1 << 20);
    text_add_char(&runs, '[');
    for (int i = 50; i > 0; i--) {
        text_addf(&runs,
                  "{\"id\":\"run_01m87p3c9w%04daaaaaaaaaaaa\",\"kind\":\"job\",\"state\":"
                  "\"running\",\"label\":\"j%d\"}%s",
                  i, i, i > 1 ? "," : "]");
    }
    AUTO(text_done)
    struct text out = drawn_of(&(struct drawn){runs.data, .columns = 80, .rows = 10});
    assert_non_null(strstr(out.data, "42 more jobs: 42 running\n"));
}

static void parents_that_are_not_there_and_circles_do_no_harm(void **state) {
    (void)state;
    draws(&(struct drawn){"[{\"id\":\"run_b\",\"parent\":\"run_a\",\"kind\":\"agent\",\"state\":"
                          "\"running\"},{\"id\":\"run_a\",\"parent\":\"run_b\",\"kind\":\"turn\","
                          "\"state\":\"running\"},{\"id\":\"run_c\",\"parent\":\"run_gone\"},{}]",
                          .columns = 80},
          "RUN               KIND      STATE         TIME  LABEL\n"
          "run_a             turn      running     16m40s\n"
          "run_b             agent     running     16m40s  └\n"
          "run_c                                   16m40s\n"
          "                                        16m40s\n");
    AUTO(text_done) struct text deep = text_up_to(1 << 20);
    text_add_char(&deep, '[');
    for (int i = 99; i >= 0; i--) {
        text_addf(&deep, "{\"id\":\"run_%03d\",\"parent\":\"run_%03d\",\"kind\":\"job\"}%s", i,
                  i - 1, i > 0 ? "," : "]");
    }
    AUTO(text_done) struct text out = drawn_of(&(struct drawn){deep.data, .columns = 40});
    assert_non_null(strstr(out.data, " more jobs"));
}

static void nothing_is_a_head_alone(void **state) {
    (void)state;
    draws(&(struct drawn){"[]", .columns = 80},
          "RUN               KIND      STATE         TIME  LABEL\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_belongs_together_stands_together_and_questions_stand_first),
        cmocka_unit_test(a_wide_terminal_has_the_reasons_on_the_line),
        cmocka_unit_test(a_narrow_terminal_loses_columns_and_not_the_question),
        cmocka_unit_test(a_workflow_shows_how_many_agents_have_ended),
        cmocka_unit_test(without_utf_8_the_tree_is_ascii),
        cmocka_unit_test(a_large_tree_is_folded_and_never_its_question),
        cmocka_unit_test(trees_fold_too_where_lines_are_few),
        cmocka_unit_test(parents_that_are_not_there_and_circles_do_no_harm),
        cmocka_unit_test(nothing_is_a_head_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
