/* Holders that do not do what they are told: stopped by their own commands, without a socket, or
 * with one that hangs up. A stop ends everything all the same, and in time. */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json/json.h"
#include "dispatch/job/flight.h"
#include "dispatch_kit.h"
#include "proc/tree.h"
#include "scale.h"

enum {
    GRACE_MS = 1000, /* Of kit_stop. */
    IN_TIME_MS = GRACE_MS + 1000,
    SLOW_MACHINE_MS = 3000, /* A sanitized build beside others. */
    WATCH_MS = 1500,
    HANG_UPS_MIN = 3,
    HANG_UPS_MAX = 12, /* In that time, if each wait is longer than the one before. */
};

static int64_t now_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct script {
    const char *before, *after; /* It says its pid. */
};

/* Goes on for ever behind its script. */
static struct id start_script(struct kit *kit, const struct script *script, bool once) {
    char spec[1024];
    (void)snprintf(
        spec, sizeof spec,
        "{\"shell\":\"%s; echo $$ > %s.new; mv %s.new %s; %s; while :; do sleep 1; done\"}",
        script->before, kit_path(kit, "pid"), kit_path(kit, "pid"), kit_path(kit, "pid"),
        script->after);
    struct id run = kit_submit(kit, &(struct kit_job){.spec = spec, .once = once});
    kit_until_file(kit, kit_path(kit, "pid"));
    return run;
}

static struct id start(struct kit *kit, const char *script) {
    return start_script(kit, &(struct script){":", script}, false);
}

/* What it does on SIGTERM is set when this is back. */
static struct id start_trap(struct kit *kit, const char *trap) {
    return start_script(kit, &(struct script){trap, ":"}, false);
}

/* Its holder stands still when this is back. */
static struct id start_and_stop_holder(struct kit *kit, bool once) {
    return start_script(kit, &(struct script){"kill -STOP $PPID", ":"}, once);
}

static void stop_in_time(struct kit *kit, const struct id *run) {
    int64_t began_ms = now_ms();
    kit_stop(kit, run);
    (void)kit_end(kit, run);
    assert_in_range(now_ms() - began_ms, 0, IN_TIME_MS + scaled_ms(SLOW_MACHINE_MS));
    assert_false(process_lives(read_pid(kit_path(kit, "pid"))));
}

/* --- A command against its holder ------------------------------------------------------------- */

static void a_command_that_stops_its_holder_is_ended_all_the_same(void **state) {
    struct kit *kit = *state;
    struct id run = start_and_stop_holder(kit, false);
    stop_in_time(kit, &run);
    kit_assert_ended(kit_row(kit, &run), RUN_CANCELLED, CAUSE_STOPPED);
}

static void what_runs_once_has_an_unknown_outcome_then(void **state) {
    struct kit *kit = *state;
    struct id run = start_and_stop_holder(kit, true);
    stop_in_time(kit, &run);
    kit_assert_ended(kit_row(kit, &run), RUN_LOST, CAUSE_OUTCOME_UNKNOWN);
}

static void a_holder_that_is_stopped_by_the_request_itself_is_noticed(void **state) {
    struct kit *kit = *state;
    struct id run = start_trap(kit, "trap 'kill -STOP $PPID' TERM");
    stop_in_time(kit, &run);
    kit_assert_ended(kit_row(kit, &run), RUN_CANCELLED, CAUSE_STOPPED);
}

static void one_that_the_next_daemon_finds_stopped_is_ended_too(void **state) {
    struct kit *kit = *state;
    struct id run = start_and_stop_holder(kit, false);
    kit_down(kit);
    kit_up(kit);
    stop_in_time(kit, &run);
    kit_assert_ended(kit_row(kit, &run), RUN_CANCELLED, CAUSE_STOPPED);
}

static void a_command_that_kills_its_holder_is_lost_and_ended(void **state) {
    struct kit *kit = *state;
    struct id run = start(kit, "setsid sleep 1000 & kill -KILL $PPID");
    kit_assert_ended(kit_end(kit, &run), RUN_LOST, CAUSE_HOLDER_KILLED);
    assert_false(process_lives(read_pid(kit_path(kit, "pid"))));
}

/* The end is the holder's word then, and says how it came. */
static void a_holder_that_listens_ends_its_command_itself(void **state) {
    struct kit *kit = *state;
    struct id run = start_trap(kit, "trap '' TERM");
    stop_in_time(kit, &run);
    const struct run_row *row = kit_row(kit, &run);
    kit_assert_ended(row, RUN_CANCELLED, CAUSE_STOPPED);
    assert_non_null(memmem(row->result.data, row->result.len, "\"signal\":9", 10));
}

/* --- A command against its folder ------------------------------------------------------------- */

/* In the folder of its own attempt. */
static struct id start_in_folder(struct kit *kit, const char *script, bool once) {
    char spec[1024];
    (void)snprintf(spec, sizeof spec,
                   "{\"shell\":\"cd $DROVER_DATA/spool; me=$DROVER_IDEMPOTENCY_KEY; %s\","
                   "\"retry\":{\"max\":3,\"on\":[\"failed\"],\"backoff\":0}}",
                   script);
    return kit_submit(kit, &(struct kit_job){.spec = spec, .once = once});
}

static void a_folder_in_place_of_the_result_does_not_hide_it(void **state) {
    struct kit *kit = *state;
    struct id run = start_in_folder(kit, "mkdir $me.1/exit.json; touch $me.1/exit.json/x", false);
    kit_assert_ended(kit_end(kit, &run), RUN_SUCCEEDED, CAUSE_COMPLETED);
}

static void a_result_whose_room_was_removed_is_there_all_the_same(void **state) {
    struct kit *kit = *state;
    struct id run = start_in_folder(kit, "rm $me.1/exit.json.tmp", false);
    kit_assert_ended(kit_end(kit, &run), RUN_SUCCEEDED, CAUSE_COMPLETED);
}

static void what_takes_the_place_of_the_next_folder_costs_that_attempt(void **state) {
    struct kit *kit = *state;
    struct id run =
        start_in_folder(kit, "[ $DROVER_ATTEMPT = 1 ] || exit 0; touch $me.2; exit 1", false);
    const struct run_row *row = kit_end(kit, &run);
    kit_assert_ended(row, RUN_SUCCEEDED, CAUSE_COMPLETED);
    assert_int_equal(row->attempt, 3);
}

static void a_command_that_removes_its_folder_ends_as_itself_and_is_not_begun_again(void **state) {
    struct kit *kit = *state;
    char script[256];
    (void)snprintf(script, sizeof script, "echo ran >> %s; rm -rf $me.1", kit_path(kit, "count"));
    struct id run = start_in_folder(kit, script, true);
    kit_assert_ended(kit_end(kit, &run), RUN_SUCCEEDED, CAUSE_COMPLETED);
    char text[64];
    read_text(kit_path(kit, "count"), text, sizeof text);
    assert_string_equal(text, "ran\n");
}

static void a_command_that_puts_a_file_there_is_lost_and_ended(void **state) {
    struct kit *kit = *state;
    char script[256];
    (void)snprintf(script, sizeof script,
                   "rm -rf $me.1; touch $me.1; setsid sleep 1000 & kill -KILL $PPID");
    struct id run = start_in_folder(kit, script, false);
    kit_assert_ended(kit_end(kit, &run), RUN_LOST, CAUSE_OUTPUT_GONE);
    const struct tree_mark mark = {kit_name(&run, 1), ""};
    unsigned left = 7;
    assert_int_equal(tree_count(&mark, 1, &left).code, ERR_NONE);
    assert_int_equal(left, 0);
}

/* --- A socket that hangs up ------------------------------------------------------------------- */

/* In a process of its own, until it is killed: has the lock and the claim, and closes each link as
 * soon as it is there. */
static void hang_up_for_ever(const struct kit *kit, const char *name, volatile unsigned *count) {
    (void)close_range(STDERR_FILENO + 1, ~0U, 0); /* The claim on the data directory, too. */
    (void)hold_lock(&kit->place, name);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s",
                   place_path(&kit->place, name, "sock"));
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (const struct sockaddr *)&address, sizeof address) < 0 ||
        listen(listener, 16) < 0) {
        _exit(1);
    }
    put_claim(&kit->place, name, getpid(), NULL /* this boot */);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        ++*count;
        (void)close(fd);
    }
}

/* A slow machine may need longer for the first few. */
struct watch {
    int64_t until_ms;
    volatile unsigned *count;
};

static bool is_watched(struct kit *kit, void *ctx) {
    const struct watch *watch = ctx;
    return now_ms() >= watch->until_ms && *watch->count >= HANG_UPS_MIN;
}

static void a_socket_that_hangs_up_is_tried_more_and_more_seldom(void **state) {
    struct kit *kit = *state;
    volatile unsigned *count =
        mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(count, MAP_FAILED);
    kit->deaf = true;
    struct id run = kit_shell(kit, "exit 0");
    kit->deaf = false;
    const char *name = kit_name(&run, 1);
    pid_t holder = fork();
    if (holder == 0) {
        hang_up_for_ever(kit, name, count);
    }
    wait_for_file(place_path(&kit->place, name, "claim"));
    kit_down(kit);
    kit_up(kit);
    struct watch watch = {.until_ms = now_ms() + WATCH_MS, .count = count};
    kit_until(kit, is_watched, &watch);
    assert_in_range(*count, HANG_UPS_MIN, HANG_UPS_MAX);
    kit_stop(kit, &run);
    kit_assert_ended(kit_end(kit, &run), RUN_CANCELLED, CAUSE_STOPPED);
    assert_false(process_lives(holder));
    (void)munmap((void *)(uintptr_t)count, sizeof *count);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, kit_setup, kit_teardown)

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        CASE(a_command_that_stops_its_holder_is_ended_all_the_same),
        CASE(what_runs_once_has_an_unknown_outcome_then),
        CASE(a_holder_that_is_stopped_by_the_request_itself_is_noticed),
        CASE(one_that_the_next_daemon_finds_stopped_is_ended_too),
        CASE(a_command_that_kills_its_holder_is_lost_and_ended),
        CASE(a_holder_that_listens_ends_its_command_itself),
        CASE(a_folder_in_place_of_the_result_does_not_hide_it),
        CASE(a_result_whose_room_was_removed_is_there_all_the_same),
        CASE(what_takes_the_place_of_the_next_folder_costs_that_attempt),
        CASE(a_command_that_removes_its_folder_ends_as_itself_and_is_not_begun_again),
        CASE(a_command_that_puts_a_file_there_is_lost_and_ended),
        CASE(a_socket_that_hangs_up_is_tried_more_and_more_seldom),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
