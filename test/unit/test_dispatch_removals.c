/* test_dispatch_removals.c: folders of runs that were removed, listed until they are gone. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dispatch/base/pool.h"
#include "dispatch/run/retention.h"
#include "dispatch_kit.h"
#include "proc/tree.h"

/* Folders that cannot be removed, and how often each was tried. The pool counts. */
enum { STUCK_MAX = 2 };
static struct {
    char stuck[STUCK_MAX][64];
    atomic_uint tried[STUCK_MAX];
    atomic_uint looked, looked_most; /* Folders of a job of the pool. */
    atomic_uint looks_refused;       /* Looks at a folder that fail yet; */
    atomic_uint trees_kept;          /* and trees that the system does not release yet. */
    char living[64];                 /* Folder of an attempt of which something lives, */
    atomic_bool lives;               /* since its tree was not ended yet. */
    atomic_bool removed_alive;       /* The folder was to be removed while it did. */
    bool soon;                       /* Rounds come soon; never while a command begins: its holder
                                      * has as long to claim its folder. */
} seen;

/* Seconds between two rounds are long. */
void __real_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer));
void __wrap_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer));
void __wrap_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer)) {
    bool soon = seen.soon && (after_ms == 1000 || after_ms == 10 * 1000);
    __real_timer_start(loop, timer, soon ? 5 : after_ms, fire);
}

struct err __real_spool_remove(const struct spool *spool, const char *name);
struct err __wrap_spool_remove(const struct spool *spool, const char *name);
struct err __wrap_spool_remove(const struct spool *spool, const char *name) {
    seen.looked++;
    seen.removed_alive = seen.removed_alive || (seen.lives && strcmp(seen.living, name) == 0);
    for (size_t i = 0; i < STUCK_MAX; i++) {
        if (strcmp(seen.stuck[i], name) == 0) {
            seen.tried[i]++;
            return err_make(ERR_NO_PERMISSION, "test: remove");
        }
    }
    return __real_spool_remove(spool, name);
}

struct err __real_spool_decide(const struct spool *spool, const char *name, enum spool_wish wish,
                               int64_t epoch, struct spool_state *ret_state);
struct err __wrap_spool_decide(const struct spool *spool, const char *name, enum spool_wish wish,
                               int64_t epoch, struct spool_state *ret_state);
struct err __wrap_spool_decide(const struct spool *spool, const char *name, enum spool_wish wish,
                               int64_t epoch, struct spool_state *ret_state) {
    if (wish == SPOOL_LOOK && seen.looks_refused > 0 && strcmp(seen.living, name) == 0) {
        seen.looks_refused--;
        *ret_state = (struct spool_state){.found = SPOOL_NONE};
        return err_from_errno(EMFILE, "test: look");
    }
    return __real_spool_decide(spool, name, wish, epoch, ret_state);
}

struct err __real_tree_end(const struct tree_mark *marks, size_t count, unsigned wait_ms,
                           struct tree_end *ret_ends);
struct err __wrap_tree_end(const struct tree_mark *marks, size_t count, unsigned wait_ms,
                           struct tree_end *ret_ends);
struct err __wrap_tree_end(const struct tree_mark *marks, size_t count, unsigned wait_ms,
                           struct tree_end *ret_ends) {
    if (seen.trees_kept > 0 && strcmp(seen.living, marks[0].name) == 0) {
        seen.trees_kept--;
        ret_ends[0] = (struct tree_end){.left = 1};
        return ERR_OK;
    }
    struct err err = __real_tree_end(marks, count, wait_ms, ret_ends);
    seen.lives = seen.lives && (err_failed(err) || strcmp(marks[0].name, seen.living) != 0);
    return err;
}

void __real_pool_add(struct pool *pool, struct pool_job *job);
void __wrap_pool_add(struct pool *pool, struct pool_job *job);
void __wrap_pool_add(struct pool *pool, struct pool_job *job) {
    seen.looked_most = seen.looked > seen.looked_most ? seen.looked : seen.looked_most;
    seen.looked = 0;
    __real_pool_add(pool, job);
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
    seen.soon = true;
    list_run(kit, &runs[0]);
    retention_wake(kit->dispatch);
    kit_until(kit, is_tried_some_times, NULL);
    assert_int_equal(seen.tried[1], 0);
    list_run(kit, &runs[1]);
    retention_wake(kit->dispatch); /* The first may have been given up meanwhile. */
    kit_until(kit, kit_no_removals, NULL);
    assert_int_equal(seen.tried[0], TRIES);
    assert_int_equal(seen.tried[1], TRIES);
    assert_int_equal(kit->failures, 3); /* The first one, and the last of each. */
}

/* The one that is stuck has a folder for each of many attempts, as the row says. */
static void a_job_of_the_pool_removes_a_few_folders_only(void **state) {
    enum { ATTEMPTS = 40, FOLDERS_MAX = 16 };
    struct kit *kit = *state;
    struct id run = ended_run(kit);
    seen.soon = true;
    list_run(kit, &run);
    char sql[128];
    (void)snprintf(sql, sizeof sql, "UPDATE folder_removals SET attempts = %d RETURNING 1",
                   ATTEMPTS);
    (void)kit_number(kit, sql);
    seen.looked = seen.looked_most = 0;
    retention_wake(kit->dispatch);
    kit_until(kit, kit_no_removals, NULL);
    assert_int_equal(seen.looked_most, FOLDERS_MAX);
}

enum left { LEFT_HOLDER, LEFT_TREE };

/* The daemon of a run that goes on, while its row says that it has ended, and is removed. It cannot
 * be, but for a defect or an accident. */
static struct kit_begun begin_removed(struct kit *kit, enum left left) {
    struct kit_begun begun = kit_begin_gated(kit);
    kit_down(kit);
    if (left == LEFT_TREE) {
        kit_kill_holder(kit, &begun);
    }
    kit->hold = RUN_HELD;
    kit_open(kit);
    list_run(kit, &begun.run);
    assert_int_equal(kit_number(kit, "DELETE FROM runs RETURNING 1"), 1);
    kit_down(kit);
    kit->hold = RUN_FREE;
    seen.soon = true;
    kit_open(kit);
    assert_true(process_lives(begun.pid));
    (void)snprintf(seen.living, sizeof seen.living, "%s", kit_name(&begun.run, begun.attempt));
    seen.lives = true;
    return begun;
}

/* Rounds until nothing is listed: what lives is ended before its folder goes. */
static void assert_ends_first(struct kit *kit, struct kit_begun begun) {
    retention_wake(kit->dispatch);
    kit_until(kit, kit_no_removals, NULL);
    assert_false(seen.removed_alive);
    assert_false(seen.lives);
    kit_until(kit, kit_process_gone, &begun.pid);
}

static void what_lives_of_a_run_that_was_removed_is_ended_first(void **state) {
    struct kit *kit = *state;
    assert_ends_first(kit, begin_removed(kit, LEFT_HOLDER));
    assert_int_equal(kit->failures, 0);
}

static void a_tree_that_the_system_keeps_has_not_ended(void **state) {
    struct kit *kit = *state;
    seen.trees_kept = 2;
    assert_ends_first(kit, begin_removed(kit, LEFT_TREE));
    assert_int_equal(seen.trees_kept, 0);
    assert_int_equal(kit->failures, 0); /* No fault of the folder: the tries are not counted. */
}

static void a_folder_that_cannot_be_looked_at_stays_with_what_lives_of_it(void **state) {
    struct kit *kit = *state;
    struct kit_begun begun = begin_removed(kit, LEFT_TREE);
    seen.looks_refused = 2;
    assert_ends_first(kit, begun);
    assert_int_equal(seen.looks_refused, 0);
    assert_int_equal(kit->failures, 1); /* The first refused look. */
}

static int setup(void **state) {
    memset(seen.stuck, 0, sizeof seen.stuck);
    seen.tried[0] = 0;
    seen.tried[1] = 0;
    seen.looks_refused = seen.trees_kept = 0;
    seen.lives = seen.soon = false;
    seen.removed_alive = false;
    return kit_setup(state);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, kit_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(each_run_whose_folder_cannot_be_removed_has_its_own_tries),
        CASE(a_job_of_the_pool_removes_a_few_folders_only),
        CASE(what_lives_of_a_run_that_was_removed_is_ended_first),
        CASE(a_tree_that_the_system_keeps_has_not_ended),
        CASE(a_folder_that_cannot_be_looked_at_stays_with_what_lives_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
