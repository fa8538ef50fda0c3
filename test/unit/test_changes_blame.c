/* Steps that wrote the lines of a file: the fold of diffs, and the same over real trees. */
#include "changes_kit.h"
#include "rules/changes/line_steps.h"

/* --- The fold --------------------------------------------------------------------------------- */

/* Steps of the first lines, one digit each. */
static void assert_lines(const struct line_steps *lines, const char *wanted) {
    const size_t count = strlen(wanted);
    size_t at = 0;
    char found[64] = "";
    assert_true(count < sizeof found);
    for (size_t i = 0; i < lines->count; i++) {
        for (int64_t j = 0; j < lines->runs[i].len && at < count; j++) {
            found[at++] = (char)('0' + lines->runs[i].step);
        }
    }
    assert_string_equal(found, wanted);
}

static bool read_step(struct line_steps *lines, const char *diff, size_t step) {
    struct bytes rest = bytes_of(diff);
    return line_steps_read(lines, &rest, step);
}

#define HEAD "diff --git a/x b/x\nindex 1..2 100644\n--- a/x\n+++ b/x\n"

static void each_diff_moves_the_lines_of_those_before(void **state) {
    (void)state;
    AUTO(line_steps_done) struct line_steps lines;
    line_steps_init(&lines);
    assert_lines(&lines, "00000");
    /* Two lines after the first one, and the fourth one is another one. */
    assert_true(read_step(&lines, HEAD "@@ -1,0 +2,2 @@\n+a\n+b\n@@ -4 +6 @@ f()\n-d\n+D\n", 1));
    assert_lines(&lines, "01100100");
    /* The first one and one of step 1 go. */
    assert_true(read_step(&lines, HEAD "@@ -1,2 +0,0 @@\n-x\n-a\n", 2));
    assert_lines(&lines, "100100");
    assert_true(read_step(&lines, HEAD "@@ -2,2 +2 @@\n--- a\n-@@ -1 +1 @@\n+++ b\n", 3));
    assert_lines(&lines, "13100");
    assert_true(read_step(&lines, "", 4));
    assert_lines(&lines, "13100");
}

static void an_end_without_a_newline_is_no_line(void **state) {
    (void)state;
    AUTO(line_steps_done) struct line_steps lines;
    line_steps_init(&lines);
    assert_true(read_step(&lines,
                          HEAD "@@ -2 +2,2 @@\n-b\n\\ No newline at end of file\n+b\n+c\n"
                               "\\ No newline at end of file\n",
                          1));
    assert_lines(&lines, "0110");
}

static void a_content_that_is_another_one_is_of_its_step(void **state) {
    (void)state;
    AUTO(line_steps_done) struct line_steps lines;
    line_steps_init(&lines);
    assert_true(read_step(&lines, "diff --git a/x b/x\nBinary files a/x and b/x differ\n", 1));
    assert_lines(&lines, "111");
    assert_true(read_step(&lines, HEAD "@@ -1,2 +0,0 @@\n-a\n-b\n" HEAD "@@ -0,0 +1 @@\n+c\n", 2));
    assert_lines(&lines, "222");
}

static void the_diff_of_the_next_pair_is_left(void **state) {
    (void)state;
    static const char next[] = "1111111111111111111111111111111111111111 "
                               "2222222222222222222222222222222222222222\n";
    char text[512];
    (void)snprintf(text, sizeof text, "%s%s", HEAD "@@ -1 +1 @@\n-a\n+b\n", next);
    AUTO(line_steps_done) struct line_steps lines;
    line_steps_init(&lines);
    struct bytes rest = bytes_of(text);
    assert_true(line_steps_read(&lines, &rest, 1));
    assert_lines(&lines, "100");
    assert_true(bytes_is(rest, next));
    assert_true(line_steps_read(&lines, &rest, 2));
    assert_true(bytes_is(rest, next));
}

static void diffs_that_do_not_fit_are_refused(void **state) {
    (void)state;
    static const char *const diffs[] = {
        HEAD "@@ -1 +2 @@\n-a\n+b\n",                      /* The places differ. */
        HEAD "@@ -5 +5 @@\n-a\n+b\n@@ -5 +5 @@\n-a\n+b\n", /* Twice the same line. */
        HEAD "@@ -1 +1 @@\n-a\n",
        HEAD "@@ -1,2 +1 @@\n-a\n+b\n",
        HEAD "@@ -1 +1 @@\n a\n",
        HEAD "@@ -0 +1 @@\n-a\n+b\n",
        HEAD "@@ -x +1 @@\n-a\n+b\n",
        HEAD "@@ 1 +1 @@\n-a\n+b\n",
        HEAD "@@ -1\n",
        HEAD "@@ -99999999999999999999 +1 @@\n",
    };
    for (size_t i = 0; i < COUNT_OF(diffs); i++) {
        AUTO(line_steps_done) struct line_steps lines;
        line_steps_init(&lines);
        assert_false(read_step(&lines, diffs[i], 1));
    }
}

/* --- Trees ------------------------------------------------------------------------------------ */

struct history {
    struct tree from;
    struct text steps; /* Members of an array. */
    int count;
};

static struct history history_begin(void) {
    return (struct history){.steps = text_up_to(CHANGES_ORDER_MAX)};
}

static void history_done(struct history *history) {
    text_done(&history->steps);
}

/* Adds the folder as it is; step n is of number 2^n. */
static void history_add(struct scene *scene, struct history *history) {
    const struct tree tree = point_tree(scene, "");
    if (history->count == 0) {
        history->from = tree;
    } else {
        text_addf(&history->steps, "%s{\"tree\":\"%s\",\"by\":%d}", history->count > 1 ? "," : "",
                  tree.hash, 1 << history->count);
    }
    history->count++;
}

static json_t *history_blame(struct scene *scene, const struct history *history, const char *path) {
    AUTO(text_done) struct text more = text_up_to(CHANGES_ORDER_MAX);
    text_addf(&more, ",\"path\":%s,\"from\":\"%s\",\"steps\":[", path, history->from.hash);
    text_add_str(&more, history->steps.data == NULL ? "" : history->steps.data);
    text_add_char(&more, ']');
    return perform(scene, "blame", more.data);
}

/* Steps of all lines, one digit each. */
static void assert_steps(struct scene *scene, const struct history *history, const char *path,
                         const char *wanted) {
    AUTO(json_release) json_t *answer = history_blame(scene, history, path);
    const json_t *lines = json_object_get(answer, "lines");
    char found[64] = "";
    assert_null(json_object_get(answer, "error"));
    assert_true(json_array_size(lines) < sizeof found);
    for (size_t i = 0; i < json_array_size(lines); i++) {
        const int64_t step = json_int(json_array_get(lines, i), "step", -1);
        found[i] = (char)('0' + step);
        assert_int_equal(json_int(json_array_get(lines, i), "by", -1), step == 0 ? 0 : 1 << step);
    }
    assert_string_equal(found, wanted);
}

static void each_line_is_of_the_step_that_wrote_it(void **state) {
    struct scene *scene = *state;
    AUTO(history_done) struct history history = history_begin();
    put(scene, "x", "a\nb\nc\nd\n");
    put(scene, "other", "1\n");
    history_add(scene, &history);
    put(scene, "x", "a\nb2\nc\nd\n");
    history_add(scene, &history);
    put(scene, "other", "2\n");
    history_add(scene, &history);
    history_add(scene, &history); /* The same tree. */
    put(scene, "x", "new\na\nb2\nd\ne");
    history_add(scene, &history);
    assert_steps(scene, &history, "\"x\"", "40104");
    assert_steps(scene, &history, "\"other\"", "2");
    put(scene, "x", "new\na\nb2\nd\ne\n");
    history_add(scene, &history);
    assert_steps(scene, &history, "\"x\"", "40105");
}

static void a_file_that_came_later_has_no_line_from_before(void **state) {
    struct scene *scene = *state;
    AUTO(history_done) struct history history = history_begin();
    put(scene, "other", "1\n");
    history_add(scene, &history);
    put(scene, "d/x", "a\nb\n");
    history_add(scene, &history);
    put(scene, "d/x", "a\nc\n");
    history_add(scene, &history);
    assert_steps(scene, &history, "\"d/x\"", "12");
    shell(scene, "rm -r d");
    history_add(scene, &history);
    put(scene, "d/x", "a\nc\n");
    history_add(scene, &history);
    assert_steps(scene, &history, "\"d/x\"", "44");
    shell(scene, "> d/x");
    history_add(scene, &history);
    assert_steps(scene, &history, "\"d/x\"", "");
}

static void renames_are_followed(void **state) {
    struct scene *scene = *state;
    AUTO(history_done) struct history history = history_begin();
    put(scene, "old", "1\n2\n3\n4\n5\n6\n7\n8\n");
    history_add(scene, &history);
    put(scene, "old", "1\ntwo\n3\n4\n5\n6\n7\n8\n");
    history_add(scene, &history);
    shell(scene, "mkdir d && mv old d/new");
    put(scene, "d/new", "1\ntwo\n3\n4\n5\n6\n7\neight\n");
    history_add(scene, &history);
    put(scene, "d/new", "1\ntwo\n3\n4\n5\n6\nseven\neight\n");
    history_add(scene, &history);
    shell(scene, "mv d/new 'last one'");
    history_add(scene, &history);
    assert_steps(scene, &history, "\"last one\"", "01000032");
    AUTO(json_release) json_t *gone = history_blame(scene, &history, "\"old\"");
    assert_string_equal(json_str(json_object_get(gone, "error"), "code", ""), "not_found");
}

static void a_path_that_was_a_folder_or_a_link_is_of_the_step_that_made_it_a_file(void **state) {
    struct scene *scene = *state;
    AUTO(history_done) struct history history = history_begin();
    put(scene, "x", "a\n");
    history_add(scene, &history);
    shell(scene, "rm x && ln -s a x");
    history_add(scene, &history);
    shell(scene, "rm x");
    put(scene, "x", "a\nb\n");
    history_add(scene, &history);
    assert_steps(scene, &history, "\"x\"", "22");
    shell(scene, "rm x");
    put(scene, "x/in", "a\n");
    history_add(scene, &history);
    put(scene, "x/in", "b\n");
    history_add(scene, &history);
    shell(scene, "rm -r x");
    put(scene, "x", "c\n");
    history_add(scene, &history);
    put(scene, "x", "c\nd\n");
    history_add(scene, &history);
    assert_steps(scene, &history, "\"x\"", "56");
    AUTO(json_release) json_t *folder = history_blame(scene, &history, "\"y\"");
    assert_string_equal(json_str(json_object_get(folder, "error"), "code", ""), "not_found");
}

static void names_and_numbers_of_any_kind(void **state) {
    struct scene *scene = *state;
    put(scene, "a\"\n\377", "1\n");
    const struct tree first = point_tree(scene, "");
    put(scene, "a\"\n\377", "1\n2\n");
    const struct tree last = point_tree(scene, "");
    AUTO(text_done) struct text more = text_up_to(CHANGES_ORDER_MAX);
#define NAME "\"\\\"a\\\\\\\"\\\\n\\\\377\\\"\""
    text_addf(&more,
              ",\"path\":" NAME ",\"from\":\"%s\",\"steps\":[{\"tree\":\"%s\",\"by\":1,"
              "\"named\":[[\"b\",8],[" NAME ",2],[" NAME ",4]]}]",
              first.hash, last.hash);
    AUTO(json_release) json_t *answer = perform(scene, "blame", more.data);
    const json_t *lines = json_object_get(answer, "lines");
    assert_int_equal(json_array_size(lines), 2);
    assert_int_equal(json_int(json_array_get(lines, 0), "by", -1), 0);
    assert_int_equal(json_int(json_array_get(lines, 1), "by", -1), 6);
}

static void numbers_are_those_of_the_name_at_the_time(void **state) {
    struct scene *scene = *state;
    put(scene, "old", "1\n2\n3\n4\n");
    const struct tree first = point_tree(scene, "");
    put(scene, "old", "1\ntwo\n3\n4\n");
    const struct tree second = point_tree(scene, "");
    shell(scene, "mv old new");
    put(scene, "new", "1\ntwo\n3\nfour\n");
    const struct tree last = point_tree(scene, "");
    AUTO(text_done) struct text more = text_up_to(CHANGES_ORDER_MAX);
    text_addf(&more,
              ",\"path\":\"new\",\"from\":\"%s\",\"steps\":["
              "{\"tree\":\"%s\",\"by\":1,\"named\":[[\"old\",2],[\"new\",4]]},"
              "{\"tree\":\"%s\",\"by\":1,\"named\":[[\"old\",2],[\"new\",4]]}]",
              first.hash, second.hash, last.hash);
    AUTO(json_release) json_t *answer = perform(scene, "blame", more.data);
    static const int wanted[] = {0, 2, 0, 4};
    const json_t *rows = json_object_get(answer, "lines");
    assert_int_equal(json_array_size(rows), COUNT_OF(wanted));
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        assert_int_equal(json_int(json_array_get(rows, i), "by", -1), wanted[i]);
    }
}

static void what_has_no_lines_is_an_answer(void **state) {
    struct scene *scene = *state;
    AUTO(history_done) struct history history = history_begin();
    AUTO(json_release) json_t *none = history_blame(scene, &history, "\"x\"");
    assert_string_equal(json_str(json_object_get(none, "error"), "code", ""), "gone");
    put(scene, "text", "1\n");
    shell(scene, "printf 'a\\000b' > binary; yes | head -20001 > long; yes | head -20000 > most");
    history_add(scene, &history);
    AUTO(json_release) json_t *binary = history_blame(scene, &history, "\"binary\"");
    assert_true(json_is_true(json_object_get(binary, "binary")));
    assert_int_equal(json_array_size(json_object_get(binary, "lines")), 0);
    AUTO(json_release) json_t *most = history_blame(scene, &history, "\"most\"");
    assert_int_equal(json_array_size(json_object_get(most, "lines")), 20000);
    AUTO(json_release) json_t *many = history_blame(scene, &history, "\"long\"");
    assert_string_equal(json_str(json_object_get(many, "error"), "code", ""), "too_expensive");
    AUTO(json_release) json_t *path = history_blame(scene, &history, "\"../x\"");
    assert_string_equal(json_str(json_object_get(path, "error"), "code", ""), "bad_field");
    text_addf(&history.steps, "{\"tree\":\"1111111111111111111111111111111111111111\",\"by\":1}");
    AUTO(json_release) json_t *gone = history_blame(scene, &history, "\"text\"");
    assert_string_equal(json_str(json_object_get(gone, "error"), "code", ""), "gone");
    history.count++;
    history_add(scene, &history);
    AUTO(json_release) json_t *between = history_blame(scene, &history, "\"text\"");
    assert_string_equal(json_str(json_object_get(between, "error"), "code", ""), "gone");
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_open, scene_close)
        cmocka_unit_test(each_diff_moves_the_lines_of_those_before),
        cmocka_unit_test(an_end_without_a_newline_is_no_line),
        cmocka_unit_test(a_content_that_is_another_one_is_of_its_step),
        cmocka_unit_test(the_diff_of_the_next_pair_is_left),
        cmocka_unit_test(diffs_that_do_not_fit_are_refused),
        TEST(each_line_is_of_the_step_that_wrote_it),
        TEST(a_file_that_came_later_has_no_line_from_before),
        TEST(renames_are_followed),
        TEST(a_path_that_was_a_folder_or_a_link_is_of_the_step_that_made_it_a_file),
        TEST(names_and_numbers_of_any_kind),
        TEST(numbers_are_those_of_the_name_at_the_time),
        TEST(what_has_no_lines_is_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
