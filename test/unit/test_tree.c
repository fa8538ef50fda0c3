/* Trees without a holder: found by their mark and by descent, ended to the last one, and nobody
 * else touched. */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "proc/tree.h"
#include "proc_kit.h"
#include "scale.h"

enum { WAIT_MS = 60000 };

static unsigned polls;
int __real_poll(struct pollfd *fds, nfds_t count, int wait_ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int wait_ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int wait_ms) {
    polls++;
    return __real_poll(fds, count, wait_ms);
}

static struct tree_mark mark(void) {
    return (struct tree_mark){"run_a.1", nonce()};
}

/* The variable as `format` makes it of the nonce. The answer lives until the next call. */
static const char *variable(const char *format) {
    static char text[128];
    const char *at = strchr(format, '#');
    (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - format), format, nonce(), at + 1);
    return text;
}

static const char MARKED[] = "DROVER_RUN=run_a.1.#";
static const char PATH[] = "PATH=/usr/bin:/bin";

static int open_place(void **state) {
    struct place *place = calloc(1, sizeof *place);
    place_init(place);
    *state = place;
    return 0;
}

/* What was given to us when its parent died is collected, too. */
static int close_place(void **state) {
    const struct tree_mark ours = mark();
    struct tree_end end;
    assert_false(err_failed(tree_end(&ours, 1, (unsigned)scaled_ms(WAIT_MS), &end)));
    while (waitpid(-1, NULL, WNOHANG) > 0) {
    }
    place_done(*state);
    free(*state);
    return 0;
}

/* A marked shell that runs `script` in the test's folder. */
static pid_t start_script(const struct place *place, const char *script) {
    char full[1024];
    (void)snprintf(full, sizeof full, "cd %s && %s", place->dir, script);
    const char *const argv[] = {"/bin/sh", "-c", full, NULL};
    const char *const env[] = {PATH, variable(MARKED), NULL};
    return start_process(argv, env);
}

static pid_t start_sleeper(const char *format) {
    const char *const argv[] = {"sleep", "1000", NULL};
    const char *const env[] = {PATH, variable(format), NULL};
    return start_process(argv, env);
}

static pid_t pid_in(const struct place *place, const char *file) {
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", place->dir, file);
    return read_pid(path);
}

static unsigned count(void) {
    const struct tree_mark ours = mark();
    unsigned found = 0;
    assert_int_equal(tree_count(&ours, 1, &found).code, ERR_NONE);
    return found;
}

static struct tree_end end_all(void) {
    const struct tree_mark ours = mark();
    struct tree_end end = {77, 77};
    assert_int_equal(tree_end(&ours, 1, (unsigned)scaled_ms(WAIT_MS), &end).code, ERR_NONE);
    assert_int_equal(end.left, 0);
    assert_int_equal(count(), 0);
    return end;
}

static void a_tree_that_is_not_there_is_ended_at_once(void **state) {
    assert_int_equal(count(), 0);
    assert_int_equal(end_all().killed, 0);
}

static void a_marked_process_is_found_and_ended(void **state) {
    pid_t pid = start_sleeper(MARKED);
    assert_int_equal(count(), 1);
    assert_int_equal(end_all().killed, 1);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void of_many_trees_those_that_live_are_found(void **state) {
    enum { COUNT = 200 }; /* More than can be ended at once. */
    pid_t pid = start_sleeper(MARKED);
    struct tree_mark marks[COUNT];
    unsigned lives[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        marks[i] = (struct tree_mark){i == COUNT - 1 ? "run_a.1" : "run_b.1", nonce()};
    }
    assert_int_equal(tree_count(marks, COUNT, lives).code, ERR_NONE);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(lives[i], i == COUNT - 1);
    }
    end_process(pid);
    assert_int_equal(tree_count(marks, COUNT, lives).code, ERR_NONE);
    assert_int_equal(lives[COUNT - 1], 0);
}

static void a_tree_is_measured_with_its_descendants(void **state) {
    const struct tree_mark ours = mark();
    struct tree_use use, more = {.cpu_us = 0};
    pid_t other = start_sleeper("DROVER_RUN=run_b.1.#");
    assert_int_equal(tree_measure(&ours, &use).code, ERR_NONE);
    assert_int_equal(use.processes + use.cpu_us + use.memory, 0);
    pid_t sleeper = start_sleeper(MARKED);
    do { /* The kernel counts the first pages of a program only roughly. */
        assert_int_equal(tree_measure(&ours, &use).code, ERR_NONE);
        assert_int_equal(use.processes, 1);
    } while (use.memory == 0);
    pid_t shell = start_script(*state, "env -i sh -c 'while :; do :; done'; true");
    while (more.processes < 3 || more.cpu_us <= use.cpu_us || more.memory <= use.memory) {
        assert_int_equal(tree_measure(&ours, &more).code, ERR_NONE);
    }
    assert_int_equal(more.processes, 3);
    assert_int_equal(end_all().killed, 3);
    end_process(other);
    assert_int_equal(waitpid(sleeper, NULL, 0), sleeper);
    assert_int_equal(waitpid(shell, NULL, 0), shell);
}

static void processes_of_other_runs_are_not_touched(void **state) {
    static const char *const others[] = {
        "DROVER_RUN=run_a.10.#",       "DROVER_RUN=run_b.1.#",
        "DROVER_RUN=run_a.1.#0",       "DROVER_RUN=run_a.1.0#",
        "XDROVER_RUN=run_a.1.#",       "X=DROVER_RUN=run_a.1.#",
        "DROVER_RUN=run_a.1.# and so", "#",
    };
    pid_t pids[COUNT_OF(others)];
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        pids[i] = start_sleeper(others[i]);
    }
    pid_t ours = start_sleeper(MARKED);
    assert_int_equal(end_all().killed, 1);
    assert_false(process_lives(ours));
    end_process(ours);
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        assert_true(process_lives(pids[i]));
        end_process(pids[i]);
    }
}

static void a_grandchild_in_a_session_of_its_own_is_ended(void **state) {
    struct place *place = *state;
    /* The middle ones end, so nobody leads from us to it but its mark. */
    pid_t shell =
        start_script(place, "setsid sh -c 'sleep 1000 & echo $! >pid.new; mv pid.new pid'");
    pid_t grandchild = pid_in(place, "pid");
    int status = 0;
    assert_int_equal(waitpid(shell, &status, 0), shell);
    assert_true(process_lives(grandchild));
    assert_true(end_all().killed >= 1);
    assert_false(process_lives(grandchild));
}

static void a_descendant_that_cleared_its_environment_is_ended(void **state) {
    struct place *place = *state;
    pid_t shell = start_script(
        place,
        "env -i /bin/sh -c '/bin/sleep 1000 & echo $! >pid.new; /bin/mv pid.new pid; wait';:");
    pid_t grandchild = pid_in(place, "pid");
    assert_true(count() >= 3); /* `mv` may be about to end. */
    assert_true(end_all().killed >= 3);
    assert_false(process_lives(grandchild));
    assert_false(process_lives(shell));
}

static void one_that_is_stopped_and_one_that_ignores_signals_are_ended(void **state) {
    struct place *place = *state;
    pid_t stopped = start_sleeper(MARKED);
    assert_int_equal(kill(stopped, SIGSTOP), 0);
    pid_t deaf = start_script(place, "trap '' TERM INT HUP; echo 1 >deaf; sleep 1000; :");
    (void)pid_in(place, "deaf");
    (void)end_all();
    assert_false(process_lives(stopped));
    assert_false(process_lives(deaf));
}

static void hundreds_and_those_that_come_and_go_are_ended(void **state) {
    struct place *place = *state;
    (void)start_script(place, "i=0; while [ $i -lt 300 ]; do sleep 1000 & i=$((i+1)); done;"
                              "echo 1 >ready; wait");
    (void)pid_in(place, "ready");
    for (unsigned i = 0; i < 3; i++) {
        (void)start_script(place, "while [ -e ready ]; do /bin/true; done");
    }
    assert_true(end_all().killed >= 304);
}

static void many_trees_are_ended_at_once_and_each_has_its_count(void **state) {
    const struct tree_mark marks[] = {
        {"run_b.1", nonce()}, {"run_a.1", nonce()}, {"run_c.1", nonce()}};
    struct tree_end ends[COUNT_OF(marks)];
    pid_t other = start_sleeper("DROVER_RUN=run_d.1.#");
    pid_t pids[] = {start_sleeper("DROVER_RUN=run_b.1.#"), start_sleeper("DROVER_RUN=run_b.1.#"),
                    start_sleeper(MARKED)};
    assert_int_equal(tree_end(marks, COUNT_OF(marks), (unsigned)scaled_ms(WAIT_MS), ends).code,
                     ERR_NONE);
    assert_int_equal(ends[0].killed, 2);
    assert_int_equal(ends[1].killed, 1);
    assert_int_equal(ends[2].killed, 0);
    for (size_t i = 0; i < COUNT_OF(pids); i++) {
        assert_int_equal(ends[i].left, 0);
        end_process(pids[i]);
    }
    assert_true(process_lives(other));
    end_process(other);
}

/* Holders have no environment, and thousands of them may live. */
static void those_without_an_environment_are_not_waited_for(void **state) {
    enum { MANY = 60, LOOKS_MAX = 50 };
    const char *const argv[] = {"/bin/sleep", "1000", NULL};
    const char *const env[] = {NULL};
    pid_t pids[MANY];
    for (size_t i = 0; i < MANY; i++) {
        pids[i] = start_process(argv, env);
    }
    /* On a busy machine some of ours, or others beside us, may be in the middle of their execve for
     * many looks. Were those without an environment waited for, each look would wait for all. */
    unsigned looks = 0;
    do {
        polls = 0;
        (void)count();
        looks++;
    } while (polls >= MANY / 4 && looks < LOOKS_MAX);
    assert_true(polls < MANY / 4);
    for (size_t i = 0; i < MANY; i++) {
        end_process(pids[i]);
    }
}

static bool is_sanitized(void) {
    const char *sanitize = getenv("DROVER_SANITIZE");
    return sanitize != NULL && strcmp(sanitize, "none") != 0;
}

static void one_that_forks_and_ends_for_ever_is_caught(void **state) {
    enum { TRIES_MAX = 5 }; /* As often as the daemon tries. */
    struct place *place = *state;
    /* Each ends as soon as it has started the next, in a new session; a sanitized look is several
     * times slower, and so are they then. Were they not caught, the last would end with the test's
     * folder. */
    char path[128];
    (void)snprintf(path, sizeof path, "%s/hop", place->dir);
    put_text(path, is_sanitized() ? "#!/bin/sh\necho 1 >hopped\nsleep 0.03\nsetsid sh ./hop &\n"
                                  : "#!/bin/sh\necho 1 >hopped\nsetsid sh ./hop &\n");
    (void)start_script(place, "sh ./hop");
    (void)pid_in(place, "hopped");
    const struct tree_mark ours = mark();
    struct tree_end end = {.left = 1};
    for (int tries = 0; end.left > 0 && tries < TRIES_MAX; tries++) {
        assert_int_equal(tree_end(&ours, 1, (unsigned)scaled_ms(WAIT_MS), &end).code, ERR_NONE);
    }
    assert_int_equal(end.left, 0);
    assert_int_equal(count(), 0);
}

static void a_mark_behind_a_large_environment_is_found(void **state) {
    enum { LARGE = 100000 };
    char *large = malloc(LARGE);
    memset(large, 'x', LARGE - 1);
    large[LARGE - 1] = '\0';
    memcpy(large, "LARGE=", 6);
    const char *const argv[] = {"sleep", "1000", NULL};
    static char small[400][40];
    const char *env[COUNT_OF(small) + 4] = {PATH, large};
    for (size_t i = 0; i < COUNT_OF(small); i++) {
        (void)snprintf(small[i], sizeof small[i], "V%zu=%.*s", i, (int)(i % 30), large + 6);
        env[2 + i] = small[i];
    }
    env[2 + COUNT_OF(small)] = variable(MARKED);
    for (unsigned i = 0; i < 40; i++) { /* The mark at many places of a page. */
        large[LARGE - 1 - 37 * i] = '\0';
        pid_t pid = start_process(argv, env);
        assert_int_equal(end_all().killed, 1);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
    }
    free(large);
}

/* posix_spawn returns in the middle of its child's execve, when there is no environment at all. */
static void processes_that_are_just_being_started_are_found(void **state) {
    for (unsigned i = 0; i < 200; i++) {
        pid_t pid = start_sleeper(MARKED);
        assert_int_equal(count(), 1);
        end_process(pid);
    }
}

static void a_start_time_is_that_of_a_process(void **state) {
    struct process_stat ours, sleepers, untouched = {.start_time = 7};
    pid_t pid = start_sleeper(MARKED);
    assert_true(process_stat(getpid(), &ours));
    assert_true(process_stat(pid, &sleepers));
    assert_true(sleepers.start_time >= ours.start_time);
    end_process(pid);
    assert_false(process_stat(pid, &untouched));
    assert_int_equal(untouched.start_time, 7);
}

#define PLACED(test) cmocka_unit_test_setup_teardown(test, open_place, close_place)

int main(void) {
    /* As the daemon is: what loses its parent becomes our child, and no child of a shell's. */
    if (prctl(PR_SET_CHILD_SUBREAPER, 1UL, 0UL, 0UL, 0UL) != 0) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        PLACED(a_tree_that_is_not_there_is_ended_at_once),
        PLACED(a_marked_process_is_found_and_ended),
        PLACED(of_many_trees_those_that_live_are_found),
        PLACED(a_tree_is_measured_with_its_descendants),
        PLACED(processes_of_other_runs_are_not_touched),
        PLACED(a_grandchild_in_a_session_of_its_own_is_ended),
        PLACED(a_descendant_that_cleared_its_environment_is_ended),
        PLACED(one_that_is_stopped_and_one_that_ignores_signals_are_ended),
        PLACED(hundreds_and_those_that_come_and_go_are_ended),
        PLACED(many_trees_are_ended_at_once_and_each_has_its_count),
        PLACED(those_without_an_environment_are_not_waited_for),
        PLACED(one_that_forks_and_ends_for_ever_is_caught),
        PLACED(a_mark_behind_a_large_environment_is_found),
        PLACED(processes_that_are_just_being_started_are_found),
        PLACED(a_start_time_is_that_of_a_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
