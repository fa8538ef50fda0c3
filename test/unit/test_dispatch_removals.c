/* test_dispatch_removals.c: folders of runs that were removed, listed until they are gone. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dispatch/base/pool.h"
#include "dispatch_kit.h"

/* Folders that cannot be removed, and how often each was tried. The pool counts. */
enum { STUCK_MAX = 2 };
static struct {
    char stuck[STUCK_MAX][64];
    atomic_uint tried[STUCK_MAX];
    atomic_uint looked, looked_most; /* Folders of a job of the pool. */
} seen;

/* Seconds between two rounds are long. */
void __real_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer));
void __wrap_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer));
void __wrap_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer)) {
    bool soon = after_ms == 1000 || after_ms == 10 * 1000;
    __real_timer_start(loop, timer, soon ? 5 : after_ms, fire);
}

struct err __real_spool_remove(const struct spool *spool, const char *name);
struct err __wrap_spool_remove(const struct spool *spool, const char *name);
struct err __wrap_spool_remove(const struct spool *spool, const char *name) {
    seen.looked++;
    for (size_t i = 0; i < STUCK_MAX; i++) {
        if (strcmp(seen.stuck[i], name) == 0) {
            seen.tried[i]++;
            return err_make(ERR_NO_PERMISSION, "test: remove");
        }
    }
    return __real_spool_remove(spool, name);
}

void __real_pool_add(struct pool *pool, struct pool_job *job);
void __wrap_pool_add(struct pool *pool, struct pool_job *job);
void __wrap_pool_add(struct pool *pool, struct pool_job *job) {
    seen.looked_most = seen.looked > seen.looked_most ? seen.looked : seen.looked_most;
    seen.looked = 0;
    __real_pool_add(pool, job);
}

static bool no_removals(struct kit *kit, void *ctx) {
    (void)ctx;
    return kit_number(kit, "SELECT count(*) FROM folder_removals") == 0;
}

static struct id ended_run(struct kit *kit) {
    struct id run = kit_shell(kit, "exit 0");
    (void)kit_end(kit, &run);
    return run;
}

/* As the commit that removes the run does for the leader. The store knows a statement by the
 * address of its text. */
static void list_run(struct kit *kit, const struct id *run) {
    static char texts[8][256];
    static size_t count;
    assert_true(count < COUNT_OF(texts));
    char *sql = texts[count++];
    (void)snprintf(sql, sizeof texts[0],
                   "INSERT INTO folder_removals (place, run, attempts) SELECT '', run, attempt"
                   " FROM runs WHERE run = '%s' RETURNING 1",
                   run->text);
    assert_int_equal(kit_number(kit, sql), 1);
}

static bool is_tried_some_times(struct kit *kit, void *ctx) {
    (void)kit;
    (void)ctx;
    return seen.tried[0] >= 4;
}

static void each_run_whose_folder_cannot_be_removed_has_its_own_tries(void **state) {
    enum { TRIES = 7 };
    struct kit *kit = *state;
    const struct id runs[STUCK_MAX] = {ended_run(kit), ended_run(kit)};
    for (size_t i = 0; i < STUCK_MAX; i++) {
        (void)snprintf(seen.stuck[i], sizeof seen.stuck[i], "%s",
                       kit_name(&runs[i], kit_row(kit, &runs[i])->attempt));
    }
    list_run(kit, &runs[0]);
    dispatch_tidy(kit->dispatch);
    kit_until(kit, is_tried_some_times, NULL);
    assert_int_equal(seen.tried[1], 0);
    list_run(kit, &runs[1]);
    dispatch_tidy(kit->dispatch); /* The first may have been given up meanwhile. */
    kit_until(kit, no_removals, NULL);
    assert_int_equal(seen.tried[0], TRIES);
    assert_int_equal(seen.tried[1], TRIES);
    assert_int_equal(kit->failures, 3); /* The first one, and the last of each. */
}

/* The one that is stuck has a folder for each of many attempts, as the row says. */
static void a_job_of_the_pool_removes_a_few_folders_only(void **state) {
    enum { ATTEMPTS = 40, FOLDERS_MAX = 16 };
    struct kit *kit = *state;
    struct id run = ended_run(kit);
    list_run(kit, &run);
    char sql[128];
    (void)snprintf(sql, sizeof sql, "UPDATE folder_removals SET attempts = %d RETURNING 1",
                   ATTEMPTS);
    (void)kit_number(kit, sql);
    seen.looked = seen.looked_most = 0;
    dispatch_tidy(kit->dispatch);
    kit_until(kit, no_removals, NULL);
    assert_int_equal(seen.looked_most, FOLDERS_MAX);
}

static bool is_gone(struct kit *kit, void *ctx) {
    (void)kit;
    return kill(*(const pid_t *)ctx, 0) < 0;
}

/* It cannot be, but for a defect or an accident: its row says that it has ended, and is removed. */
static void what_lives_of_a_run_that_was_removed_is_ended_first(void **state) {
    struct kit *kit = *state;
    char line[512];
    (void)snprintf(line, sizeof line, "cd '%s'; echo $$ > new; mv new began; exec sleep 600",
                   kit->place.dir);
    struct id run = kit_shell(kit, line);
    kit_until_file(kit, kit_path(kit, "began"));
    pid_t pid = 0;
    FILE *began = fopen(kit_path(kit, "began"), "r");
    assert_non_null(began);
    assert_int_equal(fscanf(began, "%d", &pid), 1);
    assert_int_equal(fclose(began), 0);
    kit_down(kit);
    kit->hold = RUN_HELD;
    kit_open(kit);
    list_run(kit, &run);
    assert_int_equal(kit_number(kit, "DELETE FROM runs RETURNING 1"), 1);
    kit_down(kit);
    kit->hold = RUN_FREE;
    kit_open(kit);
    assert_false(is_gone(kit, &pid));
    dispatch_tidy(kit->dispatch);
    kit_until(kit, is_gone, &pid);
    kit_until(kit, no_removals, NULL);
}

static int setup(void **state) {
    memset(seen.stuck, 0, sizeof seen.stuck);
    seen.tried[0] = 0;
    seen.tried[1] = 0;
    return kit_setup(state);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, kit_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(each_run_whose_folder_cannot_be_removed_has_its_own_tries),
        CASE(a_job_of_the_pool_removes_a_few_folders_only),
        CASE(what_lives_of_a_run_that_was_removed_is_ended_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
