/* Differences of two contents of one path: `git apply` and `patch` take them. */
#include "changes_kit.h"

struct contents {
    const char *before, *after; /* NULL: there is no file. */
};

/* Stores a content and names it in JSON. */
static struct tree content_put(const struct scene *scene, const char *text) {
    struct tree hash = {"null"};
    if (text != NULL) {
        char line[512];
        put(scene, "../content", text);
        (void)snprintf(line, sizeof line,
                       "git --git-dir='%s' hash-object -w --no-filters '%s/content'", scene->shadow,
                       scene->folder);
        FILE *out = popen(line, "r");
        assert_non_null(out);
        assert_int_equal(fscanf(out, "%61s", hash.hash + 1), 1);
        assert_int_equal(pclose(out), 0);
        hash.hash[0] = '"';
        (void)strcat(hash.hash, "\"");
    }
    return hash;
}

/* Orders the difference for a path, whose name in JSON is `name`. The body is the scene's. */
static json_t *differ(struct scene *scene, const char *name, const struct contents *contents) {
    AUTO(text_done) struct text more = text_up_to(CHANGES_ORDER_MAX);
    (void)point_tree(scene, ""); /* Makes the repository. */
    const struct tree before = content_put(scene, contents->before),
                      after = content_put(scene, contents->after);
    text_addf(&more, ",\"path\":%s,\"before\":%s,\"after\":%s", name, before.hash, after.hash);
    return perform(scene, "contents", more.data);
}

static void body_is(const struct scene *scene, const char *wanted) {
    assert_string_equal(scene->body.data == NULL ? "" : scene->body.data, wanted);
}

/* Applies the body to a folder that has the file, and compares. */
static void body_turns(const struct scene *scene, const char *path, const struct contents *contents,
                       const char *with) {
    char command[512];
    put(scene, "../diff", "");
    AUTO(fd_release) int fd = file_open(scene, "../diff");
    assert_int_equal(write(fd, scene->body.data, scene->body.len), scene->body.len);
    shell(scene, "rm -rf ../apply && mkdir ../apply");
    char inside[256];
    (void)snprintf(inside, sizeof inside, "../apply/%s", path);
    if (contents->before != NULL) {
        put(scene, inside, contents->before);
    }
    (void)snprintf(command, sizeof command, "cd ../apply && %s ../diff > ../said 2>&1", with);
    shell(scene, command);
    (void)snprintf(command, sizeof command, "%s/%s", scene->root, inside);
    if (contents->after == NULL) {
        assert_int_equal(access(command, F_OK), -1);
        return;
    }
    char found[512];
    AUTO(fd_release) int after = open(command, O_RDONLY | O_CLOEXEC);
    const ssize_t got = read(after, found, sizeof found - 1);
    assert_int_equal(got, strlen(contents->after));
    found[got] = '\0';
    assert_string_equal(found, contents->after);
}

static void an_edit_has_its_lines_and_the_names_of_the_path(void **state) {
    struct scene *scene = *state;
    const struct contents contents = {"1\n2\n3\n4\n5\n6\n7\n8\n9\n",
                                      "1\n2\n3\n4\nfive\n6\n7\n8\n9\n"};
    AUTO(json_release) json_t *answer = differ(scene, "\"src/a.c\"", &contents);
    assert_int_equal(json_int(answer, "bytes", 0), scene->body.len);
    assert_true(json_is_false(json_object_get(answer, "cut")));
    body_is(scene, "diff --git a/src/a.c b/src/a.c\n"
                   "index 07193989308c972f8a2d0f1b3a15c29ea4ac565b.."
                   "4c5701d775286e43e9f53ee570f38b6070b09616 100644\n"
                   "--- a/src/a.c\n+++ b/src/a.c\n"
                   "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
}

static void programs_take_each_kind_of_difference(void **state) {
    struct scene *scene = *state;
    static const struct contents kinds[] = {
        {"one\ntwo\n", "one\n2\n"},
        {NULL, "new\n"},
        {"old\n", NULL},
        {"a\n", "a"},
        {"a", "b\n"},
        {"@@ -1 +1 @@\n", "--- a\n+++ b\n"},
        {"x\n", ""},
        {"", "x\n"},
    };
    static const char *const names[][2] = {
        {"\"plain\"", "plain"},
        {"\"folder/with blanks in\"", "folder/with blanks in"},
        {"\"\\\"a\\\\\\\"quote\\\\\\\"\\\"\"", "a\"quote\""},
        {"\"\\\"line\\\\nbreak\\\"\"", "line\nbreak"},
        {"\"back\\\\slash\"", "back\\slash"},
        {"\"\\\"byte\\\\377\\\"\"", "byte\377"},
        {"\"-n\"", "-n"},
        {"\"gr\\u00fcn\"", "grün"},
    };
    static const char *const programs[] = {"git apply", "patch -s -p1 -i"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        for (size_t j = 0; j < COUNT_OF(kinds); j++) {
            AUTO(json_release) json_t *answer = differ(scene, names[i][0], &kinds[j]);
            assert_null(json_object_get(answer, "error"));
            for (size_t k = 0; k < COUNT_OF(programs); k++) {
                body_turns(scene, names[i][1], &kinds[j], programs[k]);
            }
        }
    }
}

static void an_empty_file_comes_and_goes(void **state) {
    struct scene *scene = *state;
    static const struct contents kinds[] = {{NULL, ""}, {"", NULL}};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        AUTO(json_release) json_t *answer = differ(scene, "\"empty\"", &kinds[i]);
        assert_null(json_object_get(answer, "error"));
        body_turns(scene, "empty", &kinds[i], "git apply");
    }
}

static void the_content_after_is_that_of_a_tree(void **state) {
    struct scene *scene = *state;
    put(scene, "d/run", "1\n");
    put(scene, "other", "1\n");
    (void)point_tree(scene, "");
    const struct tree seen = content_put(scene, "1\n");
    put(scene, "d/run", "2\n");
    shell(scene, "chmod +x d/run");
    const struct tree after = point_tree(scene, "");
    AUTO(text_done) struct text more = text_up_to(CHANGES_ORDER_MAX);
    text_addf(&more, ",\"path\":\"d/run\",\"before\":%s,\"to\":\"%s\"", seen.hash, after.hash);
    AUTO(json_release) json_t *answer = perform(scene, "contents", more.data);
    assert_null(json_object_get(answer, "error"));
    body_is(scene, "diff --git a/d/run b/d/run\n"
                   "index d00491fd7e5bb6fa28c517a0bb32b8b506539d4d.."
                   "0cfbf08886fca9a91cb753ec8734c84fcbe52c9f 100755\n"
                   "--- a/d/run\n+++ b/d/run\n@@ -1 +1 @@\n-1\n+2\n");
    text_clear(&more);
    text_addf(&more, ",\"path\":\"d\",\"before\":%s,\"to\":\"%s\"", seen.hash, after.hash);
    AUTO(json_release) json_t *folder = perform(scene, "contents", more.data);
    assert_null(json_object_get(folder, "error"));
    assert_non_null(strstr(scene->body.data, "\ndeleted file mode 100644\n"));
    assert_non_null(strstr(scene->body.data, "\n+++ /dev/null\n"));
}

static void contents_that_are_the_same_have_no_difference(void **state) {
    struct scene *scene = *state;
    static const struct contents kinds[] = {{"same\n", "same\n"}, {NULL, NULL}};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        AUTO(json_release) json_t *answer = differ(scene, "\"a\"", &kinds[i]);
        assert_int_equal(json_int(answer, "bytes", -1), 0);
        assert_int_equal(scene->body.len, 0);
    }
}

static void bytes_that_are_no_text_become_a_binary_patch(void **state) {
    struct scene *scene = *state;
    (void)point_tree(scene, "");
    const struct tree before = content_put(scene, "text\n");
    shell(scene, "printf 'a\\000b' > ../binary");
    char line[512];
    (void)snprintf(line, sizeof line, "git --git-dir='%s' hash-object -w ../binary > ../hash",
                   scene->shadow);
    shell(scene, line);
    AUTO(text_done) struct text more = text_up_to(CHANGES_ORDER_MAX);
    text_addf(&more,
              ",\"path\":\"b\",\"before\":%s,\"after\":"
              "\"2222222222222222222222222222222222222222\"",
              before.hash);
    AUTO(json_release) json_t *gone = perform(scene, "contents", more.data);
    assert_string_equal(json_str(json_object_get(gone, "error"), "code", ""), "gone");
    char hash[64] = "";
    (void)snprintf(line, sizeof line, "%s/hash", scene->folder);
    FILE *file = fopen(line, "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%63s", hash), 1);
    assert_int_equal(fclose(file), 0);
    text_clear(&more);
    text_addf(&more, ",\"path\":\"b\",\"before\":%s,\"after\":\"%s\"", before.hash, hash);
    AUTO(json_release) json_t *answer = perform(scene, "contents", more.data);
    assert_null(json_object_get(answer, "error"));
    put(scene, "b", "text\n");
    AUTO(fd_release) int fd = file_open(scene, "../diff");
    assert_int_equal(write(fd, scene->body.data, scene->body.len), scene->body.len);
    shell(scene, "git apply ../diff && cmp b ../binary");
}

static void a_diff_that_is_too_long_is_left_out(void **state) {
    struct scene *scene = *state;
    (void)point_tree(scene, "");
    const struct tree before = content_put(scene, "1\n"), after = content_put(scene, "2\n");
    AUTO(text_done) struct text more = text_up_to(CHANGES_ORDER_MAX);
    text_addf(&more, ",\"path\":\"a\",\"before\":%s,\"after\":%s", before.hash, after.hash);
    AUTO(json_release) json_t *whole = perform(scene, "contents", more.data);
    const int64_t bytes = json_int(whole, "bytes", 0);
    const size_t len = more.len;
    for (int64_t less = 0; less < 2; less++) {
        text_cut(&more, len);
        text_addf(&more, ",\"bytes_max\":%lld", (long long)(bytes - less));
        AUTO(json_release) json_t *answer = perform(scene, "contents", more.data);
        assert_int_equal(json_int(answer, "bytes", -1), less == 0 ? bytes : 0);
        assert_int_equal(json_is_true(json_object_get(answer, "cut")), less != 0);
        assert_int_equal(scene->body.len, json_int(answer, "bytes", -1));
    }
}

static void what_is_missing_or_wrong_is_an_answer(void **state) {
    struct scene *scene = *state;
    (void)point_tree(scene, "");
#define UNKNOWN "\"1111111111111111111111111111111111111111\""
    static const char *const orders[][2] = {
        {",\"path\":\"a\",\"before\":" UNKNOWN ",\"after\":null", "gone"},
        {",\"path\":\"a\",\"before\":null,\"to\":" UNKNOWN, "gone"},
        {",\"path\":\"a\",\"before\":null,\"to\":\"x\"", "bad_field"},
        {",\"path\":\"a\",\"before\":\"x\",\"after\":null", "bad_field"},
        {",\"path\":\"../a\",\"before\":null,\"after\":null", "bad_field"},
        {",\"before\":null,\"after\":null", "bad_field"},
        {",\"path\":\"a\",\"bytes_max\":-1", "bad_field"},
    };
    for (size_t i = 0; i < COUNT_OF(orders); i++) {
        AUTO(json_release) json_t *answer = perform(scene, "contents", orders[i][0]);
        assert_string_equal(json_str(json_object_get(answer, "error"), "code", ""), orders[i][1]);
        assert_int_equal(scene->body.len, 0);
    }
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_open, scene_close)
        TEST(an_edit_has_its_lines_and_the_names_of_the_path),
        TEST(programs_take_each_kind_of_difference),
        TEST(an_empty_file_comes_and_goes),
        TEST(the_content_after_is_that_of_a_tree),
        TEST(contents_that_are_the_same_have_no_difference),
        TEST(bytes_that_are_no_text_become_a_binary_patch),
        TEST(a_diff_that_is_too_long_is_left_out),
        TEST(what_is_missing_or_wrong_is_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
