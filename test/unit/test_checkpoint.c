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
    /* Of CHECKPOINT_EMPTY and _EMPTY_WAIT. */
    bool is_read; /* Somebody always reads: only who waits finds a free moment. */
    atomic_uint empty_tries, emptied;
    atomic_uint_fast64_t ahead_ns; /* Of the clock that the thread asks. */
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

/* The writer is always in the middle of a group when the thread tries. */
static struct err empty(struct fake *fake, const struct conn *conn, enum checkpoint_kind kind) {
    atomic_fetch_add(&fake->empty_tries, 1);
    bool in_the_way = conn->role != CONN_WRITER || atomic_load(&fake->passive_runs) ||
                      (fake->is_read && kind != CHECKPOINT_EMPTY_WAIT);
    if (in_the_way) {
        return err_make(ERR_BUSY, "fake: empty");
    }
    atomic_fetch_add(&fake->emptied, 1);
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
    if (kind == CHECKPOINT_EMPTY || kind == CHECKPOINT_EMPTY_WAIT) {
        return empty(fake, conn, kind);
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

static void fake_keep(struct conn *conn) {
    (void)conn;
}

static const struct driver keeping = {
    .log_bytes = fake_log_bytes, .checkpoint = fake_checkpoint, .keep = fake_keep};

static uint64_t fake_mono_ns(void *ctx) {
    struct fake *fake = ctx;
    return world_mono_ns(world_real()) + atomic_load(&fake->ahead_ns);
}

/* Each time the thread copies the log, as much comes as makes it wanted again: at most `copies`
 * times, until the log is empty. The clock goes on by a second with each copy. */
static void writes_go_on(struct fake *fake, struct checkpoint *checkpoint, unsigned copies) {
    tend_at(fake, checkpoint, CHECKPOINT_EVERY);
    for (unsigned i = 0; i < copies && atomic_load(&fake->emptied) == 0; i++) {
        wait_for(&fake->began);
        atomic_fetch_add(&fake->ahead_ns, UINT64_C(1000000000));
        tend_at(fake, checkpoint, 0); /* The log began anew, and has grown again. */
        tend_at(fake, checkpoint, CHECKPOINT_EVERY);
        (void)sem_post(&fake->go_on);
        /* The thread copies again, or asks the writer, which comes by after its next group. */
        int value = 0;
        do {
            tend_at(fake, checkpoint, CHECKPOINT_EVERY);
            (void)sem_getvalue(&fake->began, &value);
        } while (value == 0 && atomic_load(&fake->emptied) == 0);
    }
}

static void scrub_ends_within(unsigned copies, bool is_read) {
    struct fake fake;
    fake_init(&fake);
    fake.writer.driver = &keeping;
    fake.own.driver = &keeping;
    fake.stalls = true;
    fake.is_read = is_read;
    const struct world world = {.ctx = &fake, .mono_ns = fake_mono_ns};
    struct checkpoint checkpoint = {.world = &world};
    assert_int_equal(checkpoint_start(&checkpoint, &fake.writer, &fake.own).code, ERR_NONE);
    checkpoint_scrub(&checkpoint);
    writes_go_on(&fake, &checkpoint, copies);
    assert_int_equal(atomic_load(&fake.emptied), 1);
    for (unsigned i = 0; i < copies; i++) {
        (void)sem_post(&fake.go_on); /* Whatever the thread is at. */
    }
    checkpoint_stop(&checkpoint);
}

static void a_scrub_does_not_wait_for_writes_to_pause(void **state) {
    (void)state;
    scrub_ends_within(20, false);
}

static void a_scrub_does_not_wait_for_reads_to_pause(void **state) {
    (void)state;
    scrub_ends_within(55, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_writer_brings_down_what_a_stalled_thread_does_not),
        cmocka_unit_test(the_writer_waits_for_who_is_in_the_way),
        cmocka_unit_test(one_group_passes_when_nobody_goes_out_of_the_way),
        cmocka_unit_test(a_disk_that_refuses_is_asked_again_a_step_later),
        cmocka_unit_test(a_scrub_does_not_wait_for_writes_to_pause),
        cmocka_unit_test(a_scrub_does_not_wait_for_reads_to_pause),
    };
    return cmocka_run_group_tests_name("checkpoint", tests, NULL, NULL);
}
