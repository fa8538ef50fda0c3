/* The plan of a rewind: what an author did, taken back from the folder as it is now. */
#include "changes_kit.h"

enum { ME = 1, YOU = 2, BOTH = 3, NOBODY = 0 };

/* Points of a history, and the order that is made of them. */
struct history {
    struct scene *scene;
    struct tree first, last;
    struct text steps;
};

static void history_done(struct history *history) {
    text_done(&history->steps);
}

static struct history history_begin(struct scene *scene) {
    const struct tree first = point_tree(scene, "");
    return (struct history){scene, first, first, text_up_to(CHANGES_ORDER_MAX)};
}

/* A step to the folder as it is now. */
static void did(struct history *history, int by, const char *command) {
    shell(history->scene, command);
    history->last = point_tree(history->scene, "");
    text_addf(&history->steps, "%s{\"tree\":\"%s\",\"by\":%d,\"named\":[]}",
              history->steps.len > 0 ? "," : "", history->last.hash, by);
}

static json_t *rewind_forced(struct history *history, const char *force) {
    AUTO(text_done) struct text more = text_up_to(CHANGES_ORDER_MAX);
    text_addf(&more, ",\"mine\":%d,\"force\":[%s],\"steps\":[", ME, force);
    text_add(&more, history->steps.data, history->steps.len);
    text_add_char(&more, ']');
    json_t *answer =
        between(history->scene, "rewind", history->first.hash, history->last.hash, more.data);
    if (json_object_get(answer, "error") != NULL) {
        fail_msg("%s", json_str(json_object_get(answer, "error"), "detail", ""));
    }
    return answer;
}

static json_t *rewind_mine(struct history *history) {
    return rewind_forced(history, "");
}

/* "PATH WHY BY BY,": the refused paths. */
static void assert_refused(const json_t *answer, const char *list, const char *wanted) {
    AUTO(text_done) struct text found = text_up_to(CHANGES_ANSWER_MAX);
    const json_t *refused = json_object_get(answer, list);
    for (size_t i = 0; i < json_array_size(refused); i++) {
        const json_t *one = json_array_get(refused, i), *by = json_object_get(one, "by");
        text_addf(&found, "%s %s", json_str(one, "path", ""), json_str(one, "why", "-"));
        for (size_t j = 0; j < json_array_size(by); j++) {
            text_addf(&found, " %d", (int)json_integer_value(json_array_get(by, j)));
        }
        text_add_char(&found, ',');
    }
    assert_string_equal(found.data == NULL ? "" : found.data, wanted);
}

/* Compares the tree of the plan with the first one, and with the last one. */
static void assert_tree(struct history *history, const json_t *answer, const char *from_first,
                        const char *from_last) {
    const char *tree = json_str(answer, "tree", "");
    assert_files(history->scene, history->first.hash, tree, from_first);
    assert_files(history->scene, history->last.hash, tree, from_last);
}

static void assert_content(struct history *history, const json_t *answer, const char *name,
                           const char *wanted) {
    char command[4096];
    (void)snprintf(command, sizeof command,
                   "printf '%s' > ../wanted && git --git-dir='%s' show '%s:%s' | cmp - ../wanted",
                   wanted, history->scene->shadow, json_str(answer, "tree", ""), name);
    shell(history->scene, command);
}

static void my_files_become_what_they_were(void **state) {
    struct scene *scene = *state;
    shell(scene, "printf '1\\n2\\n' > edit; echo x > gone; echo x > moved; echo x > mode; "
                 "ln -s here link; echo b > become");
    AUTO(history_done) struct history history = history_begin(scene);
    did(&history, ME,
        "echo 3 >> edit; rm gone; mkdir d; mv moved d/m; chmod +x mode; ln -sf "
        "there link; echo new > new; rm become; ln -s edit become");
    did(&history, YOU, "echo yours > yours");
    did(&history, ME, "echo 4 >> edit; echo more >> new; echo again > gone");
    AUTO(json_release) json_t *answer = rewind_mine(&history);
    assert_refused(answer, "refused", "");
    assert_refused(answer, "shared", "");
    assert_tree(&history, answer, "create yours,",
                "edit become,edit edit,edit gone,edit link,mode mode,rename moved,delete new,");
}

static void rows_name_contents_modes_and_lines(void **state) {
    struct scene *scene = *state;
    shell(scene, "printf '1\\n2\\n' > a; printf 'a\\0b' > binary");
    AUTO(history_done) struct history history = history_begin(scene);
    did(&history, ME, "printf '1\\n3\\n4\\n' > a; chmod +x a; echo n > n; printf 'a\\0c' > binary");
    AUTO(json_release) json_t *answer = rewind_mine(&history);
    const json_t *files = json_object_get(answer, "files");
    assert_int_equal(json_array_size(files), 3);
    const json_t *a = json_array_get(files, 0), *binary = json_array_get(files, 1),
                 *n = json_array_get(files, 2);
    assert_string_equal(json_str(a, "path", ""), "a");
    assert_string_equal(json_str(a, "mode_before", ""), "100755");
    assert_string_equal(json_str(a, "mode_after", ""), "100644");
    assert_string_equal(json_str(a, "after", ""), "1191247b6d9a206f6ba3d8ac79e26d041dd86941");
    assert_int_equal(json_int(a, "added", -1), 1);
    assert_int_equal(json_int(a, "removed", -1), 2);
    assert_true(json_is_true(json_object_get(binary, "binary")));
    assert_true(json_is_null(json_object_get(n, "after")));
    assert_true(json_is_null(json_object_get(n, "mode_after")));
    assert_string_equal(json_str(n, "mode_before", ""), "100644");
    assert_int_equal(json_int(n, "removed", -1), 1);
}

static void lines_of_others_stay(void **state) {
    struct scene *scene = *state;
    shell(scene, "seq 1 20 > f");
    AUTO(history_done) struct history history = history_begin(scene);
    did(&history, ME, "sed -i 's/^3$/mine/' f");
    did(&history, YOU, "sed -i 's/^10$/yours/' f");
    did(&history, ME, "sed -i 's/^15$/mine too/' f; chmod +x f");
    did(&history, NOBODY, "sed -i '1i top' f");
    AUTO(json_release) json_t *answer = rewind_mine(&history);
    assert_refused(answer, "refused", "");
    assert_content(&history, answer, "f",
                   "top\\n1\\n2\\n3\\n4\\n5\\n6\\n7\\n8\\n9\\nyours\\n11\\n12\\n13\\n14\\n15\\n16"
                   "\\n17\\n18\\n19\\n20\\n");
    const json_t *file = json_array_get(json_object_get(answer, "files"), 0);
    assert_string_equal(json_str(file, "mode_after", ""), "100644");
    assert_int_equal(json_int(file, "added", -1), 2);
}

static void others_changes_of_my_lines_are_refused_unless_forced(void **state) {
    struct scene *scene = *state;
    shell(scene, "seq 1 9 > line; seq 1 9 > shared; printf 'a\\0\\n1\\n' > binary; seq 1 9 > gone; "
                 "seq 1 9 > mode");
    AUTO(history_done) struct history history = history_begin(scene);
    did(&history, ME,
        "for f in line shared gone mode; do sed -i 's/^3$/mine/' $f; done; echo 2 >> "
        "binary; echo new > new");
    did(&history, YOU,
        "sed -i 's/^mine$/yours/' line; sed -i '1i x' binary; rm gone; chmod +x "
        "mode; echo yours >> new");
    did(&history, BOTH, "sed -i 's/^mine$/whose/' shared");
    AUTO(json_release) json_t *answer = rewind_mine(&history);
    assert_refused(answer, "refused",
                   "binary changed 2,gone changed 2,line changed 2,mode changed 2,new changed "
                   "2,shared shared 3,");
    assert_tree(&history, answer,
                "edit binary,delete gone,edit line,edit mode,create new,edit shared,", "");
    AUTO(json_release)
    json_t *forced = rewind_forced(
        &history, "\"binary\",\"gone\",\"line\",\"mode\",\"new\",\"shared\",\"unknown\"");
    assert_refused(forced, "refused", "");
    assert_tree(&history, forced, "",
                "edit binary,create gone,edit line,edit mode,delete new,edit shared,");
}

static void a_file_of_others_that_i_edited_stays(void **state) {
    struct scene *scene = *state;
    AUTO(history_done) struct history history = history_begin(scene);
    did(&history, YOU, "seq 1 9 > f");
    did(&history, ME, "echo mine >> f");
    AUTO(json_release) json_t *answer = rewind_mine(&history);
    assert_refused(answer, "refused", "");
    assert_content(&history, answer, "f", "1\\n2\\n3\\n4\\n5\\n6\\n7\\n8\\n9\\n");
}

static void a_path_of_shared_changes_alone_is_named_and_stays(void **state) {
    struct scene *scene = *state;
    shell(scene, "echo 1 > f");
    AUTO(history_done) struct history history = history_begin(scene);
    did(&history, BOTH, "echo 2 > f; echo 2 > g");
    AUTO(json_release) json_t *answer = rewind_mine(&history);
    assert_refused(answer, "shared", "f - 3,g - 3,");
    assert_refused(answer, "refused", "");
    assert_tree(&history, answer, "edit f,create g,", "");
    AUTO(json_release) json_t *forced = rewind_forced(&history, "\"f\"");
    assert_refused(forced, "shared", "g - 3,");
    assert_tree(&history, forced, "create g,", "edit f,");
}

static void a_named_author_counts_before_that_of_the_step(void **state) {
    struct scene *scene = *state;
    shell(scene, "echo 1 > a; echo 1 > b; printf x > $(printf 'n\\nl\\377')");
    AUTO(history_done) struct history history = history_begin(scene);
    shell(scene, "echo 2 > a; echo 2 > b; printf y > $(printf 'n\\nl\\377')");
    history.last = point_tree(scene, "");
    text_addf(&history.steps,
              "{\"tree\":\"%s\",\"by\":%d,\"named\":[[\"a\",%d],[\"\\\"n\\\\nl\\\\377\\\"\",%d]]}",
              history.last.hash, YOU, ME, ME);
    AUTO(json_release) json_t *answer = rewind_mine(&history);
    assert_tree(&history, answer, "edit b,", "edit a,edit \"n\\nl\\377\",");
}

static void a_folder_of_others_where_my_file_was_is_refused(void **state) {
    struct scene *scene = *state;
    shell(scene, "echo 1 > a; mkdir d; echo 1 > d/x");
    AUTO(history_done) struct history history = history_begin(scene);
    did(&history, ME, "rm a; mkdir a; echo 2 > a/mine; rm -r d");
    did(&history, YOU, "echo 3 > a/yours; echo 3 > d");
    AUTO(json_release) json_t *answer = rewind_mine(&history);
    assert_refused(answer, "refused", "a kind,d/x kind,");
    AUTO(json_release) json_t *forced = rewind_forced(&history, "\"a\",\"d/x\"");
    assert_refused(forced, "refused", "a kind,d/x kind,");
}

static void my_folder_becomes_the_file_that_it_was(void **state) {
    struct scene *scene = *state;
    shell(scene, "echo 1 > a; mkdir d; echo 1 > d/x");
    AUTO(history_done) struct history history = history_begin(scene);
    did(&history, ME, "rm a; mkdir a; echo 2 > a/x; rm -r d; echo 3 > d");
    AUTO(json_release) json_t *answer = rewind_mine(&history);
    assert_refused(answer, "refused", "");
    assert_tree(&history, answer, "", "create a,delete a/x,delete d,create d/x,");
}

static void nothing_of_mine_is_an_empty_plan(void **state) {
    struct scene *scene = *state;
    shell(scene, "echo 1 > a; echo 1 > b");
    AUTO(history_done) struct history history = history_begin(scene);
    did(&history, YOU, "echo 2 > a");
    did(&history, ME, "echo 2 > b");
    did(&history, ME, "echo 1 > b");
    AUTO(json_release) json_t *answer = rewind_mine(&history);
    assert_tree(&history, answer, "edit a,", "");
    assert_int_equal(json_array_size(json_object_get(answer, "files")), 0);
}

static void nothing_is_left_in_the_repository_but_objects(void **state) {
    struct scene *scene = *state;
    shell(scene, "seq 1 9 > a");
    AUTO(history_done) struct history history = history_begin(scene);
    did(&history, ME, "echo 2 >> a");
    did(&history, YOU, "sed -i '1i x' a");
    AUTO(json_release) json_t *answer = rewind_mine(&history);
    assert_int_equal(json_array_size(json_object_get(answer, "files")), 1);
    char command[512];
    (void)snprintf(command, sizeof command, "! find '%s' -name '*tmp_*' | grep .", scene->shadow);
    shell(scene, command);
}

static void a_tree_that_is_gone_is_said_to_be(void **state) {
    struct scene *scene = *state;
    AUTO(history_done) struct history history = history_begin(scene);
    did(&history, ME, "echo 2 > a");
    AUTO(json_release)
    json_t *answer = between(scene, "rewind", "1111111111111111111111111111111111111111",
                             history.last.hash, ",\"mine\":1,\"steps\":[]");
    AUTO(json_release)
    json_t *step = between(scene, "rewind", history.first.hash, history.last.hash,
                           ",\"mine\":1,\"steps\":[{\"tree\":"
                           "\"1111111111111111111111111111111111111111\",\"by\":1}]");
    assert_null(json_object_get(answer, "error")); /* Nothing of it is needed without steps. */
    assert_string_equal(json_str(json_object_get(step, "error"), "code", ""), "bad_field");
    text_clear(&history.steps);
    text_addf(&history.steps,
              ",\"mine\":1,\"steps\":[{\"tree\":\"1111111111111111111111111111111111111111\","
              "\"by\":1},{\"tree\":\"%s\",\"by\":1}]",
              history.last.hash);
    AUTO(json_release)
    json_t *gone =
        between(scene, "rewind", history.first.hash, history.last.hash, history.steps.data);
    assert_string_equal(json_str(json_object_get(gone, "error"), "code", ""), "gone");
}

#define scene_test(test) cmocka_unit_test_setup_teardown(test, scene_open, scene_close)

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        scene_test(my_files_become_what_they_were),
        scene_test(rows_name_contents_modes_and_lines),
        scene_test(lines_of_others_stay),
        scene_test(others_changes_of_my_lines_are_refused_unless_forced),
        scene_test(a_file_of_others_that_i_edited_stays),
        scene_test(a_path_of_shared_changes_alone_is_named_and_stays),
        scene_test(a_named_author_counts_before_that_of_the_step),
        scene_test(a_folder_of_others_where_my_file_was_is_refused),
        scene_test(my_folder_becomes_the_file_that_it_was),
        scene_test(nothing_of_mine_is_an_empty_plan),
        scene_test(nothing_is_left_in_the_repository_but_objects),
        scene_test(a_tree_that_is_gone_is_said_to_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
