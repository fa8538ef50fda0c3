/* Where working trees of agents stand, and what of git's files says that one is whole. */
#include "tool/git.h"

#include "tool_kit.h"

static const char commit[] = "0123456789abcdef0123456789abcdef01234567";

struct scene {
    char folder[64];
    bool held;
    struct worktree found;
    struct why why;
};

static void path_of(const struct scene *scene, const char *name, char *into) {
    (void)snprintf(into, LIMIT_PATH_MAX, "%s%s%s", scene->folder, name[0] == '\0' ? "" : "/", name);
}

static void make(const struct scene *scene, const char *name) {
    char path[LIMIT_PATH_MAX];
    path_of(scene, name, path);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void put(const struct scene *scene, const char *name, const char *text) {
    char path[LIMIT_PATH_MAX];
    path_of(scene, name, path);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int open_scene(void **state) {
    struct scene *scene = mem_new(sizeof *scene);
    (void)snprintf(scene->folder, sizeof scene->folder, "/tmp/drv-unit-XXXXXX");
    assert_non_null(mkdtemp(scene->folder));
    make(scene, "p");
    make(scene, "p/sub");
    *state = scene;
    return 0;
}

static int close_scene(void **state) {
    struct scene *scene = *state;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", scene->folder);
    assert_int_equal(system(command), 0);
    mem_free(scene);
    return 0;
}

static enum err_code find(struct scene *scene, const char *root, const char *closed) {
    char path[LIMIT_PATH_MAX], shut[LIMIT_PATH_MAX];
    path_of(scene, root, path);
    path_of(scene, closed, shut);
    scene->why.text[0] = '\0';
    const struct worktree_place place = {
        .root = path, .run = "run_x", .closed = closed[0] == '\0' ? "" : shut, .held = scene->held};
    return worktree_find(&place, &scene->found, &scene->why).code;
}

static void assert_path(const struct scene *scene, const char *path, const char *name) {
    char wanted[LIMIT_PATH_MAX];
    path_of(scene, name, wanted);
    assert_string_equal(path, wanted);
}

static void a_tree_stands_in_the_repository_that_the_root_lies_in(void **state) {
    struct scene *scene = *state;
    assert_int_equal(find(scene, "p/sub", ""), ERR_NOT_FOUND);
    assert_non_null(strstr(scene->why.text, "not in a git repository"));
    put(scene, "p/.git", "gitdir: ../elsewhere\n"); /* As of a submodule. */
    assert_int_equal(find(scene, "p/sub", ""), ERR_NONE);
    assert_string_equal(scene->found.git, "");
    char file[LIMIT_PATH_MAX];
    path_of(scene, "p/.git", file);
    assert_int_equal(unlink(file), 0);
    make(scene, "p/.git");
    for (int i = 0; i < 2; i++) { /* What stands above it may be there. */
        assert_int_equal(find(scene, "p/sub", ""), ERR_NONE);
    }
    assert_path(scene, scene->found.top, "p");
    assert_path(scene, scene->found.from, "p");
    assert_path(scene, scene->found.git, "p/.git");
    assert_path(scene, scene->found.path, "p/.drover/worktrees/run_x");
    assert_path(scene, scene->found.root, "p/.drover/worktrees/run_x/sub");
    assert_int_equal(find(scene, "p", ""), ERR_NONE);
    assert_path(scene, scene->found.root, "p/.drover/worktrees/run_x");
    assert_int_equal(find(scene, "p", "p/.drover"), ERR_FORBIDDEN);
    assert_int_equal(find(scene, "nowhere", ""), ERR_NOT_FOUND);
}

static void one_of_a_second_tree_stands_beside_the_first(void **state) {
    struct scene *scene = *state;
    char line[LIMIT_PATH_MAX + 16];
    make(scene, "first");
    make(scene, "first/.git");
    make(scene, "first/.git/worktrees");
    make(scene, "first/.git/worktrees/p");
    (void)snprintf(line, sizeof line, "gitdir: %s/first/.git/worktrees/p\n", scene->folder);
    put(scene, "p/.git", line);
    assert_int_equal(find(scene, "p/sub", ""), ERR_NONE);
    assert_path(scene, scene->found.top, "first");
    assert_path(scene, scene->found.git, "first/.git");
    assert_path(scene, scene->found.from, "p");
    assert_path(scene, scene->found.root, "first/.drover/worktrees/run_x/sub");
    put(scene, "p/.git", "gitdir: /nowhere/.git/worktrees/p\n");
    assert_int_equal(find(scene, "p", ""), ERR_NONE);
    assert_path(scene, scene->found.top, "p");
}

static void none_is_made_where_git_cannot_be_held(void **state) {
    struct scene *scene = *state;
    make(scene, "p/.git");
    assert_int_equal(find(scene, "p/sub", "p/data"), ERR_NONE);
    scene->held = true;
    assert_int_equal(find(scene, "p/sub", "p/data"), ERR_FORBIDDEN);
    assert_non_null(strstr(scene->why.text, "drover's data directory is inside the repository"));
    assert_int_equal(find(scene, "p/sub", "other"), ERR_NONE);
}

static void kept_trees_are_bounded_in_number(void **state) {
    struct scene *scene = *state;
    make(scene, "p/.git");
    make(scene, "p/.drover");
    make(scene, "p/.drover/worktrees");
    for (int i = 1; i < WORKTREES_MAX; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "p/.drover/worktrees/run_%d", i);
        make(scene, name);
    }
    assert_int_equal(find(scene, "p", ""), ERR_NONE);
    make(scene, "p/.drover/worktrees/run_last");
    assert_int_equal(find(scene, "p", ""), ERR_FORBIDDEN);
    assert_non_null(strstr(scene->why.text, "has 1000 working trees"));
    make(scene, "p/.drover/worktrees/run_x"); /* Its own is no further one. */
    assert_int_equal(find(scene, "p", ""), ERR_NONE);
}

static void nothing_is_made_through_a_link(void **state) {
    struct scene *scene = *state;
    char away[LIMIT_PATH_MAX], link[LIMIT_PATH_MAX];
    make(scene, "p/.git");
    make(scene, "away");
    path_of(scene, "away", away);
    path_of(scene, "p/.drover", link);
    assert_int_equal(symlink(away, link), 0);
    assert_int_equal(find(scene, "p", ""), ERR_FORBIDDEN);
    assert_int_equal(unlink(link), 0);
    make(scene, "p/.drover");
    path_of(scene, "p/.drover/worktrees", link);
    assert_int_equal(symlink(away, link), 0);
    assert_int_equal(find(scene, "p", ""), ERR_FORBIDDEN);
    assert_int_equal(unlink(link), 0);
    make(scene, "p/.drover/worktrees");
    path_of(scene, "away/ignored", away);
    path_of(scene, "p/.drover/worktrees/.gitignore", link);
    assert_int_equal(symlink(away, link), 0);
    assert_int_equal(find(scene, "p", ""), ERR_FORBIDDEN);
    assert_int_not_equal(access(away, F_OK), 0);
}

static struct worktree_look look(const struct scene *scene, const char *name) {
    char path[LIMIT_PATH_MAX];
    path_of(scene, name, path);
    return worktree_look(path);
}

static void a_tree_is_whole_when_git_has_come_to_its_end(void **state) {
    struct scene *scene = *state;
    char line[LIMIT_PATH_MAX + 16], lock[LIMIT_PATH_MAX];
    assert_int_equal(look(scene, "t").state, WORKTREE_NONE);
    make(scene, "t");
    assert_int_equal(look(scene, "t").state, WORKTREE_HALF);
    (void)snprintf(line, sizeof line, "gitdir: %s/inner\n", scene->folder);
    put(scene, "t/.git", line);
    assert_int_equal(look(scene, "t").state, WORKTREE_HALF);
    make(scene, "inner");
    put(scene, "inner/locked", "initializing\n");
    put(scene, "inner/HEAD", commit);
    assert_int_equal(look(scene, "t").state, WORKTREE_HALF);
    path_of(scene, "inner/locked", lock);
    assert_int_equal(unlink(lock), 0);
    struct worktree_look whole = look(scene, "t");
    assert_int_equal(whole.state, WORKTREE_WHOLE);
    assert_string_equal(whole.head, commit);
    put(scene, "inner/HEAD", "ref: refs/heads/main\n");
    whole = look(scene, "t");
    assert_int_equal(whole.state, WORKTREE_WHOLE);
    assert_string_equal(whole.head, "");
    put(scene, "t/.git", "gitdir: ../inner\n");
    assert_int_equal(look(scene, "t").state, WORKTREE_WHOLE);
}

static void a_path_may_hold_a_line_feed(void **state) {
    struct scene *scene = *state;
    char line[LIMIT_PATH_MAX + 16];
    make(scene, "t");
    make(scene, "in\nner");
    (void)snprintf(line, sizeof line, "gitdir: %s/in\nner\n", scene->folder);
    put(scene, "t/.git", line);
    put(scene, "in\nner/HEAD", commit);
    assert_int_equal(look(scene, "t").state, WORKTREE_WHOLE);
}

static void what_is_no_folder_is_strange(void **state) {
    struct scene *scene = *state;
    char away[LIMIT_PATH_MAX], link[LIMIT_PATH_MAX];
    put(scene, "t", "a file");
    assert_int_equal(look(scene, "t").state, WORKTREE_STRANGE);
    path_of(scene, "p", away);
    path_of(scene, "l", link);
    assert_int_equal(symlink(away, link), 0);
    assert_int_equal(look(scene, "l").state, WORKTREE_STRANGE);
}

int main(void) {
#define SCENE_TEST(test) cmocka_unit_test_setup_teardown(test, open_scene, close_scene)
    const struct CMUnitTest tests[] = {
        SCENE_TEST(a_tree_stands_in_the_repository_that_the_root_lies_in),
        SCENE_TEST(one_of_a_second_tree_stands_beside_the_first),
        SCENE_TEST(none_is_made_where_git_cannot_be_held),
        SCENE_TEST(kept_trees_are_bounded_in_number),
        SCENE_TEST(nothing_is_made_through_a_link),
        SCENE_TEST(a_tree_is_whole_when_git_has_come_to_its_end),
        SCENE_TEST(a_path_may_hold_a_line_feed),
        SCENE_TEST(what_is_no_folder_is_strange),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
