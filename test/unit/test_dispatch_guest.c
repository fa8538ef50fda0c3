/* The dispatcher of a host whose daemon does not lead: it reads rows, and writes reports only. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/json/json.h"
#include "dispatch_kit.h"

#include "engine/host/reports.h"
#include "engine/run/local.h"

#define REPORTS "SELECT count(*) FROM host_reports"

/* How often the store still refuses a report, one with texts, a page, and a question, and the spool
 * a look at a folder; and how often the store was asked. Its threads count. */
static struct {
    atomic_uint puts_refused, texts_refused, pages_refused, moved_refused, looks_refused, puts,
        pages;
    atomic_bool bare;   /* The last report came without its result. */
    bool removes;       /* Rounds of removals come soon; never while a command begins: its holder
                         * has as long to claim its folder. */
    atomic_bool stays;  /* Folders cannot be removed; */
    atomic_uint stayed; /* so often one was tried. */
} seen;

/* Seconds between two walks, or two tries of a report, are long. */
void __real_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer));
void __wrap_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer));
void __wrap_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer)) {
    enum { REMOVALS_MS = 10 * 1000 };
    bool soon = (after_ms >= 1000 && after_ms <= 4000) || (after_ms == REMOVALS_MS && seen.removes);
    __real_timer_start(loop, timer, soon ? 5 : after_ms, fire);
}

struct err __real_tx_host_report_put(struct tx *tx, struct bytes place,
                                     const struct run_settle *settle);
struct err __wrap_tx_host_report_put(struct tx *tx, struct bytes place,
                                     const struct run_settle *settle);
struct err __wrap_tx_host_report_put(struct tx *tx, struct bytes place,
                                     const struct run_settle *settle) {
    seen.puts++;
    seen.bare = settle->result.len == 0;
    if (seen.puts_refused > 0) {
        seen.puts_refused--;
        return err_make(ERR_DISK_FULL, "test: report");
    }
    if (seen.texts_refused > 0 && settle->result.len > 0) {
        seen.texts_refused--;
        return err_make(ERR_TEXT_TOO_LONG, "test: report");
    }
    return __real_tx_host_report_put(tx, place, settle);
}

struct err __real_tx_run_here(struct tx *tx, struct bytes place, int64_t after,
                              struct run_here_page *ret_page);
struct err __wrap_tx_run_here(struct tx *tx, struct bytes place, int64_t after,
                              struct run_here_page *ret_page);
struct err __wrap_tx_run_here(struct tx *tx, struct bytes place, int64_t after,
                              struct run_here_page *ret_page) {
    seen.pages++;
    if (seen.pages_refused > 0) {
        seen.pages_refused--;
        return err_make(ERR_BUSY, "test: page");
    }
    return __real_tx_run_here(tx, place, after, ret_page);
}

struct err __real_tx_run_here_moved(struct tx *tx, const struct run_here *runs, size_t count,
                                    bool *ret_moved);
struct err __wrap_tx_run_here_moved(struct tx *tx, const struct run_here *runs, size_t count,
                                    bool *ret_moved);
struct err __wrap_tx_run_here_moved(struct tx *tx, const struct run_here *runs, size_t count,
                                    bool *ret_moved) {
    if (seen.moved_refused > 0) {
        seen.moved_refused--;
        return err_make(ERR_BUSY, "test: moved");
    }
    return __real_tx_run_here_moved(tx, runs, count, ret_moved);
}

struct err __real_spool_remove(const struct spool *spool, const char *name);
struct err __wrap_spool_remove(const struct spool *spool, const char *name);
struct err __wrap_spool_remove(const struct spool *spool, const char *name) {
    if (seen.stays) {
        seen.stayed++;
        return err_make(ERR_NO_PERMISSION, "test: remove");
    }
    return __real_spool_remove(spool, name);
}

struct err __real_spool_decide(const struct spool *spool, const char *name, enum spool_wish wish,
                               int64_t epoch, struct spool_state *ret_state);
struct err __wrap_spool_decide(const struct spool *spool, const char *name, enum spool_wish wish,
                               int64_t epoch, struct spool_state *ret_state);
struct err __wrap_spool_decide(const struct spool *spool, const char *name, enum spool_wish wish,
                               int64_t epoch, struct spool_state *ret_state) {
    if (wish == SPOOL_LOOK && seen.looks_refused > 0) {
        seen.looks_refused--;
        return err_from_errno(EMFILE, "test: look");
    }
    return __real_spool_decide(spool, name, wish, epoch, ret_state);
}

/* Three walks more have begun, so that two of them were whole. */
static void let_it_walk(struct kit *kit) {
    for (unsigned pages = seen.pages; seen.pages < pages + 3;) {
        (void)kit_number(kit, REPORTS);
    }
}

/* The daemon of a command that goes on does not lead any more. */
static struct kit_begun begin_away(struct kit *kit) {
    struct kit_begun begun = kit_begin_gated(kit);
    kit_down(kit);
    kit->guest = true;
    kit_open(kit);
    return begun;
}

static bool is_reported(struct kit *kit, void *ctx) {
    (void)ctx;
    return kit_number(kit, REPORTS) == 1;
}

static bool is_empty(struct kit *kit, void *ctx) {
    (void)ctx;
    return kit_stats(kit).live == 0;
}

static bool is_found(struct kit *kit, void *ctx) {
    (void)ctx;
    struct holders_stats stats;
    holders_get_stats(kit->holders, &stats);
    return stats.live == 1;
}

static void an_end_is_reported_and_waits_for_the_leader(void **state) {
    struct kit *kit = *state;
    struct kit_begun begun = begin_away(kit);
    kit_until(kit, is_found, NULL);
    kit_open_gate(kit);
    kit_until(kit, is_reported, NULL);
    let_it_walk(kit); /* It is seen again, and not taken for a new one. */
    assert_int_equal(seen.puts, 1);
    assert_int_equal(kit_stats(kit).live, 1);
    assert_int_equal(kit_row(kit, &begun.run)->state, RUN_RUNNING);
    kit_down(kit);
    kit->guest = false;
    kit_up(kit);
    const struct run_row *row = kit_end(kit, &begun.run);
    kit_assert_ended(row, RUN_FAILED, CAUSE_EXIT_CODE);
    assert_int_equal(row->exit_code, 3);
    assert_int_equal(row->attempt, begun.attempt);
}

static void a_report_that_was_lost_is_put_again(void **state) {
    struct kit *kit = *state;
    struct kit_begun begun = begin_away(kit);
    kit_open_gate(kit);
    kit_until(kit, is_reported, NULL);
    (void)kit_number(kit, "DELETE FROM host_reports RETURNING 1");
    kit_until(kit, is_reported, NULL);
    assert_int_equal(kit_stats(kit).reports_again, 1);
    assert_int_equal(kit_number(kit, REPORTS " WHERE report LIKE '%\"code\":3,%'"), 1);
    /* A report that only waits is not doubled, and the leader stores its end once. */
    while (kit_stats(kit).reports_again < 2) {
        let_it_walk(kit);
    }
    kit_until(kit, is_reported, NULL);
    kit_down(kit);
    kit->guest = false;
    kit_up(kit);
    const struct run_row *row = kit_end(kit, &begun.run);
    kit_assert_ended(row, RUN_FAILED, CAUSE_EXIT_CODE);
    assert_int_equal(row->attempt, begun.attempt);
}

static void what_the_store_cannot_take_now_is_reported_later(void **state) {
    struct kit *kit = *state;
    seen.puts_refused = 3;
    begin_away(kit);
    kit_open_gate(kit);
    kit_until(kit, is_reported, NULL);
    assert_int_equal(seen.puts, 4);
    assert_false(seen.bare);
}

static void a_report_that_is_too_long_goes_without_its_texts(void **state) {
    struct kit *kit = *state;
    seen.texts_refused = 1;
    begin_away(kit);
    kit_open_gate(kit);
    kit_until(kit, is_reported, NULL);
    assert_int_equal(seen.puts, 2);
    assert_true(seen.bare);
}

static void a_walk_that_fails_proves_nothing(void **state) {
    struct kit *kit = *state;
    struct kit_begun begun = begin_away(kit);
    kit_until(kit, is_found, NULL);
    seen.pages_refused = 2;
    let_it_walk(kit);
    assert_int_equal(kit_stats(kit).live, 1);
    assert_int_equal(kit_number(kit, REPORTS), 0);
    kit_open_gate(kit);
    kit_until(kit, is_reported, NULL);
    assert_int_equal(kit_row(kit, &begun.run)->state, RUN_RUNNING);
}

static void a_run_that_nobody_knows_goes_on(void **state) {
    struct kit *kit = *state;
    begin_away(kit);
    kit_until(kit, is_found, NULL);
    (void)kit_number(kit, "DELETE FROM runs RETURNING 1");
    let_it_walk(kit);
    assert_int_equal(kit_stats(kit).live, 1);
    assert_int_equal(kit_number(kit, REPORTS), 0);
    kit_open_gate(kit); /* So that nothing stays behind the test. */
    kit_until(kit, is_reported, NULL);
    kit_until(kit, is_empty, NULL);
}

static void what_was_given_up_is_ended(void **state) {
    struct kit *kit = *state;
    begin_away(kit);
    kit_until(kit, is_found, NULL);
    (void)kit_number(kit, "UPDATE runs SET state = 'lost', ended_ms = 1 RETURNING 1");
    kit_until(kit, is_empty, NULL); /* Its gate was never opened. */
    assert_int_equal(kit_number(kit, REPORTS), 1);
}

static void a_start_of_which_nothing_came_is_reported_as_such(void **state) {
    struct kit *kit = *state;
    kit->deaf = true; /* It was admitted, and its daemon was replaced before it began. */
    kit_shell(kit, "exit 0");
    kit_down(kit);
    kit->deaf = false;
    kit->guest = true;
    kit_open(kit);
    kit_until(kit, is_reported, NULL);
    assert_int_equal(kit_number(kit, REPORTS " WHERE report LIKE '%\"void\"%'"), 1);
}

static void what_the_leader_has_stored_is_forgotten(void **state) {
    struct kit *kit = *state;
    begin_away(kit);
    kit_open_gate(kit);
    kit_until(kit, is_reported, NULL);
    (void)kit_number(kit, "UPDATE runs SET state = 'failed', ended_ms = 1 RETURNING 1");
    kit_until(kit, is_empty, NULL);
}

enum left { LEFT_HOLDER, LEFT_TREE };

/* The rows of a copy may be older than what lives here. */
static void under_a_hold_nothing_that_was_given_up_is_ended(void **state) {
    enum { READS = 500 };
    struct kit *kit = *state;
    struct kit_begun begun = begin_away(kit);
    kit_down(kit);
    kit->guest = false;
    kit->hosts = RUN_HOSTS_SHARED;
    kit->hold = RUN_HELD;
    kit_open(kit);
    (void)kit_number(kit, "UPDATE runs SET state = 'lost', ended_ms = 1 RETURNING 1");
    kit_recover(kit);
    for (unsigned i = 0; i < READS; i++) {
        (void)kit_number(kit, REPORTS);
        assert_int_equal(kit_stats(kit).live, 0);
    }
    assert_true(process_lives(begun.pid));
    dispatch_release(kit->dispatch);
    kit_until(kit, kit_process_gone, &begun.pid);
}

#define REMOVE "DELETE FROM runs RETURNING 1"
#define REMOVAL                                                                                    \
    "INSERT INTO folder_removals (place, run, attempts) SELECT host, run, attempt"                 \
    " FROM runs WHERE true RETURNING 1"
static const char *const given_up[] = {"UPDATE runs SET state = 'lost', ended_ms = 1 RETURNING 1",
                                       NULL};
static const char *const unknown[] = {REMOVE, NULL};
static const char *const removed[] = {REMOVAL, REMOVE, NULL};

/* A command whose daemon went, whose rows were changed by `sql` while none was here, and the daemon
 * that stands by then. Its process. */
static pid_t begin_changed(struct kit *kit, const char *const *sql, enum left left) {
    struct kit_begun begun = begin_away(kit);
    seen.removes = sql == removed;
    kit_down(kit);
    if (left == LEFT_TREE) {
        kit_kill_holder(kit, &begun);
    }
    kit->guest = false;
    kit->hold = RUN_HELD;
    kit_open(kit);
    kit_change(kit, sql);
    kit_down(kit);
    kit->hold = RUN_FREE;
    kit->guest = true;
    assert_true(process_lives(begun.pid));
    kit_open(kit);
    return begun.pid;
}

static void what_was_given_up_meanwhile_is_ended_though_spool_and_store_fail_first(void **state) {
    struct kit *kit = *state;
    seen.moved_refused = seen.looks_refused = 2;
    pid_t pid = begin_changed(kit, given_up, LEFT_HOLDER);
    kit_until(kit, kit_process_gone, &pid);
    assert_int_equal(seen.moved_refused + seen.looks_refused, 0);
    kit_until(kit, is_empty, NULL);
}

static void what_a_dead_holder_left_of_a_run_that_was_given_up_is_ended(void **state) {
    struct kit *kit = *state;
    pid_t pid = begin_changed(kit, given_up, LEFT_TREE);
    kit_until(kit, kit_process_gone, &pid);
    kit_until(kit, is_empty, NULL);
}

static void what_a_dead_holder_left_of_a_run_that_nobody_knows_goes_on(void **state) {
    struct kit *kit = *state;
    pid_t pid = begin_changed(kit, unknown, LEFT_TREE);
    let_it_walk(kit);
    assert_true(process_lives(pid));
    kit_open_gate(kit);
    kit_until(kit, kit_process_gone, &pid);
}

static bool is_removed(struct kit *kit, void *ctx) {
    const struct kit_begun *begun = ctx;
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", spool_path(kit->place.spool),
                   kit_name(&begun->run, begun->attempt));
    return kit_no_removals(kit, NULL) && !file_exists(path);
}

static void folders_of_a_run_that_the_leader_removed_go(void **state) {
    struct kit *kit = *state;
    struct kit_begun begun = {.run = kit_shell(kit, "exit 0")};
    begun.attempt = kit_end(kit, &begun.run)->attempt;
    const char *name = kit_name(&begun.run, begun.attempt);
    assert_true(file_exists(place_path(&kit->place, name, "claim")));
    kit_down(kit);
    seen.removes = true;
    kit->guest = true;
    kit_open(kit);
    kit_change(kit, removed);
    kit_until(kit, is_removed, &begun);
}

static void what_lives_of_a_run_that_the_leader_removed_is_ended_first(void **state) {
    struct kit *kit = *state;
    pid_t pid = begin_changed(kit, removed, LEFT_HOLDER);
    kit_until(kit, kit_process_gone, &pid);
    kit_until(kit, kit_no_removals, NULL);
}

static void what_a_dead_holder_left_of_a_run_that_the_leader_removed_is_ended_first(void **state) {
    struct kit *kit = *state;
    pid_t pid = begin_changed(kit, removed, LEFT_TREE);
    kit_until(kit, kit_process_gone, &pid);
    kit_until(kit, kit_no_removals, NULL);
}

static void what_is_in_flight_of_a_run_that_the_leader_removed_is_stopped(void **state) {
    struct kit *kit = *state;
    struct kit_begun begun = begin_away(kit);
    kit_until(kit, is_found, NULL);
    kit_change(kit, removed);
    seen.removes = true;
    kit_down(kit);
    kit_open(kit);
    kit_until(kit, kit_process_gone, &begun.pid);
    kit_until(kit, is_removed, &begun);
    kit_until(kit, is_empty, NULL);
}

static void a_folder_that_cannot_be_removed_leaves_the_list_after_some_rounds(void **state) {
    struct kit *kit = *state;
    struct id run = kit_shell(kit, "exit 0");
    (void)kit_end(kit, &run);
    kit_down(kit);
    seen.removes = true;
    seen.stays = true;
    kit->guest = true;
    kit_open(kit);
    kit_change(kit, removed);
    kit_until(kit, kit_no_removals, NULL);
    assert_true(seen.stayed >= 7);
    assert_int_equal(kit->failures, 2); /* The first one, and the last. */
}

static int setup(void **state) {
    seen.puts_refused = seen.texts_refused = seen.pages_refused = seen.moved_refused = 0;
    seen.looks_refused = seen.puts = seen.pages = seen.stayed = 0;
    seen.removes = false, seen.stays = false;
    return kit_setup(state);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, kit_teardown)

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        CASE(an_end_is_reported_and_waits_for_the_leader),
        CASE(a_report_that_was_lost_is_put_again),
        CASE(what_the_store_cannot_take_now_is_reported_later),
        CASE(a_report_that_is_too_long_goes_without_its_texts),
        CASE(a_walk_that_fails_proves_nothing),
        CASE(a_run_that_nobody_knows_goes_on),
        CASE(what_was_given_up_is_ended),
        CASE(a_start_of_which_nothing_came_is_reported_as_such),
        CASE(what_the_leader_has_stored_is_forgotten),
        CASE(under_a_hold_nothing_that_was_given_up_is_ended),
        CASE(what_was_given_up_meanwhile_is_ended_though_spool_and_store_fail_first),
        CASE(what_a_dead_holder_left_of_a_run_that_was_given_up_is_ended),
        CASE(what_a_dead_holder_left_of_a_run_that_nobody_knows_goes_on),
        CASE(folders_of_a_run_that_the_leader_removed_go),
        CASE(what_lives_of_a_run_that_the_leader_removed_is_ended_first),
        CASE(what_a_dead_holder_left_of_a_run_that_the_leader_removed_is_ended_first),
        CASE(a_folder_that_cannot_be_removed_leaves_the_list_after_some_rounds),
        CASE(what_is_in_flight_of_a_run_that_the_leader_removed_is_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
