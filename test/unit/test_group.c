/* A group on a database whose BEGIN fails, and takes its time for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "store/group.h"

enum { CALLS = 5, BEGIN_NS = 1000 * 1000 * 1000 };

/* Begins `begins_left` times; COMMIT is refused, and known not to have happened. */
struct fake {
    struct conn conn;
    uint64_t now_ns;
    unsigned begins, begins_left;
    bool in_transaction;
};

static struct fake *of(struct conn *conn) {
    return CONTAINER_OF(conn, struct fake, conn);
}

static struct err fake_begin(struct conn *conn) {
    struct fake *fake = of(conn);
    fake->begins++;
    if (fake->begins_left == 0) {
        fake->now_ns += BEGIN_NS;
        return err_make(ERR_BUSY, "fake: begin");
    }
    fake->begins_left--;
    fake->in_transaction = true;
    return ERR_OK;
}

static struct err fake_step(struct conn *conn) {
    (void)conn;
    return ERR_OK;
}

static enum commit_outcome fake_commit(struct conn *conn, struct err *ret_err) {
    of(conn)->in_transaction = false;
    *ret_err = err_make(ERR_DISK_FULL, "fake: commit");
    return COMMIT_NOT;
}

static void fake_rollback(struct conn *conn) {
    of(conn)->in_transaction = false;
}

static bool fake_lost(struct conn *conn) {
    return !of(conn)->in_transaction;
}

static const struct driver fake_driver = {.begin = fake_begin,
                                          .savepoint = fake_step,
                                          .release = fake_step,
                                          .rollback_to = fake_step,
                                          .commit = fake_commit,
                                          .rollback = fake_rollback,
                                          .transaction_lost = fake_lost};

static int64_t wall_ms(void *ctx) {
    (void)ctx;
    return 0;
}

static uint64_t mono_ns(void *ctx) {
    return ((struct fake *)ctx)->now_ns;
}

static struct err nothing(struct tx *tx, void *ctx) {
    (void)tx;
    (void)ctx;
    return ERR_OK;
}

static struct call *next_call(void *ctx) {
    return calls_pop(ctx);
}

/* Runs one group of CALLS functions, and answers what all of them were told. */
static enum err_code run_group(struct fake *fake, size_t *ret_count) {
    const struct world world = {.ctx = fake, .wall_ms = wall_ms, .mono_ns = mono_ns};
    struct call calls[CALLS] = {0};
    struct calls queued = {0};
    for (size_t i = 0; i < CALLS; i++) {
        calls[i].fn = nothing;
        calls_push(&queued, &calls[i]);
    }
    fake->conn = (struct conn){.driver = &fake_driver, .role = CONN_WRITER};
    struct group_writer writer;
    group_writer_init(&writer, &fake->conn, &world, 1 /* epoch */);
    struct group group = {0};
    notes_init(&group.notes);
    struct group_source source = {.next = next_call, .ctx = &queued};
    assert_int_equal(group_run(&writer, source, &group).code, ERR_NONE);
    *ret_count = group.calls.count;
    enum err_code told = group.calls.first->result.code;
    for (struct call *call = group.calls.first; call != NULL; call = call->next) {
        assert_int_equal(call->result.code, told);
    }
    notes_done(&group.notes);
    group_writer_done(&writer);
    return told;
}

static void a_begin_that_fails_slowly_is_waited_for_once_by_all(void **state) {
    struct fake fake = {0};
    size_t count = 0;
    assert_int_equal(run_group(&fake, &count), ERR_BUSY);
    assert_int_equal(count, CALLS);
    assert_int_equal(fake.begins, 1);
}

static void a_rerun_whose_begin_fails_tries_no_further(void **state) {
    struct fake fake = {.begins_left = 1};
    size_t count = 0;
    assert_int_equal(run_group(&fake, &count), ERR_BUSY);
    assert_int_equal(count, CALLS);
    assert_int_equal(fake.begins, 2);
}

static void a_commit_that_is_refused_is_tried_for_each_alone(void **state) {
    struct fake fake = {.begins_left = 1 + CALLS};
    size_t count = 0;
    assert_int_equal(run_group(&fake, &count), ERR_DISK_FULL);
    assert_int_equal(count, CALLS);
    assert_int_equal(fake.begins, 1 + CALLS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_begin_that_fails_slowly_is_waited_for_once_by_all),
        cmocka_unit_test(a_rerun_whose_begin_fails_tries_no_further),
        cmocka_unit_test(a_commit_that_is_refused_is_tried_for_each_alone),
    };
    return cmocka_run_group_tests_name("group", tests, NULL /* no group fixture */, NULL);
}
