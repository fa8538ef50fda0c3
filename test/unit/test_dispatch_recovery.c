/* test_dispatch_recovery.c: what a daemon finds that an older one left: every state in which a row
 * says "running", and every state in which its folder can be. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "dispatch/job/flight.h"
#include "dispatch_kit.h"

static bool has(struct bytes text, const char *part) {
    return memmem(text.data, text.len, part, strlen(part)) != NULL;
}

/* A row that runs, and nobody who has begun it: its daemon died right after the commit. */
static struct id leave_row(struct kit *kit, const struct kit_job *job) {
    kit->deaf = true;
    struct id run = kit_submit(kit, job);
    kit->deaf = false;
    return run;
}

static void restart(struct kit *kit) {
    kit_down(kit);
    kit_up(kit);
}

/* Appends a line to a file whenever it runs. */
static const char *counted(struct kit *kit) {
    static char spec[256];
    (void)snprintf(spec, sizeof spec, "{\"shell\":\"echo ran >> %s\"}", kit_path(kit, "count"));
    return spec;
}

static size_t times_run(struct kit *kit) {
    char text[64] = "";
    if (file_exists(kit_path(kit, "count"))) {
        read_text(kit_path(kit, "count"), text, sizeof text);
    }
    return strlen(text) / strlen("ran\n");
}

static pid_t bystander(void) {
    static const char *const argv[] = {"sleep", "1000", NULL};
    static const char *const env[] = {NULL};
    return start_process(argv, env);
}

/* --- Nothing ran ------------------------------------------------------------------------------ */

static void a_row_without_a_folder_is_begun_again_also_once(void **state) {
    struct kit *kit = *state;
    struct id run = leave_row(kit, &(struct kit_job){.spec = counted(kit), .once = true});
    restart(kit);
    const struct run_row *row = kit_end(kit, &run);
    kit_assert_ended(row, RUN_SUCCEEDED, CAUSE_COMPLETED);
    assert_int_equal(row->attempt, 2);
    assert_int_equal(times_run(kit), 1);
    char claim[64];
    read_text(place_path(&kit->place, kit_name(&run, 1), "claim"), claim, sizeof claim);
    assert_memory_equal(claim, "void ", 5); /* The first can never begin any more. */
}

static void a_folder_without_a_claim_is_decided_as_void(void **state) {
    struct kit *kit = *state;
    struct id run = leave_row(kit, &(struct kit_job){.spec = counted(kit), .once = true});
    put_text(place_path(&kit->place, kit_name(&run, 1), "exit.json.tmp"), "   ");
    restart(kit);
    kit_assert_ended(kit_end(kit, &run), RUN_SUCCEEDED, CAUSE_COMPLETED);
    assert_int_equal(times_run(kit), 1);
}

static void a_claim_that_says_void_is_believed(void **state) {
    struct kit *kit = *state;
    struct id run = leave_row(kit, &(struct kit_job){.spec = counted(kit)});
    put_text(place_path(&kit->place, kit_name(&run, 1), "claim"), "void 1\n");
    restart(kit);
    const struct run_row *row = kit_end(kit, &run);
    kit_assert_ended(row, RUN_SUCCEEDED, CAUSE_COMPLETED);
    assert_int_equal(row->attempt, 2);
}

static void a_stop_that_an_older_daemon_took_is_kept_and_nothing_begins(void **state) {
    struct kit *kit = *state;
    struct id run = leave_row(kit, &(struct kit_job){.spec = counted(kit)});
    kit->deaf = true;
    kit_stop(kit, &run);
    kit->deaf = false;
    restart(kit);
    kit_assert_ended(kit_end(kit, &run), RUN_CANCELLED, CAUSE_STOPPED);
    assert_int_equal(times_run(kit), 0);
}

/* --- It ended --------------------------------------------------------------------------------- */

static void put_result(struct kit *kit, const struct id *run, const char *end) {
    char json[1024];
    (void)snprintf(json, sizeof json,
                   "{\"v\":1,\"name\":\"%s\",%s,\"why\":\"itself\",\"out\":3,\"err\":0,\"pty\":0,"
                   "\"in\":0,\"cpu_us\":6,\"memory_kb\":7,\"processes\":8,\"started_ms\":1000,"
                   "\"ended_ms\":1500,\"left\":0}",
                   kit_name(run, 1), end);
    put_exit(&kit->place, kit_name(run, 1), json);
}

static void put_dead_claim(struct kit *kit, const struct id *run) {
    pid_t pid = bystander();
    put_claim(&kit->place, kit_name(run, 1), pid, NULL);
    (void)kill(pid, SIGKILL); /* The kit's reaper collects it. */
    put_text(place_path(&kit->place, kit_name(run, 1), "lock"), "");
}

static void a_result_in_the_folder_is_settled_as_it_stands(void **state) {
    struct kit *kit = *state;
    struct id run = leave_row(kit, &(struct kit_job){.spec = counted(kit), .once = true});
    put_dead_claim(kit, &run);
    put_result(kit, &run, "\"end\":\"exited\",\"code\":9");
    restart(kit);
    const struct run_row *row = kit_end(kit, &run);
    kit_assert_ended(row, RUN_FAILED, CAUSE_EXIT_CODE);
    assert_int_equal(row->exit_code, 9);
    assert_true(has(row->result, "\"duration_ms\":500"));
    assert_int_equal(times_run(kit), 0);
}

static void more_runs_than_one_page_are_recovered(void **state) {
    struct kit *kit = *state;
    enum { RUNS = 60 }; /* PAGE of recover.c is 50. */
    struct id runs[RUNS];
    for (size_t i = 0; i < RUNS; i++) {
        runs[i] = leave_row(kit, &(struct kit_job){.spec = counted(kit), .once = true});
        put_dead_claim(kit, &runs[i]);
        put_result(kit, &runs[i], "\"end\":\"exited\",\"code\":9");
    }
    restart(kit);
    for (size_t i = 0; i < RUNS; i++) {
        kit_assert_ended(kit_end(kit, &runs[i]), RUN_FAILED, CAUSE_EXIT_CODE);
    }
}

static void a_result_that_is_torn_counts_as_missing(void **state) {
    struct kit *kit = *state;
    struct id run = leave_row(kit, &(struct kit_job){.spec = counted(kit)});
    put_dead_claim(kit, &run);
    put_text(place_path(&kit->place, kit_name(&run, 1), "exit.json"), "{\"v\":1,\"name\":\"ru");
    restart(kit);
    kit_assert_ended(kit_end(kit, &run), RUN_LOST, CAUSE_HOLDER_KILLED);
}

/* --- Its holder is dead ----------------------------------------------------------------------- */

static void a_dead_holder_without_a_result_is_lost_and_not_begun_again(void **state) {
    struct kit *kit = *state;
    struct id run = leave_row(kit, &(struct kit_job){.spec = counted(kit)});
    put_dead_claim(kit, &run);
    restart(kit);
    kit_assert_ended(kit_end(kit, &run), RUN_LOST, CAUSE_HOLDER_KILLED);
    assert_int_equal(times_run(kit), 0);
    assert_int_equal(kit_stats(kit).trees_ended, 1);
}

static void a_dead_holder_of_once_leaves_the_outcome_unknown(void **state) {
    struct kit *kit = *state;
    struct id run = leave_row(kit, &(struct kit_job){.spec = counted(kit), .once = true});
    put_dead_claim(kit, &run);
    restart(kit);
    kit_assert_ended(kit_end(kit, &run), RUN_LOST, CAUSE_OUTCOME_UNKNOWN);
    assert_int_equal(times_run(kit), 0);
}

static void a_lost_attempt_is_tried_again_where_the_policy_says_so(void **state) {
    struct kit *kit = *state;
    char spec[256];
    (void)snprintf(spec, sizeof spec,
                   "{\"shell\":\"echo ran >> %s\",\"retry\":{\"max\":1,\"on\":[\"lost\"],"
                   "\"backoff\":1}}",
                   kit_path(kit, "count"));
    struct id run = leave_row(kit, &(struct kit_job){.spec = spec});
    put_dead_claim(kit, &run);
    restart(kit);
    kit_assert_ended(kit_end(kit, &run), RUN_SUCCEEDED, CAUSE_COMPLETED);
    assert_int_equal(times_run(kit), 1);
}

static void a_restart_of_the_machine_begins_the_next_attempt(void **state) {
    struct kit *kit = *state;
    struct id run = leave_row(kit, &(struct kit_job){.spec = counted(kit)});
    put_claim(&kit->place, kit_name(&run, 1), getpid(), "00000000-0000-0000-0000-000000000000");
    restart(kit);
    const struct run_row *row = kit_end(kit, &run);
    kit_assert_ended(row, RUN_SUCCEEDED, CAUSE_COMPLETED);
    assert_int_equal(row->attempt, 2);
    assert_int_equal(row->reboots, 1);
}

/* The next decision after it was taken: then it had been tried. */
static bool is_past_the_kill(struct kit *kit, void *ctx) {
    const struct flight *flight = ctx;
    return flight->health != HEALTH_GOOD && flight->state == FLIGHT_PAUSING && flight->tries > 7;
}

static void a_pid_that_was_recycled_is_never_signalled(void **state) {
    struct kit *kit = *state;
    pid_t other = bystander();
    struct id run = leave_row(kit, &(struct kit_job){.spec = counted(kit)});
    static const char nonce[] = "0123456789abcdef0123456789abcdef";
    char claim[256], boot[64];
    read_text("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
    boot[strcspn(boot, "\n")] = '\0';
    (void)snprintf(claim, sizeof claim, "go %d 1 %s %s\n", (int)other, boot, nonce);
    put_text(place_path(&kit->place, kit_name(&run, 1), "claim"), claim);
    kit_down(kit);
    /* Somebody holds the lock and has no socket, so that in the end the pid would be killed. */
    int lock = hold_lock(&kit->place, kit_name(&run, 1));
    kit_up(kit);
    kit_stop(kit, &run);
    struct flight *flight =
        flight__find(kit->dispatch, (struct bytes){run.text, strlen(run.text)}, 1);
    assert_non_null(flight);
    kit_until(kit, is_past_the_kill, flight);
    (void)close(lock);
    kit_assert_ended(kit_end(kit, &run), RUN_CANCELLED, CAUSE_STOPPED);
    assert_true(process_lives(other));
    (void)kill(other, SIGKILL); /* The kit's reaper collects it. */
}

static void a_row_of_another_host_is_given_up_without_a_look_at_its_folder(void **state) {
    struct kit *kit = *state;
    struct id run = leave_row(kit, &(struct kit_job){.spec = counted(kit)});
    kit_down(kit);
    kit->host = BYTES("elsewhere");
    kit_up(kit);
    kit_assert_ended(kit_end(kit, &run), RUN_LOST, CAUSE_HOST_GONE);
    assert_false(file_exists(place_path(&kit->place, kit_name(&run, 1), "claim")));
}

/* A holder of the daemon before may still be on its way: after the end of the run is stored, its
 * command must not begin. Found by the simulator. */
static void a_row_of_another_history_without_a_folder_ends_and_never_begins(void **state) {
    struct kit *kit = *state;
    struct id run = leave_row(kit, &(struct kit_job){.spec = counted(kit)});
    kit_down(kit);
    kit_open(kit);
    dispatch_set_history_start(kit->dispatch, INT64_MAX);
    kit_recover(kit);
    kit_assert_ended(kit_end(kit, &run), RUN_LOST, CAUSE_HOST_GONE);
    struct spool_state found;
    assert_false(
        err_failed(spool_decide(kit->place.spool, kit_name(&run, 1), SPOOL_LOOK, 0, &found)));
    assert_int_equal(found.found, SPOOL_CLOSED);
}

/* The daemon before it died between that decision and the commit of the end. */
static void a_claim_that_says_closed_is_believed_without_a_doubt(void **state) {
    struct kit *kit = *state;
    struct id run = leave_row(kit, &(struct kit_job){.spec = counted(kit), .once = true});
    put_text(place_path(&kit->place, kit_name(&run, 1), "claim"), "closed 1\n");
    restart(kit);
    kit_assert_ended(kit_end(kit, &run), RUN_LOST, CAUSE_OUTCOME_UNKNOWN);
    assert_int_equal(times_run(kit), 0);
}

/* A first boot: the machine's id is not written yet when the first commands begin. */
static void a_row_of_a_machine_that_had_no_id_yet_is_ours(void **state) {
    struct kit *kit = *state;
    static const char *const before[] = {"/12", "uninitialized/12"};
    for (size_t i = 0; i < COUNT_OF(before); i++) {
        kit_down(kit);
        kit->host = (struct bytes){before[i], strlen(before[i])};
        kit_up(kit);
        struct id run = leave_row(kit, &(struct kit_job){.spec = "{\"shell\":\"exit 0\"}"});
        kit_down(kit);
        kit->host = BYTES("0123456789abcdef/12");
        kit_up(kit);
        kit_assert_ended(kit_end(kit, &run), RUN_SUCCEEDED, CAUSE_COMPLETED);
    }
}

/* --- It lives --------------------------------------------------------------------------------- */

static const char *waiting_command(struct kit *kit) {
    static char command[800];
    char pid[256], go[256];
    (void)snprintf(pid, sizeof pid, "%s", kit_path(kit, "pid"));
    (void)snprintf(go, sizeof go, "%s", kit_path(kit, "go"));
    (void)snprintf(command, sizeof command,
                   "echo $$ > %s; echo one; until test -e %s; do sleep 0.01; done; echo two; "
                   "exit 5",
                   pid, go);
    return command;
}

static bool is_adopted(struct kit *kit, void *ctx) {
    return kit_stats(kit).adopted > 0;
}

static void a_live_command_survives_the_daemon_and_is_settled_by_the_next(void **state) {
    struct kit *kit = *state;
    struct id run = kit_shell(kit, waiting_command(kit));
    kit_until_file(kit, kit_path(kit, "pid"));
    restart(kit);
    kit_until(kit, is_adopted, NULL);
    assert_int_equal(kit_row(kit, &run)->state, RUN_RUNNING);
    put_text(kit_path(kit, "go"), "now");
    const struct run_row *row = kit_end(kit, &run);
    kit_assert_ended(row, RUN_FAILED, CAUSE_EXIT_CODE);
    assert_int_equal(row->exit_code, 5);
    assert_int_equal(row->attempt, 1);
    assert_true(has(row->result, "\"out\":8"));
    assert_int_equal(kit_stats(kit).adopted, 1);
    assert_int_equal(kit_stats(kit).started, 0);
}

static void a_command_that_ended_while_no_daemon_was_there_is_settled(void **state) {
    struct kit *kit = *state;
    struct id run = kit_shell(kit, waiting_command(kit));
    kit_until_file(kit, kit_path(kit, "pid"));
    kit_down(kit);
    put_text(kit_path(kit, "go"), "now");
    wait_for_file(place_path(&kit->place, kit_name(&run, 1), "exit.json"));
    kit_up(kit);
    const struct run_row *row = kit_end(kit, &run);
    kit_assert_ended(row, RUN_FAILED, CAUSE_EXIT_CODE);
    assert_int_equal(row->exit_code, 5);
}

static void an_adopted_command_is_stopped(void **state) {
    struct kit *kit = *state;
    struct id run = kit_shell(kit, waiting_command(kit));
    kit_until_file(kit, kit_path(kit, "pid"));
    pid_t pid = read_pid(kit_path(kit, "pid"));
    restart(kit);
    kit_stop(kit, &run);
    kit_assert_ended(kit_end(kit, &run), RUN_CANCELLED, CAUSE_STOPPED);
    assert_false(process_lives(pid));
}

static void a_stop_from_before_the_crash_reaches_an_adopted_command(void **state) {
    struct kit *kit = *state;
    struct id run = kit_shell(kit, waiting_command(kit));
    kit_until_file(kit, kit_path(kit, "pid"));
    kit->deaf = true;
    kit_stop(kit, &run);
    kit->deaf = false;
    restart(kit);
    kit_assert_ended(kit_end(kit, &run), RUN_CANCELLED, CAUSE_STOPPED);
}

struct follower {
    struct dispatch_watch watch;
    unsigned woken;
};

static void on_ready(struct dispatch_watch *watch) {
    CONTAINER_OF(watch, struct follower, watch)->woken++;
}

static bool is_woken(struct kit *kit, void *ctx) {
    return ((struct follower *)ctx)->woken > 0;
}

static void who_follows_before_the_runs_were_walked_waits_for_that(void **state) {
    struct kit *kit = *state;
    struct id run = kit_shell(kit, waiting_command(kit));
    kit_until_file(kit, kit_path(kit, "pid"));
    kit_down(kit);
    kit_open(kit);
    struct log_place place = {.name = kit_name(&run, 1), .stream = LOG_OUT, .offset = 4};
    struct follower follower = {.woken = 0};
    dispatch_watch_start(kit->dispatch, &place, &follower.watch, on_ready);
    (void)kit_row(kit, &run); /* Some turns of the loop. */
    assert_int_equal(follower.woken, 0);
    kit_recover(kit);
    kit_until(kit, is_woken, &follower);
    kit_until(kit, is_adopted, NULL);
    place.name = kit_name(&run, 1);
    follower.woken = 0;
    dispatch_watch_start(kit->dispatch, &place, &follower.watch, on_ready);
    (void)kit_row(kit, &run);
    assert_int_equal(follower.woken, 0); /* Its attempt is there now, and silent. */
    put_text(kit_path(kit, "go"), "now");
    kit_until(kit, is_woken, &follower);
    (void)kit_end(kit, &run);
}

static pid_t holder_of(struct kit *kit, const struct id *run) {
    struct spool_state found;
    assert_false(
        err_failed(spool_decide(kit->place.spool, kit_name(run, 1), SPOOL_LOOK, 0, &found)));
    assert_int_equal(found.found, SPOOL_ALIVE);
    return found.pid;
}

static void a_holder_that_is_killed_is_noticed_and_its_tree_ended(void **state) {
    struct kit *kit = *state;
    struct id run = kit_shell(kit, waiting_command(kit));
    kit_until_file(kit, kit_path(kit, "pid"));
    pid_t pid = read_pid(kit_path(kit, "pid"));
    assert_int_equal(kill(holder_of(kit, &run), SIGKILL), 0);
    kit_assert_ended(kit_end(kit, &run), RUN_LOST, CAUSE_HOLDER_KILLED);
    assert_false(process_lives(pid));
    assert_true(kit_number(kit, "SELECT disk FROM nodes") > 0); /* It was weighed. */
}

static void a_holder_whose_socket_is_gone_can_still_be_stopped(void **state) {
    struct kit *kit = *state;
    struct id run = kit_shell(kit, waiting_command(kit));
    kit_until_file(kit, kit_path(kit, "pid"));
    pid_t pid = read_pid(kit_path(kit, "pid"));
    kit_down(kit);
    assert_int_equal(unlink(place_path(&kit->place, kit_name(&run, 1), "sock")), 0);
    kit_up(kit);
    kit_stop(kit, &run);
    const struct run_row *row = kit_end(kit, &run);
    kit_assert_ended(row, RUN_CANCELLED, CAUSE_STOPPED);
    assert_false(process_lives(pid));
}

static void many_live_commands_are_adopted(void **state) {
    struct kit *kit = *state;
    enum { RUNS = 40 };
    struct id runs[RUNS];
    for (size_t i = 0; i < RUNS; i++) {
        runs[i] = kit_shell(kit, waiting_command(kit));
    }
    kit_until_file(kit, kit_path(kit, "pid"));
    restart(kit);
    put_text(kit_path(kit, "go"), "now");
    for (size_t i = 0; i < RUNS; i++) {
        const struct run_row *row = kit_end(kit, &runs[i]);
        kit_assert_ended(row, RUN_FAILED, CAUSE_EXIT_CODE);
        assert_int_equal(row->exit_code, 5);
    }
}

static void a_wait_before_a_retry_is_taken_up_by_the_next_daemon(void **state) {
    struct kit *kit = *state;
    struct id run =
        kit_submit(kit, &(struct kit_job){.spec = "{\"shell\":\"exit $((2 - DROVER_ATTEMPT))\","
                                                  "\"retry\":{\"max\":3,\"backoff\":500}}"});
    kit_until_state(kit, &run, RUN_QUEUED);
    restart(kit);
    const struct run_row *row = kit_end(kit, &run);
    kit_assert_ended(row, RUN_SUCCEEDED, CAUSE_COMPLETED);
    assert_int_equal(row->attempt, 2);
}

/* The clock says 1970 after that restart; and what has a wait to do is no job. */
static void a_clock_that_was_set_back_keeps_nobody_who_is_to_end(void **state) {
    struct kit *kit = *state;
    struct id run = kit_submit(
        kit, &(struct kit_job){
                 .spec = "{\"shell\":\"exit 1\",\"retry\":{\"max\":3,\"backoff\":300000}}"});
    kit_until_state(kit, &run, RUN_QUEUED);
    assert_int_equal(kit_number(kit, "UPDATE runs SET not_before_ms = 9000000000000,"
                                     " stop = 'parent_ended', kind = 'agent' RETURNING 1"),
                     1);
    restart(kit);
    kit_assert_ended(kit_end(kit, &run), RUN_CANCELLED, CAUSE_PARENT_ENDED);
}

/* --- Held ------------------------------------------------------------------------------------- */

static void a_daemon_that_holds_still_follows_what_lives(void **state) {
    struct kit *kit = *state;
    struct id live = kit_shell(kit, waiting_command(kit));
    kit_until_file(kit, kit_path(kit, "pid"));
    struct id left = leave_row(kit, &(struct kit_job){.spec = counted(kit)});
    kit_down(kit);
    kit->hold = RUN_HELD;
    kit_up(kit);
    put_text(kit_path(kit, "go"), "now");
    kit_assert_ended(kit_end(kit, &live), RUN_FAILED, CAUSE_EXIT_CODE);
    kit_until_state(kit, &left, RUN_QUEUED); /* Void, and not begun again. */
    assert_int_equal(times_run(kit), 0);
    dispatch_release(kit->dispatch);
    kit_assert_ended(kit_end(kit, &left), RUN_SUCCEEDED, CAUSE_COMPLETED);
    kit->hold = RUN_FREE;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_row_without_a_folder_is_begun_again_also_once),
        CASE(a_folder_without_a_claim_is_decided_as_void),
        CASE(a_claim_that_says_void_is_believed),
        CASE(a_stop_that_an_older_daemon_took_is_kept_and_nothing_begins),
        CASE(a_result_in_the_folder_is_settled_as_it_stands),
        CASE(more_runs_than_one_page_are_recovered),
        CASE(a_result_that_is_torn_counts_as_missing),
        CASE(a_dead_holder_without_a_result_is_lost_and_not_begun_again),
        CASE(a_dead_holder_of_once_leaves_the_outcome_unknown),
        CASE(a_lost_attempt_is_tried_again_where_the_policy_says_so),
        CASE(a_restart_of_the_machine_begins_the_next_attempt),
        CASE(a_pid_that_was_recycled_is_never_signalled),
        CASE(a_row_of_another_host_is_given_up_without_a_look_at_its_folder),
        CASE(a_row_of_another_history_without_a_folder_ends_and_never_begins),
        CASE(a_claim_that_says_closed_is_believed_without_a_doubt),
        CASE(a_row_of_a_machine_that_had_no_id_yet_is_ours),
        CASE(a_live_command_survives_the_daemon_and_is_settled_by_the_next),
        CASE(a_command_that_ended_while_no_daemon_was_there_is_settled),
        CASE(an_adopted_command_is_stopped),
        CASE(a_stop_from_before_the_crash_reaches_an_adopted_command),
        CASE(who_follows_before_the_runs_were_walked_waits_for_that),
        CASE(a_holder_that_is_killed_is_noticed_and_its_tree_ended),
        CASE(a_holder_whose_socket_is_gone_can_still_be_stopped),
        CASE(many_live_commands_are_adopted),
        CASE(a_wait_before_a_retry_is_taken_up_by_the_next_daemon),
        CASE(a_clock_that_was_set_back_keeps_nobody_who_is_to_end),
        CASE(a_daemon_that_holds_still_follows_what_lives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
