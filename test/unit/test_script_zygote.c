/* The process that workers are forked from, and whoever loses it. With a toy for a body. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "scale.h"
#include "script_kit.h"

enum { MANY = 200, PATIENCE_MS = 5000 };

/* The zygote's time to answer is shortened where a test needs its end, and so are pauses. */
static bool impatient;
void __real_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer));
void __wrap_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer));
void __wrap_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer)) {
    bool is_long = after_ms >= 100 && after_ms <= PATIENCE_MS;
    __real_timer_start(loop, timer,
                       impatient && is_long ? (uint64_t)scaled_ms((int)after_ms / 20) : after_ms,
                       fire);
}

static void there_is_none_before_it_is_needed(void **state) {
    struct pen *pen = *state;
    struct scripts_stats stats;
    scripts_get_stats(pen->scripts, &stats);
    assert_int_equal(stats.zygotes, 0);
    struct ear ear;
    ear_start(&ear, pen);
    ear_ask(&ear, "e");
    (void)find_zygote();
    scripts_get_stats(pen->scripts, &stats);
    assert_int_equal(stats.zygotes, 1);
    ear_done(&ear);
}

static void a_worker_gives_way_to_the_daemon_and_the_zygote_does_not(void **state) {
    enum { NICEST = 19, BY = 5 };
    struct ear ear;
    pid_t worker = 0;
    ear_start(&ear, *state);
    ear_ask(&ear, "e");
    assert_int_equal(count_workers(&worker), 1);
    int ours = getpriority(PRIO_PROCESS, 0);
    assert_int_equal(getpriority(PRIO_PROCESS, (id_t)find_zygote()), ours);
    int nicer = ours + BY < NICEST ? ours + BY : NICEST;
    assert_int_equal(getpriority(PRIO_PROCESS, (id_t)worker), nicer);
    ear_done(&ear);
}

static void one_that_is_killed_takes_its_workers_along_and_is_replaced(void **state) {
    struct pen *pen = *state;
    struct ear ears[5], after;
    for (size_t i = 0; i < COUNT_OF(ears); i++) {
        ear_start(&ears[i], pen);
        ear_ask(&ears[i], "e");
    }
    pid_t zygote = find_zygote(), worker = 0;
    assert_int_equal(count_workers(&worker), COUNT_OF(ears));
    assert_int_equal(kill(zygote, SIGKILL), 0);
    for (size_t i = 0; i < COUNT_OF(ears); i++) {
        ear_wait_end(&ears[i], SCRIPT_LOST);
        ear_done(&ears[i]);
    }
    wait_until_gone(worker);
    assert_int_equal(pen->failures, 1);
    ear_start(&after, pen);
    ear_ask(&after, "eafter");
    ear_expect(&after, "eafter");
    ear_done(&after);
}

static void one_that_stands_still_is_replaced_and_who_waits_is_told(void **state) {
    struct pen *pen = *state;
    struct ear before, ears[MANY];
    ear_start(&before, pen);
    ear_ask(&before, "e");
    pid_t zygote = find_zygote();
    assert_int_equal(kill(zygote, SIGSTOP), 0);
    impatient = true;
    for (size_t i = 0; i < COUNT_OF(ears); i++) {
        ear_start(&ears[i], pen);
        ear_tell(&ears[i], "emine");
    }
    ear_wait_end(&before, SCRIPT_LOST);
    impatient = false;
    wait_until_gone(zygote);
    size_t lost = 0;
    for (size_t i = 0; i < COUNT_OF(ears); i++) {
        while (!ears[i].ended && ears[i].frames == 0) {
            pen_turn(pen);
        }
        lost += ears[i].ended;
        assert_true(!ears[i].ended || ears[i].end.kind == SCRIPT_LOST);
        ear_done(&ears[i]);
    }
    assert_in_range(lost, 1, 16); /* It was asked for so many; the others had time. */
    assert_int_equal(pen->failures, 1);
    ear_done(&before);
}

/* One that ends by itself is not waited for without end, either. */
static void an_end_that_nobody_tells_is_told(void **state) {
    struct pen *pen = *state;
    struct ear ear;
    pid_t pid = 0;
    ear_start(&ear, pen);
    ear_ask(&ear, "e");
    assert_int_equal(count_workers(&pid), 1);
    assert_int_equal(kill(find_zygote(), SIGSTOP), 0);
    impatient = true;
    ear_tell(&ear, "x0");
    ear_wait_end(&ear, SCRIPT_LOST);
    impatient = false;
    ear_done(&ear);
}

static void one_that_cannot_be_started_is_given_up_in_time(void **state) {
    struct pen *pen = *state;
    struct ear ears[3];
    scripts_close(pen->scripts);
    pen->scripts = pen_scripts(pen, "/there/is/none");
    impatient = true;
    for (size_t i = 0; i < COUNT_OF(ears); i++) {
        ear_start(&ears[i], pen);
        assert_false(ears[i].ended);
    }
    for (size_t i = 0; i < COUNT_OF(ears); i++) {
        ear_wait_end(&ears[i], SCRIPT_NOT_STARTED);
        ear_done(&ears[i]);
    }
    assert_int_equal(pen->failures, 5);
    assert_int_equal(pen->failure.os, ENOENT);
    ear_start(&ears[0], pen); /* The next one has one more try. */
    ear_wait_end(&ears[0], SCRIPT_NOT_STARTED);
    ear_done(&ears[0]);
    assert_int_equal(pen->failures, 6);
    impatient = false;
}

static void a_program_that_is_none_of_ours_is_given_up_in_time(void **state) {
    struct pen *pen = *state;
    struct ear ear;
    scripts_close(pen->scripts);
    pen->scripts = pen_scripts(pen, "/bin/true");
    impatient = true;
    ear_start(&ear, pen);
    pen_run_until(pen, &ear.ended);
    assert_true(ear.end.kind == SCRIPT_LOST || ear.end.kind == SCRIPT_NOT_STARTED);
    impatient = false;
    ear_done(&ear);
}

static void without_descriptors_it_is_told_and_not_started(void **state) {
    struct pen *pen = *state;
    struct rlimit before, none;
    struct ear ear;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 4;
    ear_start(&ear, pen);
    ear_ask(&ear, "e");
    ear_done(&ear);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    ear_start(&ear, pen);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    ear_tell(&ear, "enobody");
    assert_false(ear.ended);
    ear_wait_end(&ear, SCRIPT_NOT_STARTED);
    assert_int_equal(ear.end.number, EMFILE);
    ear_done(&ear);
}

/* A process that we have no descriptor of could not be ended when it must be. */
static void without_a_descriptor_for_its_process_it_does_not_live(void **state) {
    struct pen *pen = *state;
    struct rlimit before, none;
    struct ear first, ear;
    pid_t pid = 0;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 4;
    ear_start(&first, pen);
    ear_ask(&first, "e");
    ear_start(&ear, pen);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    pen_run_until(pen, &ear.ended);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(ear.end.kind, SCRIPT_NOT_STARTED);
    assert_int_equal(ear.end.number, EMFILE);
    while (count_workers(&pid) > 1) {
        ear_ask(&first, "e");
    }
    ear_done(&ear);
    ear_done(&first);
}

static void two_hundred_live_at_once(void **state) {
    struct pen *pen = *state;
    static struct ear ears[MANY];
    struct scripts_stats stats;
    pid_t pid = 0;
    for (size_t i = 0; i < COUNT_OF(ears); i++) {
        char order[16];
        ear_start(&ears[i], pen);
        (void)snprintf(order, sizeof order, "e%zu", i);
        ear_tell(&ears[i], order);
    }
    for (size_t i = 0; i < COUNT_OF(ears); i++) {
        char order[16];
        (void)snprintf(order, sizeof order, "e%zu", i);
        while (ears[i].frames == 0) {
            pen_turn(pen);
        }
        ear_expect(&ears[i], order);
    }
    scripts_get_stats(pen->scripts, &stats);
    assert_int_equal(stats.live, MANY);
    assert_int_equal(count_workers(&pid), MANY);
    for (size_t i = 0; i < COUNT_OF(ears); i++) {
        ear_done(&ears[i]);
    }
}

/* --- The daemon's death ----------------------------------------------------------------------- */

static void tell_pids(int to) {
    void *state = NULL;
    (void)pen_open(&state);
    struct ear ears[3];
    pid_t pids[4] = {0};
    for (size_t i = 0; i < COUNT_OF(ears); i++) {
        ear_start(&ears[i], state);
        ear_ask(&ears[i], "e");
        (void)count_workers(&pids[i]);
    }
    ear_tell(&ears[0], "s"); /* One that is not waiting for its socket. */
    pids[3] = find_zygote();
    (void)write(to, pids, sizeof pids);
    pause();
}

static void nobody_outlives_a_daemon_that_is_killed(void **state) {
    int pipe_fds[2], status = 0;
    pid_t pids[4];
    assert_int_equal(pipe(pipe_fds), 0);
    pid_t daemon = fork();
    if (daemon == 0) {
        tell_pids(pipe_fds[1]);
        _exit(1);
    }
    assert_int_equal(read(pipe_fds[0], pids, sizeof pids), sizeof pids);
    assert_int_equal(kill(daemon, SIGKILL), 0);
    assert_int_equal(waitpid(daemon, &status, 0), daemon);
    for (size_t i = 0; i < COUNT_OF(pids); i++) {
        assert_true(pids[i] > 0);
        wait_until_gone(pids[i]);
    }
    (void)close(pipe_fds[0]);
    (void)close(pipe_fds[1]);
}

static void one_that_finds_no_descriptor_waits_and_is_no_failure(void **state) {
    struct pen *pen = *state;
    struct rlimit before, none;
    struct scripts_stats stats = {.zygotes = 0};
    struct ear ear;
    ear_start(&ear, pen);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    while (!shortage_lasts(pen->shortage)) {
        pen_turn(pen);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    while (stats.zygotes == 0) {
        pen_turn(pen);
        scripts_get_stats(pen->scripts, &stats);
    }
    assert_int_equal(pen->failures, 0);
    ear_ask(&ear, "e");
    ear_done(&ear);
}

#define PEN(test) cmocka_unit_test_setup_teardown(test, pen_open, pen_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_outlives_a_daemon_that_is_killed),
        PEN(there_is_none_before_it_is_needed),
        PEN(a_worker_gives_way_to_the_daemon_and_the_zygote_does_not),
        PEN(one_that_is_killed_takes_its_workers_along_and_is_replaced),
        PEN(one_that_stands_still_is_replaced_and_who_waits_is_told),
        PEN(an_end_that_nobody_tells_is_told),
        PEN(one_that_cannot_be_started_is_given_up_in_time),
        PEN(a_program_that_is_none_of_ours_is_given_up_in_time),
        PEN(without_descriptors_it_is_told_and_not_started),
        PEN(without_a_descriptor_for_its_process_it_does_not_live),
        PEN(one_that_finds_no_descriptor_waits_and_is_no_failure),
        PEN(two_hundred_live_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
