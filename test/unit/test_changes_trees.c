/* Looks at working trees with the real git: what they hold, and what a removal would lose. */
#include "changes_kit.h"

#include "tool/changes/tree_report.h"

/* A repository of one commit in root/main, and the tree root/tree on the branch drover/t. */
static void setup_tree(const struct scene *scene) {
    shell(scene, "git init -q -b trunk main && cd main && git config user.email a@example.com &&"
                 " git config user.name Ann && printf 'one\\ntwo\\n' > a && printf 'x\\n' > b &&"
                 " printf '*.o\\n' > .gitignore && git add . && git commit -qm first &&"
                 " git worktree add -q -b drover/t ../tree && git rev-parse HEAD > ../base");
}

struct line {
    char text[256];
};

static struct line line_of(const struct scene *scene, const char *name) {
    struct line line = {""};
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", scene->root, name);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_non_null(fgets(line.text, sizeof line.text, file));
    assert_int_equal(fclose(file), 0);
    line.text[strcspn(line.text, "\n")] = '\0';
    return line;
}

static void tree_add(const struct scene *scene, const char *name, const char *base,
                     const char *branch, struct text *order) {
    text_add_str(order, order->len > 0 ? "," : "");
    text_addf(order,
              "{\"tree\":\"%s\",\"path\":\"%s/%s\",\"top\":\"%s/main\",\"git\":\"%s/main/.git\","
              "\"base\":\"%s\",\"branch\":\"%s\"}",
              name, scene->root, name, scene->root, scene->root, base, branch);
}

static json_t *trees_look(struct scene *scene, const struct text *trees) {
    AUTO(text_done) struct text order = text_up_to(CHANGES_ORDER_MAX);
    text_addf(&order, ",\"scratch\":\"%s/data/looks\",\"lost\":true,\"trees\":[%s]", scene->folder,
              trees->data);
    json_t *answer = perform(scene, "trees", order.data);
    const json_t *error = json_object_get(answer, "error");
    assert_string_equal(json_str(error, "detail", ""), "");
    return answer;
}

/* The look at one tree; the answer is the caller's. */
static json_t *look(struct scene *scene, const char *branch) {
    const struct line base = line_of(scene, "base");
    AUTO(text_done) struct text order = text_up_to(CHANGES_ORDER_MAX);
    tree_add(scene, "tree", base.text, branch, &order);
    AUTO(json_release) json_t *answer = trees_look(scene, &order);
    json_t *row = json_incref(json_array_get(json_object_get(answer, "trees"), 0));
    assert_string_equal(json_str(row, "tree", ""), "tree");
    return row;
}

/* "whole 2+3-1 uncommitted 1 commits 0 lost a,b/c," */
static void assert_look(struct scene *scene, const char *branch, const char *wanted) {
    AUTO(json_release) json_t *row = look(scene, branch);
    AUTO(text_done) struct text found = text_up_to(CHANGES_ANSWER_MAX);
    const json_t *lost = json_object_get(row, "lost"), *value = NULL;
    size_t at = 0;
    text_addf(&found, "%s %d+%d-%d uncommitted %d commits %d lost ", json_str(row, "state", "?"),
              (int)json_int(row, "files", -1), (int)json_int(row, "added", -1),
              (int)json_int(row, "removed", -1), (int)json_int(row, "uncommitted", -1),
              (int)json_int(row, "commits", -1));
    json_array_foreach(json_object_get(lost, "files"), at, value) {
        text_addf(&found, "%s,", json_string_value(value));
    }
    json_array_foreach(json_object_get(lost, "commits"), at, value) {
        assert_int_equal(strlen(json_str(value, "commit", "")), 40);
        text_addf(&found, "<%s>", json_str(value, "subject", "?"));
    }
    assert_string_equal(found.data, wanted);
}

static void a_fresh_tree_holds_nothing(void **state) {
    struct scene *scene = *state;
    setup_tree(scene);
    assert_look(scene, "drover/t", "whole 0+0-0 uncommitted 0 commits 0 lost ");
    AUTO(json_release) json_t *row = look(scene, "drover/t");
    assert_true(json_int(row, "bytes", 0) > 0);
    assert_true(json_int(row, "newest_ms", 0) > INT64_C(1500000000000));
    assert_true(json_is_null(json_object_get(row, "detail")));
}

static void changed_new_and_deleted_files_are_counted_and_named(void **state) {
    struct scene *scene = *state;
    setup_tree(scene);
    shell(scene, "cd tree && printf 'one\\n2\\n3\\n' > a && rm b && mkdir 'd e' &&"
                 " printf 'n' > 'd e/new' && : > empty && ln -s a link && : > built.o");
    assert_look(scene, "drover/t",
                "whole 5+4-2 uncommitted 5 commits 0 lost a,b,d e/new,empty,link,");
}

static void a_change_of_the_same_length_in_the_same_second_is_seen(void **state) {
    struct scene *scene = *state;
    setup_tree(scene);
    shell(scene, "cd tree && touch -r a when && printf 'one\\n2wo\\n' > a && touch -r when a &&"
                 " rm when && touch -r a ../main/.git/worktrees/tree/index");
    assert_look(scene, "drover/t", "whole 1+1-1 uncommitted 1 commits 0 lost a,");
}

static void what_stands_in_the_index_alone_is_uncommitted(void **state) {
    struct scene *scene = *state;
    setup_tree(scene);
    shell(scene, "cd tree && cp a keep.o && printf 'staged\\n' > a && git add a && cp keep.o a");
    assert_look(scene, "drover/t", "whole 0+0-0 uncommitted 1 commits 0 lost a,");
}

static void commits_are_lost_until_another_branch_remote_or_tag_has_them(void **state) {
    struct scene *scene = *state;
    static const char *const elsewhere[] = {"git branch other drover/t", "git tag v1 drover/t",
                                            "git update-ref refs/remotes/o/x drover/t"};
    static const char *const nowhere[] = {"git branch -qD other", "git tag -d v1 > /dev/null",
                                          "git update-ref -d refs/remotes/o/x"};
    setup_tree(scene);
    shell(scene, "cd tree && echo 3 >> a && git commit -qam 'Add three' && git commit -qm second"
                 " --allow-empty");
    for (size_t i = 0; i < COUNT_OF(elsewhere); i++) {
        char command[128];
        assert_look(scene, "drover/t",
                    "whole 1+1-0 uncommitted 0 commits 2 lost <second><Add three>");
        (void)snprintf(command, sizeof command, "cd main && %s", elsewhere[i]);
        shell(scene, command);
        assert_look(scene, "drover/t", "whole 1+1-0 uncommitted 0 commits 0 lost ");
        (void)snprintf(command, sizeof command, "cd main && %s", nowhere[i]);
        shell(scene, command);
    }
    shell(scene, "cd main && git merge -q --no-edit drover/t");
    assert_look(scene, "drover/t", "whole 1+1-0 uncommitted 0 commits 0 lost ");
}

static void commits_of_a_detached_head_are_lost(void **state) {
    struct scene *scene = *state;
    setup_tree(scene);
    shell(scene, "cd tree && git checkout -q --detach && echo 3 >> a && git commit -qam away");
    assert_look(scene, "drover/t", "whole 1+1-0 uncommitted 0 commits 1 lost <away>");
    /* A tree on no branch of its own. */
    assert_look(scene, "", "whole 1+1-0 uncommitted 0 commits 1 lost <away>");
}

static void a_branch_that_the_agent_made_stays_and_its_commits_with_it(void **state) {
    struct scene *scene = *state;
    setup_tree(scene);
    shell(scene, "cd tree && git commit -q --allow-empty -m mine && git checkout -q -b own HEAD~ &&"
                 " git commit -q --allow-empty -m other && echo 3 >> b");
    assert_look(scene, "drover/t", "whole 1+1-0 uncommitted 1 commits 1 lost b,<mine>");
}

static void a_branch_without_a_commit_is_compared_with_the_base(void **state) {
    struct scene *scene = *state;
    setup_tree(scene);
    shell(scene, "cd tree && git checkout -q --orphan none");
    assert_look(scene, "drover/t", "whole 0+0-0 uncommitted 0 commits 0 lost ");
    shell(scene, "cd tree && echo 3 >> a");
    assert_look(scene, "drover/t", "whole 1+1-0 uncommitted 1 commits 0 lost a,");
}

static void files_of_a_merge_in_conflict_are_shown_once(void **state) {
    struct scene *scene = *state;
    setup_tree(scene);
    shell(scene, "cd tree && printf 'ours\\n' > a && git commit -qam ours && git checkout -q -b"
                 " side HEAD~ && printf 'theirs\\n' > a && git commit -qam theirs && git checkout"
                 " -q drover/t && (git merge side > /dev/null || true)");
    AUTO(json_release) json_t *row = look(scene, "drover/t");
    assert_string_equal(json_str(row, "detail", ""), "");
    assert_string_equal(json_str(row, "state", ""), "whole");
    assert_int_equal(json_int(row, "files", 0), 1);
    assert_int_equal(json_int(row, "uncommitted", 0), 1);
    assert_int_equal(json_int(row, "commits", 0), 1);
}

static void a_repository_within_is_named_as_one_file(void **state) {
    struct scene *scene = *state;
    setup_tree(scene);
    shell(scene, "cd tree && git init -q inner && : > inner/file");
    assert_look(scene, "drover/t", "whole 1+0-0 uncommitted 1 commits 0 lost inner/,");
}

static void a_tree_that_is_gone_may_still_lose_the_commits_of_its_branch(void **state) {
    struct scene *scene = *state;
    setup_tree(scene);
    shell(scene, "cd tree && git commit -q --allow-empty -m kept && cd .. && rm -rf tree");
    assert_look(scene, "drover/t", "none 0+0-0 uncommitted 0 commits 1 lost <kept>");
    shell(scene, "cd main && git worktree prune && git branch -qD drover/t");
    assert_look(scene, "drover/t", "none 0+0-0 uncommitted 0 commits 0 lost ");
}

static void one_bad_tree_spoils_no_other(void **state) {
    struct scene *scene = *state;
    static const char *const names[] = {"absent", "file", "foreign", "broken", "tree"};
    static const char *const wanted[] = {"none", "strange", "half", "strange", "whole"};
    setup_tree(scene);
    shell(scene, ": > file && mkdir foreign && : > foreign/x && cd main && git worktree add -q"
                 " --detach ../broken && echo damage > .git/worktrees/broken/index && cd ../tree &&"
                 " : > new");
    const struct line base = line_of(scene, "base");
    AUTO(text_done) struct text order = text_up_to(CHANGES_ORDER_MAX);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        tree_add(scene, names[i], base.text, "", &order);
    }
    AUTO(json_release) json_t *answer = trees_look(scene, &order);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const json_t *row = json_array_get(json_object_get(answer, "trees"), i);
        assert_string_equal(json_str(row, "tree", ""), names[i]);
        assert_string_equal(json_str(row, "state", ""), wanted[i]);
        assert_int_equal(json_int(row, "uncommitted", -1), i == 4);
        assert_int_equal(json_is_null(json_object_get(row, "detail")), i != 1 && i != 3);
    }
}

static void a_git_folder_that_is_the_agents_own_is_not_believed(void **state) {
    struct scene *scene = *state;
    setup_tree(scene);
    shell(scene, "git init -q other && cd other && git config filter.x.clean 'touch ../../ran;cat'"
                 " && cd .. && cp -r main/.git/worktrees/tree other/.git/inner &&"
                 " echo \"gitdir: $PWD/other/.git/inner\" > tree/.git && echo '* filter=x' >"
                 " tree/.gitattributes");
    AUTO(json_release) json_t *row = look(scene, "drover/t");
    assert_string_equal(json_str(row, "state", ""), "strange");
    assert_non_null(strstr(json_str(row, "detail", ""), "something else"));
    shell(scene, "test ! -e ../ran");
}

static void settings_that_a_tree_has_of_its_own_run_no_program(void **state) {
    struct scene *scene = *state;
    setup_tree(scene);
    shell(scene, "cd main && git config extensions.worktreeConfig true && printf"
                 " '[filter \"x\"]\\n clean = touch ../../ran; cat\\n[core]\\n fsmonitor = touch"
                 " ../../ran\\n' > .git/worktrees/tree/config.worktree && cd ../tree && echo"
                 " '* filter=x' > .gitattributes && echo 3 >> a");
    assert_look(scene, "drover/t", "whole 2+2-0 uncommitted 2 commits 0 lost .gitattributes,a,");
    shell(scene, "test ! -e ../ran");
}

static void a_look_writes_nothing_in_the_repository(void **state) {
    struct scene *scene = *state;
    setup_tree(scene);
    shell(scene, "cd tree && echo 3 >> a && echo new > n && git add -N n && echo 4 > m &&"
                 " cd .. && find main tree -type f -exec sha256sum {} + | sort > before");
    assert_look(scene, "drover/t", "whole 3+3-0 uncommitted 3 commits 0 lost a,m,n,");
    shell(scene, "find main tree -type f -exec sha256sum {} + | sort | cmp - before");
    shell(scene, "test -z \"$(ls ../data/looks)\"");
}

/* The diff, which `git apply` makes the same files of in another tree. */
static json_t *diff_order(struct scene *scene, const char *more) {
    const struct line base = line_of(scene, "base");
    AUTO(text_done) struct text order = text_up_to(CHANGES_ORDER_MAX);
    AUTO(text_done) struct text tree = text_up_to(CHANGES_ORDER_MAX);
    tree_add(scene, "tree", base.text, "drover/t", &tree);
    text_addf(&order, ",\"scratch\":\"%s/data/looks\",\"tree\":%s%s", scene->folder, tree.data,
              more);
    return perform(scene, "tree_diff", order.data);
}

static void the_diff_makes_another_tree_the_same(void **state) {
    struct scene *scene = *state;
    setup_tree(scene);
    shell(scene,
          "cd main && git config diff.noprefix true && git config diff.mnemonicPrefix true"
          " && git config diff.external false && git config color.diff always && cd ../tree"
          " && echo committed >> a && git commit -qam c && printf 'two' >> a && rm b && mkdir"
          " 'd e' && printf '\\0\\1\\2' > 'd e/bin' && : > empty && ln -s a link && echo s >"
          " run.sh && chmod +x run.sh && printf 'q' > 'a\"b' && : > built.o");
    AUTO(json_release) json_t *answer = diff_order(scene, "");
    assert_int_equal(json_int(answer, "bytes", 0), scene->body.len);
    AUTO(fd_release) int fd = file_open(scene, "diff");
    assert_int_equal(write(fd, scene->body.data, scene->body.len), scene->body.len);
    shell(scene, "cd main && git apply ../diff && rm ../tree/built.o && diff -r --no-dereference"
                 " -x .git . ../tree && test -x run.sh && test -L link");
}

static void the_diff_of_a_path_and_one_that_is_too_long(void **state) {
    struct scene *scene = *state;
    setup_tree(scene);
    shell(scene, "cd tree && echo 3 >> a && echo new > n");
    AUTO(json_release) json_t *one = diff_order(scene, ",\"paths\":[\"n\"]");
    assert_non_null(one);
    assert_non_null(strstr(scene->body.data, "+new"));
    assert_null(strstr(scene->body.data, "+3"));
    AUTO(json_release) json_t *cut = diff_order(scene, ",\"bytes_max\":300");
    assert_true(json_is_true(json_object_get(cut, "cut")));
    assert_non_null(strstr(scene->body.data, "+3"));
    shell(scene, "rm -rf tree");
    AUTO(json_release) json_t *gone = diff_order(scene, "");
    assert_string_equal(json_str(json_object_get(gone, "error"), "code", ""), "gone");
}

static void bad_orders_are_refused(void **state) {
    struct scene *scene = *state;
    static const char *const orders[] = {
        ",\"scratch\":\"/tmp/x\"", ",\"scratch\":\"/tmp/x\",\"trees\":[{}]",
        ",\"trees\":[{\"path\":\"/x\",\"top\":\"/y\"}]",
        ",\"scratch\":\"/tmp/x\",\"trees\":[{\"path\":\"/x\",\"top\":\"/y\",\"base\":\"--all\"}]"};
    for (size_t i = 0; i < COUNT_OF(orders); i++) {
        AUTO(json_release) json_t *answer = perform(scene, "trees", orders[i]);
        assert_string_equal(json_str(json_object_get(answer, "error"), "code", ""), "bad_field");
    }
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, scene_open, scene_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE(a_fresh_tree_holds_nothing),
        SCENE(changed_new_and_deleted_files_are_counted_and_named),
        SCENE(a_change_of_the_same_length_in_the_same_second_is_seen),
        SCENE(what_stands_in_the_index_alone_is_uncommitted),
        SCENE(commits_are_lost_until_another_branch_remote_or_tag_has_them),
        SCENE(commits_of_a_detached_head_are_lost),
        SCENE(a_branch_that_the_agent_made_stays_and_its_commits_with_it),
        SCENE(a_branch_without_a_commit_is_compared_with_the_base),
        SCENE(files_of_a_merge_in_conflict_are_shown_once),
        SCENE(a_repository_within_is_named_as_one_file),
        SCENE(a_tree_that_is_gone_may_still_lose_the_commits_of_its_branch),
        SCENE(one_bad_tree_spoils_no_other),
        SCENE(a_git_folder_that_is_the_agents_own_is_not_believed),
        SCENE(settings_that_a_tree_has_of_its_own_run_no_program),
        SCENE(a_look_writes_nothing_in_the_repository),
        SCENE(the_diff_makes_another_tree_the_same),
        SCENE(the_diff_of_a_path_and_one_that_is_too_long),
        SCENE(bad_orders_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
