/* The process that holders are forked from, with the real program. */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json/json.h"
#include "custody_kit.h"
#include "scale.h"

enum { WAIT_MS = 20000, STEP_MS = 5, MANY = 300 };
/* CLAIM_MS is the wait for a claim in holder.c. Of MANY holders on a busy machine the last one may
 * take longer, so tests wait for as long as they wait for anything; a test that needs the end of
 * that wait shortens it. */
enum { CLAIM_MS = 10000, CLAIM_LONG_MS = 60000, CLAIM_SHORT_MS = 200 };
static bool impatient;
void __real_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer));
void __wrap_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer));
void __wrap_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer)) {
    int claim_ms = scaled_ms(impatient ? CLAIM_SHORT_MS : CLAIM_LONG_MS);
    __real_timer_start(loop, timer, after_ms == CLAIM_MS ? (uint64_t)claim_ms : after_ms, fire);
}

/* --- Looking ---------------------------------------------------------------------------------- */

static size_t read_proc(const char *pid, const char *file, char *text, size_t size) {
    char path[300];
    (void)snprintf(path, sizeof path, "/proc/%s/%s", pid, file);
    FILE *opened = fopen(path, "re");
    if (opened == NULL) {
        return 0;
    }
    size_t len = fread(text, 1, size - 1, opened);
    (void)fclose(opened);
    text[len] = '\0';
    return len;
}

/* A nursery and its spare have this first argument. A holder has wiped it. */
static bool is_named_nursery(const char *pid) {
    static const char wanted[] = "drover-holder\0nursery";
    char line[256];
    return read_proc(pid, "cmdline", line, sizeof line) == sizeof wanted &&
           memcmp(line, wanted, sizeof wanted) == 0;
}

/* Children of this test whose first argument is the nursery's. */
static unsigned count_nurseries(pid_t *ret_pid) {
    DIR *proc = opendir("/proc");
    assert_non_null(proc);
    unsigned count = 0;
    for (const struct dirent *entry; (entry = readdir(proc)) != NULL;) {
        char stat[1024];
        int parent = 0;
        bool is_one = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
                      is_named_nursery(entry->d_name) &&
                      read_proc(entry->d_name, "stat", stat, sizeof stat) > 0 &&
                      sscanf(strrchr(stat, ')'), ") %*c %d", &parent) == 1 && parent == getpid();
        if (is_one) {
            count++;
            *ret_pid = (pid_t)strtol(entry->d_name, NULL, 10);
        }
    }
    (void)closedir(proc);
    return count;
}

/* In the middle of execve it shows nothing of itself, and one that was killed may be there still:
 * one look is not enough. */
static pid_t the_nursery(void) {
    pid_t pid = 0;
    for (int waited = 0; count_nurseries(&pid) != 1; waited += STEP_MS) {
        assert_true(waited < scaled_ms(WAIT_MS));
        (void)poll(NULL, 0, STEP_MS);
    }
    return pid;
}

static void wait_until_gone(pid_t pid) {
    for (int waited = 0; process_lives(pid); waited += STEP_MS) {
        assert_true(waited < scaled_ms(WAIT_MS));
        (void)poll(NULL, 0, STEP_MS); /* A stranger's end tells nobody. */
    }
}

/* The spare, which the nursery makes as soon as the one before has an order. A holder that has
 * reported its end may still be a child of the nursery. */
static pid_t wait_for_spare(pid_t nursery) {
    char pid[16], file[64];
    (void)snprintf(pid, sizeof pid, "%d", nursery);
    (void)snprintf(file, sizeof file, "task/%d/children", nursery);
    for (int waited = 0;; waited += STEP_MS) {
        char children[256] = "", *rest = NULL;
        (void)read_proc(pid, file, children, sizeof children); /* Nothing: none. */
        for (char *child = strtok_r(children, " ", &rest); child != NULL;
             child = strtok_r(NULL, " ", &rest)) {
            if (is_named_nursery(child)) {
                return (pid_t)strtol(child, NULL, 10);
            }
        }
        assert_true(waited < scaled_ms(WAIT_MS));
        (void)poll(NULL, 0, STEP_MS); /* A stranger's child tells nobody. */
    }
}

static void start_named(struct yard *yard, const char *name, const char *script,
                        struct heard *heard) {
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    struct holder_order order = shell_order(yard, argv);
    order.name = name;
    start_order(yard, &order, heard);
}

/* --- Tests ------------------------------------------------------------------------------------ */

static void there_is_none_before_the_first_start_and_then_one(void **state) {
    struct yard *yard = *state;
    struct heard heard[3];
    pid_t pid = 0;
    assert_int_equal(count_nurseries(&pid), 0);
    for (size_t i = 0; i < COUNT_OF(heard); i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "run_%zu.1", i);
        start_named(yard, name, "exit 4", &heard[i]);
        pid = the_nursery();
    }
    for (size_t i = 0; i < COUNT_OF(heard); i++) {
        yard_run_until(yard, &heard[i].ended);
        assert_int_equal(heard[i].end, HOLDER_EXITED);
        assert_int_equal(heard[i].exit.code, 4);
    }
    assert_int_equal(the_nursery(), pid); /* Those that it made did not look like it. */
}

static void it_ends_with_the_daemon_and_its_holders_go_on(void **state) {
    struct yard *yard = *state;
    struct heard heard;
    start_shell(yard, "echo up; while [ ! -e go ]; do sleep 0.02; done; exit 6", &heard);
    yard_run_until(yard, &heard.grown);
    pid_t nursery = the_nursery();
    yard_reopen(yard);
    wait_until_gone(nursery);
    adopt(yard, &heard);
    put_yard_file(yard, "go");
    yard_run_until(yard, &heard.ended);
    assert_int_equal(heard.end, HOLDER_EXITED);
    assert_int_equal(heard.exit.code, 6);
}

static void one_that_is_killed_is_replaced(void **state) {
    struct yard *yard = *state;
    struct heard before, after;
    start_shell(yard, "echo up; while [ ! -e go ]; do sleep 0.02; done; exit 6", &before);
    yard_run_until(yard, &before.grown);
    pid_t nursery = the_nursery();
    assert_int_equal(kill(nursery, SIGKILL), 0);
    wait_until_gone(nursery);
    start_named(yard, "run_b.1", "exit 7", &after); /* Nobody has collected it yet. */
    yard_run_until(yard, &after.ended);
    assert_int_equal(after.end, HOLDER_EXITED);
    assert_int_equal(after.exit.code, 7);
    put_yard_file(yard, "go");
    yard_run_until(yard, &before.ended);
    assert_int_equal(before.end, HOLDER_EXITED);
    assert_int_equal(before.exit.code, 6);
}

static void one_that_stands_still_is_ended_and_what_it_was_told_is_lost(void **state) {
    struct yard *yard = *state;
    struct heard first, spare, waiting, after;
    start_named(yard, "run_b.1", "exit 0", &first);
    yard_run_until(yard, &first.ended);
    pid_t nursery = the_nursery();
    (void)wait_for_spare(nursery);
    assert_int_equal(kill(nursery, SIGSTOP), 0);
    start_named(yard, "run_s.1", "exit 3", &spare);
    yard_run_until(yard, &spare.ended);
    assert_int_equal(spare.exit.code, 3);
    impatient = true;
    start_shell(yard, "touch ran", &waiting);
    yard_run_until(yard, &waiting.ended);
    impatient = false;
    assert_int_equal(waiting.end, HOLDER_LOST);
    assert_false(waiting.has_exit);
    wait_until_gone(nursery);
    start_named(yard, "run_c.1", "exit 8", &after);
    yard_run_until(yard, &after.ended);
    assert_int_equal(after.exit.code, 8);
    assert_false(file_exists(yard_file(yard, "ran")));
    assert_int_equal(look(yard).found, SPOOL_NONE); /* Nobody has decided: the daemon may. */
}

/* More at once than its queue takes: the others are started as programs of their own. */
static void one_that_stands_still_does_not_keep_all_others(void **state) {
    struct yard *yard = *state;
    static struct heard heard[MANY];
    start_named(yard, "run_b.1", "exit 0", &heard[0]);
    yard_run_until(yard, &heard[0].ended);
    const pid_t nursery = the_nursery();
    assert_int_equal(kill(nursery, SIGSTOP), 0);
    for (unsigned i = 0; i < MANY; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "run_%u.1", i);
        start_named(yard, name, "exit 9", &heard[i]);
    }
    yard_run_until(yard, &heard[MANY - 1].ended);
    assert_int_equal(heard[MANY - 1].exit.code, 9);
    /* By its pid: a holder that begins by itself has the same first argument for a moment. */
    assert_int_equal(kill(nursery, SIGCONT), 0);
    for (unsigned i = 0; i < MANY; i++) {
        yard_run_until(yard, &heard[i].ended);
        assert_int_equal(heard[i].end, HOLDER_EXITED);
        assert_int_equal(heard[i].exit.code, 9);
    }
}

static void a_spare_that_is_killed_is_replaced(void **state) {
    struct yard *yard = *state;
    struct heard first, after;
    start_named(yard, "run_b.1", "exit 0", &first);
    yard_run_until(yard, &first.ended);
    pid_t nursery = the_nursery();
    for (unsigned i = 0; i < 3; i++) {
        pid_t spare = wait_for_spare(nursery);
        assert_int_equal(kill(spare, SIGKILL), 0);
        wait_until_gone(spare);
    }
    start_named(yard, "run_c.1", "exit 8", &after);
    yard_run_until(yard, &after.ended);
    assert_int_equal(after.end, HOLDER_EXITED);
    assert_int_equal(after.exit.code, 8);
    assert_int_equal(the_nursery(), nursery);
}

static void what_kept_a_holder_from_its_claim_is_told(void **state) {
    struct yard *yard = *state;
    struct heard heard;
    put_text(place_path(&yard->place, NAME, "lock"), "");
    assert_int_equal(unlink(place_path(&yard->place, NAME, "lock")), 0);
    assert_int_equal(mkdir(place_path(&yard->place, NAME, "lock"), 0700), 0);
    start_shell(yard, "touch ran", &heard);
    yard_run_until(yard, &heard.ended);
    assert_int_equal(heard.end, HOLDER_LOST);
    assert_true(heard.has_exit);
    assert_int_equal(heard.exit.end, EXIT_NOT_STARTED);
    assert_int_equal(heard.exit.os, EISDIR);
    assert_string_equal(heard.exit.step, "holder");
    assert_false(file_exists(yard_file(yard, "ran")));
}

#define YARD(test) cmocka_unit_test_setup_teardown(test, yard_open, yard_close)

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        YARD(there_is_none_before_the_first_start_and_then_one),
        YARD(it_ends_with_the_daemon_and_its_holders_go_on),
        YARD(one_that_is_killed_is_replaced),
        YARD(one_that_stands_still_is_ended_and_what_it_was_told_is_lost),
        YARD(one_that_stands_still_does_not_keep_all_others),
        YARD(a_spare_that_is_killed_is_replaced),
        YARD(what_kept_a_holder_from_its_claim_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
