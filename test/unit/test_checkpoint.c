/* The bound of the write-ahead log, on a database whose checkpoints stall or are refused. */
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "store/checkpoint.h"

enum { MB = 1 << 20, ANSWERS = 8 };

/* One connection for the writer and one for the thread, over the same log. */
struct fake {
    struct conn writer, own;
    int64_t log_bytes;
    sem_t began, go_on;
    bool stalls;
    atomic_bool passive_runs;
    unsigned waits; /* CHECKPOINT_WAIT was asked so often, and answered in this order. */
    enum err_code answers[ANSWERS];
};

static struct fake *fake_of(struct conn *conn) {
    return conn->role == CONN_WRITER ? CONTAINER_OF(conn, struct fake, writer)
                                     : CONTAINER_OF(conn, struct fake, own);
}

static int64_t fake_log_bytes(struct conn *conn) {
    return fake_of(conn)->log_bytes;
}

static struct err passive(struct fake *fake) {
    atomic_store(&fake->passive_runs, true);
    (void)sem_post(&fake->began);
    while (fake->stalls && sem_wait(&fake->go_on) != 0) {
    }
    atomic_store(&fake->passive_runs, false);
    return ERR_OK;
}

static struct err fake_checkpoint(struct conn *conn, enum checkpoint_kind kind) {
    struct fake *fake = fake_of(conn);
    if (kind == CHECKPOINT_PASSIVE) {
        return passive(fake);
    }
    if (kind == CHECKPOINT_RESTART) {
        return ERR_OK;
    }
    assert_false(atomic_load(&fake->passive_runs)); /* It would be refused at once. */
    enum err_code code = fake->answers[fake->waits % ANSWERS];
    fake->waits++;
    return code == ERR_NONE ? ERR_OK : err_make(code, "fake: checkpoint");
}

static const struct driver driver = {.log_bytes = fake_log_bytes, .checkpoint = fake_checkpoint};

static void fake_init(struct fake *fake) {
    *fake = (struct fake){.writer = {.driver = &driver, .role = CONN_WRITER},
                          .own = {.driver = &driver, .role = CONN_CHECKPOINT}};
    assert_int_equal(sem_init(&fake->began, 0, 0), 0);
    assert_int_equal(sem_init(&fake->go_on, 0, 0), 0);
}

static void tend_at(struct fake *fake, struct checkpoint *checkpoint, int64_t bytes) {
    fake->log_bytes = bytes;
    checkpoint_tend(checkpoint);
}

static void wait_for(sem_t *sem) {
    while (sem_wait(sem) != 0) {
    }
}

static void *let_it_go_on(void *ctx) {
    struct fake *fake = ctx;
    (void)sem_post(&fake->go_on);
    return NULL;
}

static void the_writer_brings_down_what_a_stalled_thread_does_not(void **state) {
    struct fake fake;
    struct checkpoint checkpoint = {.own = NULL};
    fake_init(&fake);
    fake.stalls = true;
    assert_int_equal(checkpoint_start(&checkpoint, &fake.writer, &fake.own).code, ERR_NONE);
    tend_at(&fake, &checkpoint, 8 * MB);
    wait_for(&fake.began);
    for (int64_t bytes = 16; bytes < 64; bytes += 8) {
        tend_at(&fake, &checkpoint, bytes * MB);
    }
    assert_int_equal(fake.waits, 0);
    pthread_t releaser;
    assert_int_equal(pthread_create(&releaser, NULL, let_it_go_on, &fake), 0);
    tend_at(&fake, &checkpoint, 64 * MB);
    assert_int_equal(fake.waits, 1);
    pthread_join(releaser, NULL);
    checkpoint_stop(&checkpoint);
}

static void the_writer_waits_for_who_is_in_the_way(void **state) {
    struct fake fake;
    struct checkpoint checkpoint = {.own = NULL};
    fake_init(&fake);
    fake.answers[0] = fake.answers[1] = ERR_BUSY;
    assert_int_equal(checkpoint_start(&checkpoint, &fake.writer, NULL).code, ERR_NONE);
    tend_at(&fake, &checkpoint, 64 * MB);
    assert_int_equal(fake.waits, 3);
    tend_at(&fake, &checkpoint, MB);
    assert_int_equal(fake.waits, 3);
    checkpoint_stop(&checkpoint);
}

static void one_group_passes_when_nobody_goes_out_of_the_way(void **state) {
    struct fake fake;
    struct checkpoint checkpoint = {.own = NULL};
    fake_init(&fake);
    for (int i = 0; i < ANSWERS; i++) {
        fake.answers[i] = ERR_BUSY;
    }
    assert_int_equal(checkpoint_start(&checkpoint, &fake.writer, NULL).code, ERR_NONE);
    tend_at(&fake, &checkpoint, 64 * MB);
    assert_int_equal(fake.waits, CHECKPOINT_WAITS);
    tend_at(&fake, &checkpoint, 64 * MB + 1);
    assert_int_equal(fake.waits, 2 * CHECKPOINT_WAITS);
    checkpoint_stop(&checkpoint);
}

static void a_disk_that_refuses_is_asked_again_a_step_later(void **state) {
    struct fake fake;
    struct checkpoint checkpoint = {.own = NULL};
    fake_init(&fake);
    fake.answers[0] = ERR_DISK_FULL;
    assert_int_equal(checkpoint_start(&checkpoint, &fake.writer, NULL).code, ERR_NONE);
    tend_at(&fake, &checkpoint, 64 * MB);
    tend_at(&fake, &checkpoint, 65 * MB);
    assert_int_equal(fake.waits, 1);
    tend_at(&fake, &checkpoint, 72 * MB);
    assert_int_equal(fake.waits, 2);
    checkpoint_stop(&checkpoint);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_writer_brings_down_what_a_stalled_thread_does_not),
        cmocka_unit_test(the_writer_waits_for_who_is_in_the_way),
        cmocka_unit_test(one_group_passes_when_nobody_goes_out_of_the_way),
        cmocka_unit_test(a_disk_that_refuses_is_asked_again_a_step_later),
    };
    return cmocka_run_group_tests_name("checkpoint", tests, NULL, NULL);
}
