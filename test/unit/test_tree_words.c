/* Commands that remove trees and branches, run by the real git: what they refuse to lose. */
#include "changes_kit.h"

#include <sys/wait.h>

#include "base/process/spawn.h"
#include "tool/tree_words.h"

/* A repository of one commit in root/main, and the tree root/tree on the branch drover/t. */
static int repository_open(void **state) {
    assert_int_equal(scene_open(state), 0);
    shell(*state, "git init -q -b trunk main && cd main && git config user.email a@example.com &&"
                  " git config user.name Ann && echo one > a && echo '*.o' > .gitignore &&"
                  " git add . && git commit -qm first && git worktree add -q -b drover/t ../tree");
    return 0;
}

/* The exit code of the job. Both texts of errors go to the file `said`. */
static int job_run(const struct scene *scene, enum tree_job job, enum tree_care care,
                   const char *branch) {
    char path[128], top[128], base[64] = "", *texts[TREE_TEXTS];
    const char *argv[64];
    AUTO(text_done) struct text spec = text_up_to(1 << 20);
    AUTO(json_release) json_t *read = NULL;
    shell(scene, "git -C main rev-list --max-parents=0 trunk > base");
    (void)snprintf(path, sizeof path, "%s/base", scene->root);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_non_null(fgets(base, sizeof base, file));
    assert_int_equal(fclose(file), 0);
    base[strcspn(base, "\n")] = '\0';
    (void)snprintf(path, sizeof path, "%s/tree", scene->root);
    (void)snprintf(top, sizeof top, "%s/main", scene->root);
    char empty[1] = "", name[64];
    (void)snprintf(name, sizeof name, "%s", branch);
    for (size_t i = 0; i < TREE_TEXTS; i++) {
        texts[i] = empty;
    }
    texts[TREE_PATH] = path;
    texts[TREE_TOP] = texts[TREE_FROM] = top;
    texts[TREE_BASE] = base;
    texts[TREE_BRANCH] = name;
    const struct tree_order order = {.texts = texts, .job = job, .care = care};
    tree_argv_write(&order, &spec);
    text_add_char(&spec, '}');
    assert_int_equal(json_parse(spec.data, spec.len, JSON_DEPTH_MAX, &read, NULL).code, ERR_NONE);
    const json_t *words = json_object_get(read, "argv");
    assert_true(json_array_size(words) < COUNT_OF(argv));
    for (size_t i = 0; i <= json_array_size(words); i++) {
        argv[i] = json_string_value(json_array_get(words, i));
    }
    AUTO(fd_release) int said = file_open(scene, "said");
    const struct spawn process = {.program = argv[0],
                                  .argv = argv,
                                  .folder = top,
                                  .fds = {SPAWN_NULL, said, said},
                                  .fd_count = 3};
    int pid = 0, status = 0;
    assert_int_equal(spawn(&process, &pid).code, ERR_NONE);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WEXITSTATUS(status);
}

static int lossless(const struct scene *scene, enum tree_job job) {
    return job_run(scene, job, TREE_LOSSLESS, "drover/t");
}

#define TREE_IS "test -d tree"
#define TREE_IS_NOT "test ! -e tree"
#define BRANCH_IS "git -C main show-ref -q --verify refs/heads/drover/t"
#define BRANCH_IS_NOT "! git -C main show-ref -q --verify refs/heads/drover/t"

static void nothing_is_lost_of_an_unchanged_tree(void **state) {
    struct scene *scene = *state;
    shell(scene, ": > tree/ignored.o");
    assert_int_equal(lossless(scene, TREE_REMOVE), 0);
    shell(scene, TREE_IS_NOT " && " BRANCH_IS);
    assert_int_equal(lossless(scene, TREE_FORGET), 0);
    shell(scene, BRANCH_IS_NOT);
    assert_int_equal(lossless(scene, TREE_FORGET), 0); /* The job may run twice. */
}

static void uncommitted_and_new_files_keep_a_tree(void **state) {
    struct scene *scene = *state;
    static const char *const works[] = {"echo 2 >> a", "echo n > 'a new one'", "rm a",
                                        "echo 2 >> a && git add a"};
    for (size_t i = 0; i < COUNT_OF(works); i++) {
        char line[256];
        (void)snprintf(line, sizeof line, "cd tree && %s", works[i]);
        shell(scene, line);
        assert_int_not_equal(lossless(scene, TREE_REMOVE), 0);
        shell(scene, TREE_IS " && " BRANCH_IS " && grep -q fatal said");
        shell(scene, "cd tree && git reset -q --hard && git clean -qfd");
    }
    assert_int_equal(lossless(scene, TREE_REMOVE), 0);
}

static void commits_keep_tree_and_branch_until_they_are_elsewhere(void **state) {
    struct scene *scene = *state;
    shell(scene, "cd tree && git commit -q --allow-empty -m mine");
    assert_int_not_equal(lossless(scene, TREE_REMOVE), 0);
    shell(scene, TREE_IS " && grep -q '1 commits are on no other branch' said");
    shell(scene, "cd main && git merge -q --ff-only drover/t");
    assert_int_equal(lossless(scene, TREE_REMOVE), 0);
    shell(scene, "cd main && git reset -q --hard HEAD~");
    assert_int_not_equal(lossless(scene, TREE_FORGET), 0);
    shell(scene, TREE_IS_NOT " && " BRANCH_IS);
    shell(scene, "cd main && git tag kept drover/t");
    assert_int_equal(lossless(scene, TREE_FORGET), 0);
    shell(scene, BRANCH_IS_NOT);
}

static void commits_of_a_detached_head_keep_a_tree(void **state) {
    struct scene *scene = *state;
    shell(scene, "cd tree && git checkout -q --detach && git commit -q --allow-empty -m away");
    assert_int_not_equal(lossless(scene, TREE_REMOVE), 0);
    assert_int_not_equal(job_run(scene, TREE_REMOVE, TREE_LOSSLESS, ""), 0);
    shell(scene, "cd tree && git branch saved");
    assert_int_equal(job_run(scene, TREE_REMOVE, TREE_LOSSLESS, ""), 0);
    shell(scene, TREE_IS_NOT);
}

static void a_branch_that_a_person_has_checked_out_stays(void **state) {
    struct scene *scene = *state;
    static const enum tree_care cares[] = {TREE_UNCHANGED, TREE_LOSSLESS, TREE_ANYHOW};
    assert_int_equal(lossless(scene, TREE_REMOVE), 0);
    shell(scene, "cd main && git checkout -q drover/t");
    for (size_t i = 0; i < COUNT_OF(cares); i++) {
        assert_int_not_equal(job_run(scene, TREE_FORGET, cares[i], "drover/t"), 0);
        shell(scene, BRANCH_IS " && grep -q 'fatal: its branch is checked out in .*/main' said");
    }
    shell(scene, "cd main && git checkout -q trunk");
    assert_int_equal(job_run(scene, TREE_FORGET, TREE_UNCHANGED, "drover/t"), 0);
    shell(scene, BRANCH_IS_NOT);
}

static void the_branch_of_a_tree_that_somebody_removed_goes(void **state) {
    struct scene *scene = *state;
    shell(scene, "rm -rf tree"); /* Git still knows of it. */
    assert_int_equal(lossless(scene, TREE_FORGET), 0);
    shell(scene, BRANCH_IS_NOT);
}

static void force_removes_all_of_it(void **state) {
    struct scene *scene = *state;
    shell(scene, "cd tree && git commit -q --allow-empty -m mine && echo 2 >> a && : > new &&"
                 " git worktree lock .");
    assert_int_equal(job_run(scene, TREE_REMOVE, TREE_ANYHOW, "drover/t"), 0);
    assert_int_equal(job_run(scene, TREE_FORGET, TREE_ANYHOW, "drover/t"), 0);
    shell(scene, TREE_IS_NOT " && " BRANCH_IS_NOT);
    assert_int_equal(job_run(scene, TREE_FORGET, TREE_ANYHOW, "drover/t"), 0);
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, repository_open, scene_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE(nothing_is_lost_of_an_unchanged_tree),
        SCENE(uncommitted_and_new_files_keep_a_tree),
        SCENE(commits_keep_tree_and_branch_until_they_are_elsewhere),
        SCENE(commits_of_a_detached_head_keep_a_tree),
        SCENE(a_branch_that_a_person_has_checked_out_stays),
        SCENE(the_branch_of_a_tree_that_somebody_removed_goes),
        SCENE(force_removes_all_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
