/* Deletion of objects: the kept ones are complete at every moment, and all others go. */
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "changes_kit.h"

/* Members of an order that keeps these trees. */
static json_t *prune(struct scene *scene, const struct tree *trees, size_t count) {
    AUTO(text_done) struct text more = text_up_to(CHANGES_ORDER_MAX);
    text_add_str(&more, ",\"keep\":[");
    for (size_t i = 0; i < count; i++) {
        text_addf(&more, "%s\"%s\"", i > 0 ? "," : "", trees[i].hash);
    }
    text_add_char(&more, ']');
    return perform(scene, "prune", more.data);
}

/* Runs git in the shadow repository. Returns its exit code. */
static int git(const struct scene *scene, const char *words) {
    char line[1024];
    (void)snprintf(line, sizeof line, "git --git-dir='%s' %s >'%s/out' 2>'%s/err'", scene->shadow,
                   words, scene->folder, scene->folder);
    const int status = system(line);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Whether each object that the tree reaches can be read, byte by byte. */
static bool is_whole(const struct scene *scene, const struct tree *tree) {
    char words[512];
    (void)snprintf(words, sizeof words,
                   "rev-list --objects --no-object-names %s | git --git-dir='%s' cat-file --batch",
                   tree->hash, scene->shadow);
    if (git(scene, words) != 0) {
        return false;
    }
    (void)snprintf(words, sizeof words, "ls-tree -r %s", tree->hash);
    char line[256];
    (void)snprintf(line, sizeof line, "! grep -q missing$ '%s/out' && test ! -s '%s/err'",
                   scene->folder, scene->folder);
    return system(line) == 0 && git(scene, words) == 0;
}

static bool has_object(const struct scene *scene, const char *hash) {
    char words[128];
    (void)snprintf(words, sizeof words, "cat-file -e %s", hash);
    return git(scene, words) == 0;
}

/* Number of files below the objects that `find` selects. */
static int count_files(const struct scene *scene, const char *pattern) {
    char line[512];
    int count = -1;
    (void)snprintf(line, sizeof line, "find '%s/objects' -type f %s | wc -l", scene->shadow,
                   pattern);
    FILE *out = popen(line, "r");
    assert_non_null(out);
    assert_int_equal(fscanf(out, "%d", &count), 1);
    assert_int_equal(pclose(out), 0);
    return count;
}

/* Hash of a content, as git has it. */
static struct tree content_hash(const char *text) {
    char line[256];
    struct tree hash = {""};
    (void)snprintf(line, sizeof line, "printf '%s' | git hash-object --stdin", text);
    FILE *out = popen(line, "r");
    assert_non_null(out);
    assert_int_equal(fscanf(out, "%63s", hash.hash), 1);
    assert_int_equal(pclose(out), 0);
    return hash;
}

static void version_put(const struct scene *scene, const char *path, int number) {
    char text[64];
    (void)snprintf(text, sizeof text, "version %d\n", number);
    put(scene, path, text);
}

static struct tree version_take(struct scene *scene, int number) {
    version_put(scene, "changing", number);
    version_put(scene, "folder/below/changing", number);
    return point_tree(scene, "");
}

static void kept_trees_stay_whole_and_all_others_go(void **state) {
    struct scene *scene = *state;
    put(scene, "same", "always there\n");
    const struct tree first = version_take(scene, 1), second = version_take(scene, 2),
                      third = version_take(scene, 3), last = version_take(scene, 4);
    const struct tree kept[] = {first, third};
    AUTO(json_release) json_t *answer = prune(scene, kept, COUNT_OF(kept));
    assert_int_equal(json_int(answer, "missing", -1), 0);
    assert_true(json_int(answer, "bytes", 0) > 0);
    /* Three versions with a content and three folders each; and the content that is the same. */
    assert_int_equal(json_int(answer, "objects", 0), 3 * 4 + 1);
    assert_true(is_whole(scene, &first));
    assert_true(is_whole(scene, &third));
    assert_true(is_whole(scene, &last)); /* The next pass builds on it. */
    assert_false(has_object(scene, second.hash));
    assert_false(has_object(scene, content_hash("version 2\\n").hash));
    assert_int_equal(count_files(scene, "-name '*.pack'"), 1);
    assert_int_equal(count_files(scene, "! -path '*/pack/*'"), 0);
}

static void the_next_point_builds_on_what_is_left(void **state) {
    struct scene *scene = *state;
    put(scene, "old", "an old file\n");
    const struct tree first = version_take(scene, 1);
    AUTO(json_release) json_t *answer = prune(scene, NULL, 0);
    assert_true(json_int(answer, "objects", 0) > 0);
    AUTO(json_release) json_t *same = point_with(scene, "");
    assert_string_equal(json_str(same, "taken", ""), "same");
    assert_string_equal(json_str(same, "tree", ""), first.hash);
    assert_true(is_whole(scene, &first));
    const struct tree second = version_take(scene, 2);
    assert_true(is_whole(scene, &second));
    assert_files(scene, "", second.hash,
                 "create changing,create folder/below/changing,create old,");
}

static void contents_of_an_index_without_a_tree_stay(void **state) {
    struct scene *scene = *state;
    const struct tree first = version_take(scene, 1);
    char line[512];
    (void)snprintf(line, sizeof line, "rm '%s/worlds/wld_1/tree'", scene->shadow);
    shell(scene, line);
    AUTO(json_release) json_t *answer = prune(scene, NULL, 0);
    assert_int_equal(json_int(answer, "objects", 0), 1);
    const struct tree again = point_tree(scene, "");
    assert_string_equal(again.hash, first.hash);
    assert_true(is_whole(scene, &again));
}

static void missing_trees_are_counted_and_stop_nothing(void **state) {
    struct scene *scene = *state;
    const struct tree first = version_take(scene, 1), second = version_take(scene, 2);
    (void)version_take(scene, 3);
    const struct tree no_tree = content_hash("version 1\\n");
    const struct tree kept[] = {{"1111111111111111111111111111111111111111"},
                                first,
                                no_tree,
                                {"ffffffffffffffffffffffffffffffffffffffff"}};
    AUTO(json_release) json_t *answer = prune(scene, kept, COUNT_OF(kept));
    assert_int_equal(json_int(answer, "missing", -1), 3);
    assert_true(is_whole(scene, &first));
    assert_false(has_object(scene, second.hash));
}

static void a_hole_in_a_kept_tree_costs_nothing_else(void **state) {
    struct scene *scene = *state;
    const struct tree first = version_take(scene, 1), second = version_take(scene, 2);
    const struct tree content = content_hash("version 1\\n");
    char line[512];
    (void)snprintf(line, sizeof line, "rm -f '%s/objects/%.2s/%s'", scene->shadow, content.hash,
                   content.hash + 2);
    shell(scene, line);
    assert_false(has_object(scene, content.hash));
    const struct tree kept[] = {first, second};
    AUTO(json_release) json_t *answer = prune(scene, kept, COUNT_OF(kept));
    assert_int_equal(json_int(answer, "missing", -1), 0);
    assert_true(has_object(scene, first.hash));
    assert_true(is_whole(scene, &second));
}

static void an_index_that_names_a_missing_content_is_made_again(void **state) {
    struct scene *scene = *state;
    const struct tree first = version_take(scene, 1);
    const struct tree content = content_hash("version 1\\n");
    char line[512];
    (void)snprintf(line, sizeof line, "rm -f '%s/objects/%.2s/%s'", scene->shadow, content.hash,
                   content.hash + 2);
    shell(scene, line);
    AUTO(json_release) json_t *answer = prune(scene, NULL, 0);
    assert_null(json_object_get(answer, "error"));
    const struct tree again = point_tree(scene, "");
    assert_string_equal(again.hash, first.hash);
    assert_true(is_whole(scene, &again));
}

static void remains_of_killed_gits_go(void **state) {
    struct scene *scene = *state;
    const struct tree first = version_take(scene, 1);
    char line[1024];
    (void)snprintf(line, sizeof line,
                   "cd '%s/objects' && mkdir -p tmp_objdir-1/aa tmp_objdir-1/pack && "
                   "touch tmp_objdir-1/aa/tmp_obj_1 tmp_objdir-1/pack/tmp_pack_2 "
                   "pack/tmp_pack_3 pack/tmp_idx_4 pack/pack-00.idx pack/pack-01.rev tmp_obj_5",
                   scene->shadow);
    shell(scene, line);
    AUTO(json_release) json_t *answer = prune(scene, &first, 1);
    assert_null(json_object_get(answer, "error"));
    assert_int_equal(count_files(scene, "! -name 'pack-*'"), 0);
    assert_int_equal(count_files(scene, "-name '*.idx'"), 1);
    assert_true(is_whole(scene, &first));
}

static void a_second_prune_changes_nothing(void **state) {
    struct scene *scene = *state;
    const struct tree first = version_take(scene, 1);
    AUTO(json_release) json_t *one = prune(scene, &first, 1);
    AUTO(json_release) json_t *other = prune(scene, &first, 1);
    assert_true(json_equal(one, other));
    assert_true(is_whole(scene, &first));
}

static void nothing_is_kept_of_an_empty_repository(void **state) {
    struct scene *scene = *state;
    const struct tree unknown = {"1111111111111111111111111111111111111111"};
    AUTO(json_release) json_t *none = prune(scene, &unknown, 1);
    assert_int_equal(json_int(none, "objects", -1), 0);
    assert_int_equal(json_int(none, "bytes", -1), 0);
    assert_int_equal(json_int(none, "missing", -1), 1);
    (void)version_take(scene, 1);
    char line[512];
    (void)snprintf(line, sizeof line, "rm -r '%s/worlds/wld_1'", scene->shadow);
    shell(scene, line);
    AUTO(json_release) json_t *empty = prune(scene, NULL, 0);
    assert_int_equal(json_int(empty, "objects", -1), 0);
    assert_int_equal(count_files(scene, ""), 0);
    const struct tree second = version_take(scene, 2);
    assert_true(is_whole(scene, &second));
}

static void an_order_without_a_list_of_trees_deletes_nothing(void **state) {
    struct scene *scene = *state;
    const struct tree first = version_take(scene, 1);
    (void)version_take(scene, 2);
    static const char *const orders[] = {
        "",
        ",\"keep\":null",
        ",\"keep\":{}",
        ",\"keep\":[\"x\"]",
        ",\"keep\":[1]",
        ",\"keep\":[\"\"]",
        ",\"keep\":[\"111111111111111111111111111111111111111g\"]"};
    for (size_t i = 0; i < COUNT_OF(orders); i++) {
        AUTO(json_release) json_t *answer = perform(scene, "prune", orders[i]);
        assert_string_equal(json_str(json_object_get(answer, "error"), "code", ""), "bad_field");
        assert_true(is_whole(scene, &first));
    }
}

/* --- Kills ------------------------------------------------------------------------------------ */

/* Whether a call of the system changes files, or is a wait for git. */
static bool is_step(uint64_t number) {
    return number == SYS_unlinkat || number == SYS_fsync || number == SYS_wait4;
}

/* Prunes in a process that is killed before its n-th step. False: it came to its end before. */
static bool prune_until(struct scene *scene, const struct tree *kept, size_t count, int steps) {
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        (void)raise(SIGSTOP);
        json_t *answer = prune(scene, kept, count);
        const json_t *error = json_object_get(answer, "error");
        (void)fprintf(stderr, "%s", json_str(error, "detail", ""));
        _exit(error == NULL ? 0 : 1);
    }
    int status = 0, seen = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSTOPPED(status));
    assert_int_equal(
        ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)),
        0);
    int signal = 0;
    while (ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(intptr_t)signal) == 0 &&
           waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
        struct __ptrace_syscall_info call;
        signal = WSTOPSIG(status) == (SIGTRAP | 0x80) ? 0 : WSTOPSIG(status);
        if (signal == 0 && ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof call, &call) > 0 &&
            call.op == PTRACE_SYSCALL_INFO_ENTRY && is_step(call.entry.nr) && ++seen == steps) {
            assert_int_equal(kill(pid, SIGKILL), 0);
            assert_int_equal(waitpid(pid, &status, 0), pid);
            break;
        }
    }
    assert_true(WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
    return WIFSIGNALED(status);
}

static void a_kill_at_any_step_loses_no_kept_object(void **state) {
    struct scene *scene = *state;
    bool killed = true;
    int steps = 0;
    put(scene, "same", "always there\n");
    struct tree kept = point_tree(scene, "");
    for (; killed; steps++) {
        assert_true(steps < 1000);
        /* Objects in a pack, loose ones, and some of both that shall go. */
        version_put(scene, "changing", 2 * steps + 1);
        const struct tree gone = point_tree(scene, "");
        version_put(scene, "changing", 2 * steps + 2);
        const struct tree next = point_tree(scene, "");
        const struct tree both[] = {kept, next};
        killed = prune_until(scene, both, COUNT_OF(both), steps + 1);
        assert_true(is_whole(scene, &kept));
        assert_true(is_whole(scene, &next));
        assert_true(killed || !has_object(scene, gone.hash));
        kept = next;
    }
    assert_true(steps > 15);
    AUTO(json_release) json_t *answer = prune(scene, &kept, 1);
    assert_int_equal(json_int(answer, "objects", 0), 3);
    assert_int_equal(count_files(scene, "-name '*.pack'"), 1);
    assert_true(is_whole(scene, &kept));
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_open, scene_close)
        TEST(kept_trees_stay_whole_and_all_others_go),
        TEST(the_next_point_builds_on_what_is_left),
        TEST(contents_of_an_index_without_a_tree_stay),
        TEST(missing_trees_are_counted_and_stop_nothing),
        TEST(a_hole_in_a_kept_tree_costs_nothing_else),
        TEST(an_index_that_names_a_missing_content_is_made_again),
        TEST(remains_of_killed_gits_go),
        TEST(a_second_prune_changes_nothing),
        TEST(nothing_is_kept_of_an_empty_repository),
        TEST(an_order_without_a_list_of_trees_deletes_nothing),
        TEST(a_kill_at_any_step_loses_no_kept_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
