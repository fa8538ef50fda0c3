/* Rows of tasks: chains of tasks in which each is added by an attempt at the one before. */
/* runs-with: sqlite, postgres */
#include "runs_kit.h"

#include "engine/board/board.h"

struct addition {
    struct id id;
    int64_t depth;
};

static struct err add_tx(struct tx *tx, void *ctx) {
    const struct addition *addition = ctx;
    struct task task = {.task = bytes_of(addition->id.text),
                        .owner = BYTES("ann"),
                        .project = BYTES("shop"),
                        .title = BYTES("t"),
                        .type = BYTES("general"),
                        .depth = addition->depth};
    struct why why;
    task_complete(&task);
    return tx_task_add(tx, &task, &why);
}

static enum err_code add(struct runs_kit *runs, int64_t depth) {
    uint8_t random[10] = {(uint8_t)++runs->ids};
    struct addition addition = {.id = id_make("tsk", runs->kit.clock_ms, random), .depth = depth};
    return runs_do(runs, add_tx, &addition);
}

static void a_chain_of_tasks_comes_to_an_end(void **state) {
    struct runs_kit *runs = *state;
    assert_int_equal(add(runs, 0), ERR_NONE); /* By a person. */
    assert_int_equal(runs_count(runs, "SELECT max(depth) FROM tasks"), 1);
    assert_int_equal(add(runs, TASK_DEPTH_MAX), ERR_NONE);
    assert_int_equal(add(runs, TASK_DEPTH_MAX + 1), ERR_TASK_DEPTH);
}

struct place {
    struct board_who who;
    int64_t depth;
};

static struct err depth_tx(struct tx *tx, void *ctx) {
    struct place *place = ctx;
    place->depth = tx_board_depth(tx, &place->who);
    return tx_error(tx);
}

static struct err rows_tx(struct tx *tx, void *ctx) {
    (void)ctx;
    tx_do(tx, "UPDATE tasks SET task = 'tsk_a', review_run = 'run_judge', depth = 3", NO_ARGS);
    tx_do(tx, "INSERT INTO mail_attempts (turn, mail, depth) VALUES ('run_reads', 'mail_a', 5)",
          NO_ARGS);
    return tx_error(tx);
}

static int64_t depth(struct runs_kit *runs, struct board_who who) {
    struct place place = {.who = who};
    assert_int_equal(runs_do(runs, depth_tx, &place), ERR_NONE);
    return place.depth;
}

static void who_works_judges_or_reads_mail_is_in_a_chain(void **state) {
    struct runs_kit *runs = *state;
    assert_int_equal(add(runs, 0), ERR_NONE);
    (void)runs_once(runs, rows_tx, NULL);
    assert_int_equal(depth(runs, (struct board_who){.task = BYTES(""), .turn = BYTES("")}), 0);
    assert_int_equal(depth(runs, (struct board_who){.task = BYTES("tsk_a"), .turn = BYTES("")}), 3);
    assert_int_equal(depth(runs, (struct board_who){.task = BYTES(""), .turn = BYTES("run_judge")}),
                     3);
    assert_int_equal(
        depth(runs, (struct board_who){.task = BYTES("tsk_a"), .turn = BYTES("run_reads")}), 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_chain_of_tasks_comes_to_an_end, runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(who_works_judges_or_reads_mail_is_in_a_chain, runs_begin,
                                        runs_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
