/* A group on a database whose BEGIN fails, and takes its time for it; and one that counts what is
 * changed, so that functions need no savepoints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

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
    struct group group = {.next = NULL};
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

/* --- Without savepoints ----------------------------------------------------------------------- */

/* What was written, by letters: those of the open transaction behind those that are durable. */
struct counting {
    struct conn conn;
    char rows[64], saved[64];
    size_t durable;
    int64_t changes;
    unsigned savepoints, commits;
    bool in_transaction;
};

static struct counting *counting_of(struct conn *conn) {
    return CONTAINER_OF(conn, struct counting, conn);
}

static struct err counting_begin(struct conn *conn) {
    counting_of(conn)->in_transaction = true;
    return ERR_OK;
}

static struct err counting_savepoint(struct conn *conn) {
    struct counting *counting = counting_of(conn);
    memcpy(counting->saved, counting->rows, sizeof counting->saved);
    counting->savepoints++;
    return ERR_OK;
}

static struct err counting_rollback_to(struct conn *conn) {
    struct counting *counting = counting_of(conn);
    memcpy(counting->rows, counting->saved, sizeof counting->rows);
    return ERR_OK;
}

static enum commit_outcome counting_commit(struct conn *conn, struct err *ret_err) {
    struct counting *counting = counting_of(conn);
    (void)ret_err; /* It succeeds. */
    counting->in_transaction = false;
    counting->durable = strlen(counting->rows);
    counting->commits++;
    return COMMIT_DONE;
}

static void counting_rollback(struct conn *conn) {
    struct counting *counting = counting_of(conn);
    counting->in_transaction = false;
    memset(counting->rows + counting->durable, '\0', sizeof counting->rows - counting->durable);
}

static bool counting_lost(struct conn *conn) {
    return !counting_of(conn)->in_transaction;
}

static int64_t counting_changes(struct conn *conn) {
    return counting_of(conn)->changes;
}

static struct err counting_exec(struct conn *conn, const char *sql, const struct arg *args,
                                size_t count, int64_t *ret_changed) {
    struct counting *counting = counting_of(conn);
    (void)args, (void)count, (void)ret_changed;
    assert_true(counting->in_transaction);
    if (*sql == '!') {
        return err_make(ERR_CONFLICT, "counting: refused");
    }
    counting->rows[strlen(counting->rows)] = *sql;
    counting->changes++;
    return ERR_OK;
}

static const struct driver counting_driver = {.begin = counting_begin,
                                              .savepoint = counting_savepoint,
                                              .release = fake_step,
                                              .rollback_to = counting_rollback_to,
                                              .commit = counting_commit,
                                              .rollback = counting_rollback,
                                              .transaction_lost = counting_lost,
                                              .changes = counting_changes,
                                              .exec = counting_exec};

/* `ctx`: letters; each is a row, '-' refuses, '!' is a statement that fails. */
static struct err write_letters(struct tx *tx, void *ctx) {
    struct err err = ERR_OK;
    for (const char *at = ctx; *at != '\0' && !err_failed(err); at++) {
        err = *at == '-' ? err_make(ERR_NOT_FOUND, "counting: refuses")
                         : tx_exec(tx, at, NULL /* no arguments */, 0, NULL);
        if (!err_failed(err)) {
            err = tx_note(tx, 0, (struct bytes){at, 1});
        }
    }
    return err;
}

static void told_letters(const struct notes *notes, char *text) {
    struct bytes note;
    unsigned kind = 0;
    for (size_t at = 0; notes_next(notes, &at, &kind, &note);) {
        *text++ = note.data[0];
    }
    *text = '\0';
}

/* One group of these; all but those that refuse must have happened, and told, once. */
static void write_group(struct group_writer *writer, const char *const *letters, size_t count,
                        const char *expected) {
    struct counting *counting = counting_of(writer->tx.conn);
    struct call calls[8] = {0};
    struct calls queued = {0};
    char told[64];
    const size_t before = counting->durable;
    for (size_t i = 0; i < count; i++) {
        calls[i].fn = write_letters;
        calls[i].ctx = (char *)letters[i];
        calls_push(&queued, &calls[i]);
    }
    struct group group = {.next = NULL};
    notes_init(&group.notes);
    struct group_source source = {.next = next_call, .ctx = &queued};
    assert_int_equal(group_run(writer, source, &group).code, ERR_NONE);
    assert_string_equal(counting->rows + before, expected);
    told_letters(&group.notes, told);
    assert_string_equal(told, expected);
    for (size_t i = 0; i < count; i++) {
        bool fails = strpbrk(letters[i], "-!") != NULL;
        assert_int_equal(err_failed(calls[i].result), fails);
    }
    notes_done(&group.notes);
}

static void count_savepoints(const char *const *letters, size_t count, const char *expected,
                             struct counting *counting) {
    const struct world world = {
        .wall_ms = wall_ms, .ctx = &(struct fake){.now_ns = 0}, .mono_ns = mono_ns};
    struct group_writer writer;
    *counting = (struct counting){.conn = {.driver = &counting_driver, .role = CONN_WRITER}};
    group_writer_init(&writer, &counting->conn, &world, 1 /* epoch */);
    write_group(&writer, letters, count, expected);
    group_writer_done(&writer);
}

static void functions_that_succeed_need_no_savepoint(void **state) {
    static const char *const letters[] = {"ab", "c", "d"};
    struct counting counting;
    count_savepoints(letters, COUNT_OF(letters), "abcd", &counting);
    assert_int_equal(counting.savepoints, 0);
    assert_int_equal(counting.commits, 1);
}

static void one_that_refuses_before_it_writes_takes_nobody_back(void **state) {
    static const char *const letters[] = {"a", "-", "b", "-", "c"};
    struct counting counting;
    count_savepoints(letters, COUNT_OF(letters), "abc", &counting);
    assert_int_equal(counting.savepoints, 0);
    assert_int_equal(counting.changes, 3); /* Nobody ran twice. */
    assert_int_equal(counting.commits, 1);
}

static void one_that_wrote_and_failed_takes_back_itself_alone(void **state) {
    static const char *const groups[][4] = {{"a", "x-", "b", "c"}, {"a", "x!", "b", "c"},
                                            {"a", "!", "b", "c"},  {"x-", "a", "y-", "bc"},
                                            {"a", "b", "c", "x-"}, {"-", "abc", "x-", "!"}};
    for (size_t i = 0; i < COUNT_OF(groups); i++) {
        struct counting counting;
        count_savepoints(groups[i], COUNT_OF(groups[i]), "abc", &counting);
        assert_true(counting.savepoints > 0);
        assert_int_equal(counting.commits, 1);
    }
}

static void groups_behind_one_that_was_taken_back_are_guarded_for_a_while(void **state) {
    static const char *const bad[] = {"a", "x-"}, *const good[] = {"", "", ""};
    const struct world world = {
        .wall_ms = wall_ms, .ctx = &(struct fake){.now_ns = 0}, .mono_ns = mono_ns};
    struct counting counting = {.conn = {.driver = &counting_driver, .role = CONN_WRITER}};
    struct group_writer writer;
    group_writer_init(&writer, &counting.conn, &world, 1 /* epoch */);
    write_group(&writer, bad, COUNT_OF(bad), "a");
    for (unsigned i = 0; i < GROUP_GUARDED; i++) {
        unsigned before = counting.savepoints;
        write_group(&writer, good, COUNT_OF(good), "");
        assert_int_equal(counting.savepoints, before + COUNT_OF(good) - 1);
    }
    unsigned before = counting.savepoints;
    write_group(&writer, good, COUNT_OF(good), "");
    assert_int_equal(counting.savepoints, before);
    group_writer_done(&writer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_that_succeed_need_no_savepoint),
        cmocka_unit_test(one_that_refuses_before_it_writes_takes_nobody_back),
        cmocka_unit_test(one_that_wrote_and_failed_takes_back_itself_alone),
        cmocka_unit_test(groups_behind_one_that_was_taken_back_are_guarded_for_a_while),
        cmocka_unit_test(a_begin_that_fails_slowly_is_waited_for_once_by_all),
        cmocka_unit_test(a_rerun_whose_begin_fails_tries_no_further),
        cmocka_unit_test(a_commit_that_is_refused_is_tried_for_each_alone),
    };
    return cmocka_run_group_tests_name("group", tests, NULL /* no group fixture */, NULL);
}
