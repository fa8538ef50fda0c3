/* Rows of tasks: chains of tasks in which each is added by an attempt at the one before, and what a
 * task waits for. */
/* runs-with: sqlite, postgres */
#include "runs_kit.h"

#include "engine/board/board.h"
#include "engine/board/rows.h"

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
    const char *inside; /* "": no run. */
    const char *judged, *reads;
    int64_t depth;
};

static struct err depth_tx(struct tx *tx, void *ctx) {
    struct place *place = ctx;
    const struct task_key key = {BYTES("ann"), BYTES("shop"), BYTES("_")};
    const struct task none = {.owner = key.owner, .task = BYTES(""), .agent = BYTES("")};
    const struct board_client client = {.inside = place->inside};
    struct board_who who;
    struct why why = {""};
    assert_false(err_failed(tx_board_who(tx, &key, &client, &none, &who, &why)));
    place->depth = tx_board_depth(tx, &who);
    return tx_error(tx);
}

static struct err rows_tx(struct tx *tx, void *ctx) {
    const struct place *place = ctx;
    tx_do(tx, "UPDATE tasks SET task = 'tsk_a', review_run = $1, depth = 3",
          ARGS(arg_text(bytes_of(place->judged))));
    tx_do(tx, "INSERT INTO mail_attempts (turn, mail, depth) VALUES ($1, 'mail_a', 5)",
          ARGS(arg_text(bytes_of(place->reads))));
    return tx_error(tx);
}

static int64_t depth(struct runs_kit *runs, const char *inside) {
    struct place place = {.inside = inside};
    assert_int_equal(runs_do(runs, depth_tx, &place), ERR_NONE);
    return place.depth;
}

static void who_judges_or_reads_mail_is_in_a_chain_and_so_is_all_below(void **state) {
    struct runs_kit *runs = *state;
    const struct runs_row reader = runs_add(runs), judge = runs_add_child(runs, reader.run),
                          inner = runs_add_child(runs, judge.run), other = runs_add(runs);
    struct place place = {.judged = judge.run, .reads = reader.run};
    assert_int_equal(add(runs, 0), ERR_NONE);
    (void)runs_once(runs, rows_tx, &place);
    assert_int_equal(depth(runs, ""), 0);
    assert_int_equal(depth(runs, other.run), 0);
    assert_int_equal(depth(runs, reader.run), 5);
    assert_int_equal(depth(runs, inner.run), 5); /* The larger one of those above it. */
    place.reads = other.run;
    (void)runs_once(runs, rows_tx, &place);
    assert_int_equal(depth(runs, other.run), 5);
}

struct change {
    const char *task; /* T-1 */
    enum task_status to;
    const char *needs;  /* JSON list of depends_on; NULL: the status changes. */
    const char *waived; /* NULL: nothing is. */
};

static struct err change_tx(struct tx *tx, void *ctx) {
    const struct change *change = ctx;
    const struct task_key key = {BYTES("ann"), BYTES("shop"), bytes_of(change->task)};
    const struct board_client client = {.inside = "", .person = true};
    struct task task;
    struct why why = {""};
    TRY(tx_task_find(tx, &key, &client, &task, &why));
    if (change->waived != NULL) {
        const struct task_waive waive = {key, client, bytes_of(change->waived), BYTES("why not")};
        return tx_task_waive(tx, &waive, &task, &why);
    }
    if (change->needs != NULL) {
        task.depends_on = bytes_of(change->needs);
        return tx_task_change(tx, &task, true /* depends_on was named */, &why);
    }
    const struct task_entered entered = {.to = change->to, .by = BYTES(""), .words = BYTES("")};
    tasks__enter(tx, &task, &entered);
    return tx_error(tx);
}

static struct err remove_tx(struct tx *tx, void *ctx) {
    const char *name = ctx;
    const struct task_key key = {BYTES("ann"), BYTES("shop"), bytes_of(name)};
    const struct board_client client = {.inside = "", .person = true};
    struct task task;
    struct why why = {""};
    bool more = false;
    return tx_task_remove(tx, &key, &client, &task, &more, &why);
}

/* A digit for each of four tasks: place of the task that it is known to wait for; 0: none. */
static int64_t waits(struct runs_kit *runs) {
    return runs_count(runs,
                      "SELECT CAST(COALESCE(sum(o.place * CASE t.place WHEN 1 THEN 1000 WHEN 2"
                      " THEN 100 WHEN 3 THEN 10 ELSE 1 END), 0) AS BIGINT) FROM tasks t"
                      " JOIN tasks o ON o.id = t.waits_for");
}

static void change(struct runs_kit *runs, struct change what) {
    assert_int_equal(runs_do(runs, change_tx, &what), ERR_NONE);
}

static void a_task_is_known_to_wait_until_the_last_of_its_needs_is_met(void **state) {
    struct runs_kit *runs = *state;
    char cancelled[] = "T-3";
    for (int i = 0; i < 4; i++) {
        assert_int_equal(add(runs, 0), ERR_NONE);
    }
    change(runs, (struct change){.task = "T-4", .needs = "[\"T-1\",\"T-2\",\"T-3\"]"});
    assert_int_equal(waits(runs), 1);
    change(runs, (struct change){.task = "T-2", .to = TASK_DONE});
    assert_int_equal(waits(runs), 1);
    change(runs, (struct change){.task = "T-1", .to = TASK_DONE});
    assert_int_equal(waits(runs), 3);
    change(runs, (struct change){.task = "T-3", .to = TASK_CANCELLED});
    assert_int_equal(waits(runs), 3);
    change(runs, (struct change){.task = "T-4", .waived = "T-3"});
    assert_int_equal(waits(runs), 0);
    /* A need that is removed, or taken out of the list, is none any more. */
    change(runs, (struct change){.task = "T-1", .needs = "[\"T-3\"]"});
    change(runs, (struct change){.task = "T-2", .needs = "[\"T-3\"]"});
    assert_int_equal(waits(runs), 3300);
    change(runs, (struct change){.task = "T-1", .needs = "[]"});
    assert_int_equal(waits(runs), 300);
    assert_int_equal(runs_do(runs, remove_tx, cancelled), ERR_NONE);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM tasks WHERE waits_for <> 0"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_chain_of_tasks_comes_to_an_end, runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(who_judges_or_reads_mail_is_in_a_chain_and_so_is_all_below,
                                        runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(a_task_is_known_to_wait_until_the_last_of_its_needs_is_met,
                                        runs_begin, runs_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
