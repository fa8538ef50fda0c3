/* Differences of two points: a list of files, by whom, and a text that git applies. */
#include "changes_kit.h"

static const json_t *file_of(const json_t *answer, const char *path) {
    const json_t *files = json_object_get(answer, "files");
    for (size_t i = 0; i < json_array_size(files); i++) {
        if (strcmp(json_str(json_array_get(files, i), "path", ""), path) == 0) {
            return json_array_get(files, i);
        }
    }
    fail_msg("no file %s", path);
    return NULL;
}

static void assert_by(const json_t *answer, const char *path, const char *wanted) {
    AUTO(text_done) struct text found = text_up_to(256);
    assert_int_equal(json_write(json_object_get(file_of(answer, path), "by"), &found).code,
                     ERR_NONE);
    assert_string_equal(found.data, wanted);
}

static void each_file_names_those_whose_steps_changed_it(void **state) {
    struct scene *scene = *state;
    put(scene, "a", "1\n2\n3\n4\n5\n6\n7\n8\n");
    put(scene, "b", "b\n");
    const struct tree start = point_tree(scene, "");
    put(scene, "a", "1\n2\n3\n4\n5\n6\n7\n8\n9\n");
    put(scene, "bad\377", "x\n");
    const struct tree first = point_tree(scene, "");
    shell(scene, "mv a c");
    put(scene, "b", "bb\n");
    const struct tree second = point_tree(scene, "");
    put(scene, "b", "bbb\n");
    put(scene, "passing", "x");
    const struct tree third = point_tree(scene, "");
    shell(scene, "rm passing");
    const struct tree last = point_tree(scene, "");
    char steps[1024];
    (void)snprintf(steps, sizeof steps,
                   ",\"steps\":[{\"tree\":\"%s\",\"by\":5,\"named\":[[\"\\\"bad\\\\377\\\"\",9]]},"
                   "{\"tree\":\"%s\",\"by\":5},{\"tree\":\"%s\",\"by\":2},{\"tree\":\"%s\","
                   "\"by\":1,\"named\":[[\"b\",1]]},{\"tree\":\"%s\",\"by\":7}]",
                   first.hash, first.hash, second.hash, third.hash, last.hash);
    AUTO(json_release) json_t *answer = between(scene, "list", start.hash, last.hash, steps);
    assert_int_equal(json_array_size(json_object_get(answer, "files")), 3);
    assert_string_equal(json_str(file_of(answer, "c"), "operation", ""), "rename");
    assert_string_equal(json_str(file_of(answer, "c"), "old_path", ""), "a");
    assert_int_equal(json_int(file_of(answer, "c"), "added", 0), 1);
    assert_by(answer, "c", "[2,5]");
    assert_by(answer, "b", "[1,2]");
    assert_by(answer, "\"bad\\377\"", "[9]");
    assert_int_equal(json_int(json_object_get(answer, "totals"), "files", 0), 3);
}

static void steps_that_do_not_lead_to_the_end_are_refused(void **state) {
    struct scene *scene = *state;
    put(scene, "a", "1");
    const struct tree first = point_tree(scene, "");
    put(scene, "a", "2");
    const struct tree last = point_tree(scene, "");
    char steps[256];
    (void)snprintf(steps, sizeof steps, ",\"steps\":[{\"tree\":\"%s\",\"by\":5}]", first.hash);
    AUTO(json_release) json_t *answer = between(scene, "list", first.hash, last.hash, steps);
    assert_string_equal(json_str(json_object_get(answer, "error"), "code", ""), "bad_field");
}

static void a_tree_that_is_missing_is_gone(void **state) {
    struct scene *scene = *state;
    static const char missing[] = "0123456789012345678901234567890123456789";
    put(scene, "a", "1");
    const struct tree tree = point_tree(scene, "");
    char steps[256];
    (void)snprintf(steps, sizeof steps,
                   ",\"steps\":[{\"tree\":\"%s\",\"by\":5},{\"tree\":\"%s\",\"by\":5}]", missing,
                   tree.hash);
    AUTO(json_release) json_t *list = between(scene, "list", missing, tree.hash, "");
    AUTO(json_release) json_t *diff = between(scene, "diff", missing, tree.hash, "");
    AUTO(json_release) json_t *walk = between(scene, "list", "", tree.hash, steps);
    assert_string_equal(json_str(json_object_get(list, "error"), "code", ""), "gone");
    assert_string_equal(json_str(json_object_get(diff, "error"), "code", ""), "gone");
    assert_string_equal(json_str(json_object_get(walk, "error"), "code", ""), "gone");
}

static void a_long_list_comes_in_pages_without_gaps(void **state) {
    struct scene *scene = *state;
    enum { FILES = 1230 };
    for (int i = 0; i < FILES; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "folder%d/file %d\377", i % 7, i);
        put(scene, name, "line\nline\n");
    }
    const struct tree tree = point_tree(scene, "");
    char after[256] = "", last[256] = "";
    size_t seen = 0;
    for (bool more = true; more;) {
        AUTO(json_release) json_t *answer = between(scene, "list", "", tree.hash, after);
        const json_t *files = json_object_get(answer, "files");
        const json_t *totals = json_object_get(answer, "totals");
        assert_int_equal(json_int(totals, "files", 0), FILES);
        assert_int_equal(json_int(totals, "added", 0), 2 * FILES);
        assert_true(json_array_size(files) > 0 && json_array_size(files) <= 500);
        for (size_t i = 0; i < json_array_size(files); i++) {
            const char *path = json_str(json_array_get(files, i), "path", "");
            assert_true(strcmp(last, path) < 0);
            (void)snprintf(last, sizeof last, "%s", path);
        }
        seen += json_array_size(files);
        const char *next = json_str(answer, "next", NULL);
        more = next != NULL;
        AUTO(text_done) struct text member = text_up_to(sizeof after - 1);
        text_add_str(&member, ",\"after\":");
        text_add_json(&member, more ? next : "", more ? strlen(next) : 0);
        (void)snprintf(after, sizeof after, "%s", member.data);
    }
    assert_int_equal(seen, FILES);
}

static void the_text_of_a_difference_applies(void **state) {
    struct scene *scene = *state;
    put(scene, "edit", "1\n2\n3\n4\n");
    put(scene, "no end", "1\n2");
    put(scene, "gone", "1\n");
    put(scene, "old name", "a\nb\nc\nd\ne\nf\n");
    put(scene, "mode", "m\n");
    put(scene, "\"q\"\t\377", "1\n");
    shell(scene, "printf 'a\\0b' > binary; ln -s edit link");
    const struct tree before = point_tree(scene, "");
    shell(scene, "cp -a . ../copy");
    put(scene, "edit", "1\n2\nthree\n4\n");
    put(scene, "no end", "1\n2\n3");
    put(scene, "\"q\"\t\377", "2\n");
    put(scene, "empty", "");
    put(scene, "folder/new", "n\n");
    shell(scene, "rm gone; mv 'old name' 'new name'; chmod +x mode; printf 'b\\0c' > binary; "
                 "rm link; ln -s mode link");
    const struct tree after = point_tree(scene, "");
    AUTO(json_release) json_t *answer = between(scene, "diff", before.hash, after.hash, "");
    assert_int_equal(json_int(answer, "bytes", 0), scene->body.len);
    assert_false(json_is_true(json_object_get(answer, "cut")));
    put(scene, "../patch", ""); /* Beside the folder of the world. */
    char path[160];
    (void)snprintf(path, sizeof path, "%s/patch", scene->folder);
    AUTO(fd_release) int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(write(fd, scene->body.data, scene->body.len), scene->body.len);
    shell(scene, "cd ../copy && git apply ../patch && diff -r --no-dereference . ../root && "
                 "test -x mode && test \"$(readlink link)\" = mode");
}

static void a_long_difference_is_cut_between_files(void **state) {
    struct scene *scene = *state;
    put(scene, "a", "diff --git a/x b/x\n");
    put(scene, "b", "diff --git a/x b/x\n");
    const struct tree tree = point_tree(scene, "");
    AUTO(json_release) json_t *whole = between(scene, "diff", "", tree.hash, "");
    const int64_t all = json_int(whole, "bytes", 0);
    for (int64_t max = 0; max <= all; max++) {
        char bound[64];
        (void)snprintf(bound, sizeof bound, ",\"bytes_max\":%d", (int)max);
        AUTO(json_release) json_t *answer = between(scene, "diff", "", tree.hash, bound);
        const int64_t bytes = json_int(answer, "bytes", -1);
        assert_int_equal(bytes, max == all ? all : max < all / 2 ? 0 : all / 2);
        assert_int_equal(json_is_true(json_object_get(answer, "cut")), max < all);
    }
}

static void single_paths_can_be_asked_for(void **state) {
    struct scene *scene = *state;
    put(scene, "a*", "1\n");
    put(scene, "ab", "2\n");
    const struct tree tree = point_tree(scene, "");
    AUTO(json_release)
    json_t *answer = between(scene, "diff", "", tree.hash, ",\"paths\":[\"a*\"]");
    assert_true(json_int(answer, "bytes", 0) > 0);
    assert_non_null(strstr(scene->body.data, "+++ b/a*"));
    assert_null(strstr(scene->body.data, "+++ b/ab"));
}

int main(void) {
    json_setup();
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_open, scene_close)
    const struct CMUnitTest tests[] = {
        TEST(each_file_names_those_whose_steps_changed_it),
        TEST(steps_that_do_not_lead_to_the_end_are_refused),
        TEST(a_tree_that_is_missing_is_gone),
        TEST(a_long_list_comes_in_pages_without_gaps),
        TEST(the_text_of_a_difference_applies),
        TEST(a_long_difference_is_cut_between_files),
        TEST(single_paths_can_be_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
