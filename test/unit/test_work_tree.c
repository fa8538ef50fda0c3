/* The working tree of an agent, from job to job. The test has the disk, the store and the jobs. */
#include "dispatch/base/work_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"

static const char commit[] = "0123456789012345678901234567890123456789";
static const char other_commit[] = "9876543210987654321098765432109876543210";

struct bench {
    struct run_waits waits;
    struct work_tree tree;
    unsigned looks, begins, ends;
};

void __wrap_store_read(struct store *store, store_fn fn, store_done done, void *ctx);
void __wrap_store_read(struct store *store, store_fn fn, store_done done, void *ctx) {
    /* Rows of jobs are not read here: their notes come. */
}

static void on_look(struct work_tree *tree) {
    CONTAINER_OF(tree, struct bench, tree)->looks++;
}

static void on_begin(struct work_tree *tree) {
    CONTAINER_OF(tree, struct bench, tree)->begins++;
}

static void on_done(struct work_tree *tree) {
    CONTAINER_OF(tree, struct bench, tree)->ends++;
}

static int open_bench(void **state) {
    static const struct work_tree_owner owner = {
        .look = on_look, .begin = on_begin, .done = on_done};
    struct bench *bench = mem_new(sizeof *bench);
    run_waits_init(&bench->waits, &(struct asker){.pause_ms = 1});
    work_tree_init(&bench->tree, &owner, &bench->waits);
    work_tree_set_text(&bench->tree, TREE_PATH, "/p/.drover/worktrees/run_1");
    *state = bench;
    return 0;
}

static int close_bench(void **state) {
    struct bench *bench = *state;
    work_tree_done(&bench->tree);
    table_done(&bench->waits.table);
    mem_free(bench);
    return 0;
}

/* The pool has looked, at a tree at that commit. */
static void look(struct bench *bench, enum worktree_state state, const char *head) {
    struct work_tree *tree = &bench->tree;
    assert_int_equal(tree->state, TREE_LOOKING);
    tree->look = (struct worktree_look){.state = state};
    memcpy(tree->look.head, head, strlen(head));
    work_tree_looked(tree);
}

/* The store has begun the job, or has found one; none: there is none. */
static void begun(struct bench *bench, const struct step_job *job) {
    work_tree_begun(&bench->tree, job);
}

static void job_ends(struct bench *bench, enum tree_job job, enum run_state state) {
    const struct step_job own = {.run = {"run_job"}};
    const struct run_row row = {.run = BYTES("run_job"), .state = state, .attempt = 1};
    assert_int_equal(bench->tree.state, TREE_BEGINNING);
    assert_int_equal(bench->tree.job, job);
    begun(bench, &own);
    assert_int_equal(bench->tree.state, TREE_WAITING);
    run_waits_note(&bench->waits, &row);
}

static void search_none(struct bench *bench) {
    const struct step_job none = {.run = {""}};
    work_tree_search(&bench->tree, TREE_MAKE);
    assert_int_equal(bench->tree.job, TREE_NO_JOB);
    begun(bench, &none);
}

static void assert_end(const struct bench *bench, enum work_tree_end end) {
    assert_int_equal(bench->ends, 1);
    assert_int_equal(bench->tree.end, end);
    assert_int_equal(bench->tree.state, TREE_RESTING);
}

static void a_tree_on_no_branch_begins_at_the_commit_that_it_stands_at(void **state) {
    struct bench *bench = *state;
    search_none(bench);
    look(bench, WORKTREE_NONE, "");
    job_ends(bench, TREE_ADD, RUN_SUCCEEDED);
    look(bench, WORKTREE_WHOLE, commit);
    assert_end(bench, TREE_READY);
    assert_string_equal(bench->tree.texts[TREE_BASE], commit);
}

static void git_names_the_commit_before_it_makes_a_tree_on_a_branch(void **state) {
    struct bench *bench = *state;
    work_tree_set_text(&bench->tree, TREE_BRANCH, "drover/T-1");
    search_none(bench);
    look(bench, WORKTREE_NONE, "");
    job_ends(bench, TREE_HEAD, RUN_SUCCEEDED);
    memcpy(bench->tree.head, commit, sizeof commit); /* As it was printed. */
    look(bench, WORKTREE_NONE, "");
    assert_string_equal(bench->tree.texts[TREE_BASE], commit);
    job_ends(bench, TREE_ADD, RUN_SUCCEEDED);
    look(bench, WORKTREE_WHOLE, "");
    assert_end(bench, TREE_READY);
}

static void half_a_tree_is_wiped_twice_and_then_refused(void **state) {
    struct bench *bench = *state;
    search_none(bench);
    for (int i = 0; i < 2; i++) {
        look(bench, WORKTREE_HALF, "");
        job_ends(bench, TREE_WIPE, RUN_SUCCEEDED);
    }
    look(bench, WORKTREE_HALF, "");
    assert_end(bench, TREE_REFUSED);
    assert_string_equal(bench->tree.why.text, "git made no working tree");
}

static void half_a_tree_that_an_agent_was_in_is_not_wiped(void **state) {
    struct bench *bench = *state;
    work_tree_set_text(&bench->tree, TREE_BASE, commit);
    search_none(bench);
    look(bench, WORKTREE_HALF, "");
    assert_end(bench, TREE_REFUSED);
    assert_int_equal(bench->begins, 1); /* The search alone. */
}

static void a_job_of_an_earlier_daemon_is_waited_for(void **state) {
    struct bench *bench = *state;
    const struct step_job found = {.run = {"run_job"}, .found = true};
    const struct run_row row = {.run = BYTES("run_job"), .state = RUN_SUCCEEDED, .attempt = 1};
    work_tree_search(&bench->tree, TREE_MAKE);
    begun(bench, &found);
    assert_int_equal(bench->looks, 0);
    run_waits_note(&bench->waits, &row);
    look(bench, WORKTREE_WHOLE, commit);
    assert_end(bench, TREE_READY);
    assert_int_equal(bench->begins, 1);
}

static void a_tree_that_was_left_as_it_began_is_removed(void **state) {
    struct bench *bench = *state;
    work_tree_set_text(&bench->tree, TREE_BASE, commit);
    work_tree_begin(&bench->tree, TREE_LEAVE);
    look(bench, WORKTREE_WHOLE, commit);
    job_ends(bench, TREE_REMOVE, RUN_SUCCEEDED);
    look(bench, WORKTREE_NONE, "");
    assert_end(bench, TREE_ABSENT);
}

static void a_tree_that_git_does_not_remove_stays(void **state) {
    struct bench *bench = *state;
    work_tree_set_text(&bench->tree, TREE_BASE, commit);
    work_tree_begin(&bench->tree, TREE_LEAVE);
    look(bench, WORKTREE_WHOLE, commit);
    job_ends(bench, TREE_REMOVE, RUN_FAILED);
    look(bench, WORKTREE_WHOLE, commit);
    assert_end(bench, TREE_READY);
}

/* Nothing else has that commit where there is no branch. */
static void a_commit_of_an_agent_keeps_its_tree(void **state) {
    struct bench *bench = *state;
    work_tree_set_text(&bench->tree, TREE_BASE, commit);
    work_tree_begin(&bench->tree, TREE_LEAVE);
    look(bench, WORKTREE_WHOLE, other_commit);
    assert_end(bench, TREE_READY);
    assert_int_equal(bench->begins, 0);
}

static void a_branch_is_forgotten_after_its_tree(void **state) {
    struct bench *bench = *state;
    work_tree_set_text(&bench->tree, TREE_BRANCH, "drover/T-1");
    work_tree_set_text(&bench->tree, TREE_BASE, commit);
    work_tree_begin(&bench->tree, TREE_LEAVE);
    look(bench, WORKTREE_WHOLE, "");
    job_ends(bench, TREE_REMOVE, RUN_SUCCEEDED);
    look(bench, WORKTREE_NONE, "");
    job_ends(bench, TREE_FORGET, RUN_SUCCEEDED);
    look(bench, WORKTREE_NONE, "");
    assert_end(bench, TREE_ABSENT);
}

static void a_drop_removes_a_tree_whose_commits_are_elsewhere(void **state) {
    struct bench *bench = *state;
    work_tree_set_text(&bench->tree, TREE_BRANCH, "drover/x");
    work_tree_set_text(&bench->tree, TREE_BASE, commit);
    work_tree_begin(&bench->tree, TREE_DROP);
    assert_int_equal(work_tree_care(&bench->tree), TREE_LOSSLESS);
    look(bench, WORKTREE_WHOLE, other_commit);
    job_ends(bench, TREE_REMOVE, RUN_SUCCEEDED);
    look(bench, WORKTREE_NONE, "");
    job_ends(bench, TREE_FORGET, RUN_SUCCEEDED);
    look(bench, WORKTREE_NONE, "");
    assert_end(bench, TREE_ABSENT);
}

static void a_drop_that_git_refuses_says_why_the_tree_stays(void **state) {
    struct bench *bench = *state;
    work_tree_set_text(&bench->tree, TREE_BRANCH, "drover/x");
    work_tree_begin(&bench->tree, TREE_DROP);
    look(bench, WORKTREE_WHOLE, "");
    job_ends(bench, TREE_REMOVE, RUN_FAILED);
    text_clear(&bench->tree.fault);
    text_add_str(&bench->tree.fault, "git: it contains modified files");
    look(bench, WORKTREE_WHOLE, "");
    assert_end(bench, TREE_READY);
    assert_string_equal(bench->tree.why.text, "git: it contains modified files");
}

static void half_a_tree_that_an_agent_was_in_is_dropped_by_force_alone(void **state) {
    struct bench *bench = *state;
    work_tree_set_text(&bench->tree, TREE_BRANCH, "drover/x");
    work_tree_set_text(&bench->tree, TREE_BASE, commit);
    work_tree_set_text(&bench->tree, TREE_ATTEMPT, "run_1");
    work_tree_begin(&bench->tree, TREE_DROP);
    look(bench, WORKTREE_HALF, "");
    assert_end(bench, TREE_READY);
    work_tree_begin(&bench->tree, TREE_DESTROY);
    assert_int_equal(work_tree_care(&bench->tree), TREE_ANYHOW);
    look(bench, WORKTREE_HALF, "");
    job_ends(bench, TREE_WIPE, RUN_SUCCEEDED);
    look(bench, WORKTREE_NONE, "");
    job_ends(bench, TREE_FORGET, RUN_SUCCEEDED);
    look(bench, WORKTREE_NONE, "");
    assert_int_equal(bench->tree.end, TREE_ABSENT);
    assert_int_equal(bench->ends, 2);
}

static void a_tree_that_git_does_not_remove_by_force_is_wiped(void **state) {
    struct bench *bench = *state;
    work_tree_begin(&bench->tree, TREE_DESTROY);
    look(bench, WORKTREE_WHOLE, other_commit);
    job_ends(bench, TREE_REMOVE, RUN_FAILED);
    look(bench, WORKTREE_WHOLE, other_commit);
    job_ends(bench, TREE_WIPE, RUN_SUCCEEDED);
    look(bench, WORKTREE_NONE, "");
    assert_end(bench, TREE_ABSENT);
}

/* A branch of that name is somebody else's. */
static void a_tree_that_never_began_takes_no_branch_with_it(void **state) {
    struct bench *bench = *state;
    work_tree_set_text(&bench->tree, TREE_BRANCH, "drover/x");
    work_tree_begin(&bench->tree, TREE_DESTROY);
    look(bench, WORKTREE_NONE, "");
    assert_end(bench, TREE_ABSENT);
    assert_int_equal(bench->begins, 0);
}

static void something_else_at_the_place_is_never_removed(void **state) {
    struct bench *bench = *state;
    work_tree_begin(&bench->tree, TREE_DESTROY);
    look(bench, WORKTREE_STRANGE, "");
    assert_end(bench, TREE_READY);
    assert_string_equal(bench->tree.why.text, "something else stands where it would be");
    assert_int_equal(bench->begins, 0);
}

static void a_tree_that_was_stopped_hears_nothing(void **state) {
    struct bench *bench = *state;
    const struct step_job job = {.run = {"run_job"}};
    const struct run_row row = {.run = BYTES("run_job"), .state = RUN_SUCCEEDED, .attempt = 1};
    work_tree_search(&bench->tree, TREE_MAKE);
    work_tree_stop(&bench->tree);
    begun(bench, &job);
    assert_int_equal(bench->tree.state, TREE_RESTING);
    work_tree_search(&bench->tree, TREE_MAKE);
    begun(bench, &job);
    work_tree_stop(&bench->tree);
    run_waits_note(&bench->waits, &row);
    assert_int_equal(bench->looks + bench->ends, 0);
}

int main(void) {
#define CASE(test) cmocka_unit_test_setup_teardown(test, open_bench, close_bench)
    const struct CMUnitTest tests[] = {
        CASE(a_tree_on_no_branch_begins_at_the_commit_that_it_stands_at),
        CASE(git_names_the_commit_before_it_makes_a_tree_on_a_branch),
        CASE(half_a_tree_is_wiped_twice_and_then_refused),
        CASE(half_a_tree_that_an_agent_was_in_is_not_wiped),
        CASE(a_job_of_an_earlier_daemon_is_waited_for),
        CASE(a_tree_that_was_left_as_it_began_is_removed),
        CASE(a_tree_that_git_does_not_remove_stays),
        CASE(a_commit_of_an_agent_keeps_its_tree),
        CASE(a_branch_is_forgotten_after_its_tree),
        CASE(a_drop_removes_a_tree_whose_commits_are_elsewhere),
        CASE(a_drop_that_git_refuses_says_why_the_tree_stays),
        CASE(half_a_tree_that_an_agent_was_in_is_dropped_by_force_alone),
        CASE(a_tree_that_git_does_not_remove_by_force_is_wiped),
        CASE(a_tree_that_never_began_takes_no_branch_with_it),
        CASE(something_else_at_the_place_is_never_removed),
        CASE(a_tree_that_was_stopped_hears_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
