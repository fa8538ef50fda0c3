/* test_dispatch.c: commands from their row to their end, by the real holder. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "dispatch_kit.h"
#include "loop/loop_uv.h"

#include "dispatch/base/effects.h"

/* Of the next settles, how many the store cannot take. */
static unsigned settles_to_fail;

struct err __real_tx_run_settle(struct tx *tx, const struct run_settle *settle, bool *ret_late,
                                struct run_row *ret_row);
/* Which ends the store refuses for good, each by itself: those with a result, all that say how the
 * command ended, or even that of the run alone. */
static enum { REFUSE_NONE, REFUSE_WHOLE, REFUSE_SETTLED, REFUSE_ALL } refused;
static unsigned refusals;

/* Where an end is refused for good, no pause after an error of the store is waited for. */
void __real_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer));
void __wrap_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer));
void __wrap_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer)) {
    bool pause = after_ms >= 1000 && after_ms <= 10000;
    __real_timer_start(loop, timer, refusals > 0 && pause ? 0 : after_ms, fire);
}

struct err __wrap_tx_run_settle(struct tx *tx, const struct run_settle *settle, bool *ret_late,
                                struct run_row *ret_row);
struct err __wrap_tx_run_settle(struct tx *tx, const struct run_settle *settle, bool *ret_late,
                                struct run_row *ret_row) {
    if (settles_to_fail > 0) {
        settles_to_fail--;
        return err_make(ERR_DISK_FULL, "test: settle");
    }
    if (refused >= REFUSE_SETTLED || (refused == REFUSE_WHOLE && settle->result.len > 0)) {
        refusals++;
        return err_make(ERR_CONFLICT, "test: settle");
    }
    return __real_tx_run_settle(tx, settle, ret_late, ret_row);
}

struct err __real_tx_run_give_up(struct tx *tx, const struct run_give_up *what, bool *ret_late);
struct err __wrap_tx_run_give_up(struct tx *tx, const struct run_give_up *what, bool *ret_late);
struct err __wrap_tx_run_give_up(struct tx *tx, const struct run_give_up *what, bool *ret_late) {
    if (refused == REFUSE_ALL) {
        refusals++;
        return err_make(ERR_CONFLICT, "test: give up");
    }
    return __real_tx_run_give_up(tx, what, ret_late);
}

/* Of the next starts, how many the system refuses. */
static unsigned starts_to_fail;
static int starts_errno;

struct err __real_holder_start(struct holders *holders, int order_fd,
                               const struct holder_news *news, void *ctx,
                               struct holder **ret_holder);
struct err __wrap_holder_start(struct holders *holders, int order_fd,
                               const struct holder_news *news, void *ctx,
                               struct holder **ret_holder);
struct err __wrap_holder_start(struct holders *holders, int order_fd,
                               const struct holder_news *news, void *ctx,
                               struct holder **ret_holder) {
    if (starts_to_fail > 0) {
        starts_to_fail--;
        (void)close(order_fd); /* It takes it in any case. */
        return err_from_errno(starts_errno, "test: start");
    }
    return __real_holder_start(holders, order_fd, news, ctx, ret_holder);
}

static bool has(struct bytes text, const char *part) {
    return memmem(text.data, text.len, part, strlen(part)) != NULL;
}

static void assert_ended(const struct run_row *row, enum run_state state, enum run_cause cause) {
    assert_string_equal(run_state_name(row->state), run_state_name(state));
    assert_string_equal(run_cause_name(row->cause), run_cause_name(cause));
}

/* What a command wrote to its standard output. */
static const char *output(struct kit *kit, const struct id *run) {
    static char text[4096];
    struct log_place place = {.name = kit_name(run, 1), .stream = LOG_OUT};
    struct log_read read = {0};
    assert_false(
        err_failed(spool_log_read(kit->place.spool, &place, text, sizeof text - 1, &read)));
    text[read.len] = '\0';
    return text;
}

/* --- Ends ------------------------------------------------------------------------------------- */

static void a_command_that_succeeds_is_settled_with_its_exit_code(void **state) {
    struct kit *kit = *state;
    struct id run = kit_shell(kit, "echo out; echo err >&2");
    const struct run_row *row = kit_end(kit, &run);
    assert_ended(row, RUN_SUCCEEDED, CAUSE_COMPLETED);
    assert_int_equal(row->exit_code, 0);
    assert_int_equal(row->attempt, 1);
    assert_true(has(row->result, "\"exit_code\":0"));
    assert_true(has(row->result, "\"out\":4,\"err\":4"));
    assert_int_equal(kit_stats(kit).settled, 1);
}

static void a_command_that_fails_keeps_its_exit_code(void **state) {
    struct kit *kit = *state;
    struct id run = kit_shell(kit, "exit 7");
    const struct run_row *row = kit_end(kit, &run);
    assert_ended(row, RUN_FAILED, CAUSE_EXIT_CODE);
    assert_int_equal(row->exit_code, 7);
}

static void a_command_that_a_signal_ends_says_which(void **state) {
    struct kit *kit = *state;
    struct id run = kit_shell(kit, "kill -9 $$");
    const struct run_row *row = kit_end(kit, &run);
    assert_ended(row, RUN_FAILED, CAUSE_SIGNAL);
    assert_int_equal(row->exit_code, -1);
    assert_true(has(row->result, "\"exit_code\":null,\"signal\":9"));
}

static void a_program_that_is_not_there_is_not_started_and_says_why(void **state) {
    struct kit *kit = *state;
    struct id run = kit_submit(kit, &(struct kit_job){.spec = "{\"argv\":[\"/no/such\"]}"});
    const struct run_row *row = kit_end(kit, &run);
    assert_ended(row, RUN_FAILED, CAUSE_NOT_STARTED);
    assert_true(has(row->note, "There is no program '/no/such'"));
    assert_true(has(row->result, "\"errno\":\"ENOENT\",\"step\":\"exec\""));
}

static void a_folder_that_is_not_there_is_not_started(void **state) {
    struct kit *kit = *state;
    struct id run =
        kit_submit(kit, &(struct kit_job){.spec = "{\"shell\":\"true\",\"cwd\":\"/no/such\"}"});
    assert_ended(kit_end(kit, &run), RUN_FAILED, CAUSE_NOT_STARTED);
}

static void a_command_past_its_time_is_ended(void **state) {
    struct kit *kit = *state;
    struct id run =
        kit_submit(kit, &(struct kit_job){.spec = "{\"shell\":\"sleep 1000\",\"timeout_ms\":100}"});
    assert_ended(kit_end(kit, &run), RUN_TIMED_OUT, CAUSE_DEADLINE);
}

static void many_commands_at_once_all_end(void **state) {
    struct kit *kit = *state;
    struct id runs[60];
    for (size_t i = 0; i < COUNT_OF(runs); i++) {
        runs[i] = kit_shell(kit, "exit 0");
    }
    for (size_t i = 0; i < COUNT_OF(runs); i++) {
        assert_ended(kit_end(kit, &runs[i]), RUN_SUCCEEDED, CAUSE_COMPLETED);
    }
    struct dispatch_stats stats = kit_stats(kit);
    assert_int_equal(stats.started, COUNT_OF(runs));
    assert_int_equal(stats.settled, COUNT_OF(runs));
    assert_int_equal(stats.queued_starts, 0);
}

/* --- What a command is given ------------------------------------------------------------------ */

static void the_environment_is_small_and_says_which_run_it_is(void **state) {
    struct kit *kit = *state;
    struct id run = kit_submit(
        kit, &(struct kit_job){.spec = "{\"shell\":\"env | sort\",\"env\":{\"HOME\":\"/else\","
                                       "\"MINE\":\"1\"}}"});
    assert_ended(kit_end(kit, &run), RUN_SUCCEEDED, CAUSE_COMPLETED);
    const char *env = output(kit, &run);
    char key[80], data[128];
    (void)snprintf(key, sizeof key, "DROVER_IDEMPOTENCY_KEY=%s\n", run.text);
    (void)snprintf(data, sizeof data, "DROVER_DATA=%s\n", kit->place.dir);
    assert_non_null(strstr(env, key));
    assert_non_null(strstr(env, data));
    assert_non_null(strstr(env, "DROVER_ATTEMPT=1\n"));
    assert_non_null(strstr(env, "DROVER_RUN="));
    assert_non_null(strstr(env, "MINE=1\n"));
    assert_non_null(strstr(env, "HOME=/else\n"));
    assert_null(strstr(env, "SECRET_OF_THE_DAEMON"));
    assert_non_null(strstr(env, "LC_TEST=kept\n"));
}

static void input_is_what_the_spec_says_and_then_ends(void **state) {
    struct kit *kit = *state;
    struct id run = kit_submit(
        kit, &(struct kit_job){.spec = "{\"argv\":[\"cat\"],\"stdin\":\"from here\\n\"}"});
    assert_ended(kit_end(kit, &run), RUN_SUCCEEDED, CAUSE_COMPLETED);
    assert_string_equal(output(kit, &run), "from here\n");
}

static void a_large_spec_is_read_in_the_pool(void **state) {
    struct kit *kit = *state;
    enum { SIZE = 100000 };
    AUTO(mem_release) char *spec = mem_new(SIZE + 100);
    int len = snprintf(spec, 100, "{\"argv\":[\"wc\",\"-c\"],\"stdin\":\"");
    memset(spec + len, 'x', SIZE);
    memcpy(spec + len + SIZE, "\"}", 3);
    struct id run = kit_submit(kit, &(struct kit_job){.spec = spec});
    assert_ended(kit_end(kit, &run), RUN_SUCCEEDED, CAUSE_COMPLETED);
    assert_int_equal(atoi(output(kit, &run)), SIZE);
}

/* --- Stopping --------------------------------------------------------------------------------- */

static void a_command_that_runs_is_stopped(void **state) {
    struct kit *kit = *state;
    char command[256];
    (void)snprintf(command, sizeof command, "echo $$ > %s; exec sleep 1000", kit_path(kit, "pid"));
    struct id run = kit_shell(kit, command);
    kit_until_file(kit, kit_path(kit, "pid"));
    pid_t pid = read_pid(kit_path(kit, "pid"));
    kit_stop(kit, &run);
    assert_ended(kit_end(kit, &run), RUN_CANCELLED, CAUSE_STOPPED);
    assert_false(process_lives(pid));
}

static void a_command_that_has_not_begun_is_stopped_before_it_does(void **state) {
    struct kit *kit = *state;
    char command[256];
    (void)snprintf(command, sizeof command, "touch %s", kit_path(kit, "ran"));
    kit->deaf = true; /* Admitted, and in nobody's hands. */
    struct id run = kit_shell(kit, command);
    kit->deaf = false;
    kit_stop(kit, &run);
    assert_ended(kit_end(kit, &run), RUN_CANCELLED, CAUSE_STOPPED);
    assert_false(file_exists(kit_path(kit, "ran")));
    assert_int_equal(kit_stats(kit).started, 0);
}

static void a_stop_that_comes_with_the_start_ends_it_in_any_case(void **state) {
    struct kit *kit = *state;
    for (int i = 0; i < 20; i++) {
        struct id run = kit_shell(kit, "sleep 1000");
        kit_stop(kit, &run);
        assert_ended(kit_end(kit, &run), RUN_CANCELLED, CAUSE_STOPPED);
    }
}

/* --- Again ------------------------------------------------------------------------------------ */

static void a_failure_is_tried_again_after_its_wait(void **state) {
    struct kit *kit = *state;
    struct id run =
        kit_submit(kit, &(struct kit_job){.spec = "{\"shell\":\"exit $((2 - DROVER_ATTEMPT))\","
                                                  "\"retry\":{\"max\":3,\"backoff\":1}}"});
    const struct run_row *row = kit_end(kit, &run);
    assert_ended(row, RUN_SUCCEEDED, CAUSE_COMPLETED);
    assert_int_equal(row->attempt, 2);
    assert_int_equal(row->failures, 1);
}

static bool waits_for_its_time(struct kit *kit, void *ctx) {
    return kit_row(kit, ctx)->gate == GATE_TIME;
}

/* The monotonic clock stood still meanwhile: by that one a minute is left. */
static void a_wait_that_was_due_while_the_machine_slept_ends_at_its_wake(void **state) {
    struct kit *kit = *state;
    struct id run =
        kit_submit(kit, &(struct kit_job){.spec = "{\"shell\":\"exit $((2 - DROVER_ATTEMPT))\","
                                                  "\"retry\":{\"max\":3,\"backoff\":60000}}"});
    kit_until(kit, waits_for_its_time, &run);
    kit->ahead_ms = INT64_C(3600) * 1000;
    dispatch_after_sleep(kit->dispatch);
    dispatch_after_sleep(kit->dispatch); /* Twice is once. */
    const struct run_row *row = kit_end(kit, &run);
    assert_ended(row, RUN_SUCCEEDED, CAUSE_COMPLETED);
    assert_int_equal(row->attempt, 2);
}

static void a_start_that_the_system_refuses_is_void_and_tried_again(void **state) {
    struct kit *kit = *state;
    starts_to_fail = 2;
    struct id run =
        kit_submit(kit, &(struct kit_job){.spec = "{\"argv\":[\"true\"]}", .once = true});
    const struct run_row *row = kit_end(kit, &run);
    assert_ended(row, RUN_SUCCEEDED, CAUSE_COMPLETED);
    assert_int_equal(row->attempt, 3); /* Nothing had run, so `once` may begin again. */
    assert_int_equal(kit_stats(kit).void_starts, 2);
}

static void starts_that_are_void_for_ever_end_as_not_started(void **state) {
    struct kit *kit = *state;
    starts_to_fail = UINT32_MAX;
    struct id run = kit_shell(kit, "true");
    const struct run_row *row = kit_end(kit, &run);
    starts_to_fail = 0;
    assert_ended(row, RUN_FAILED, CAUSE_NOT_STARTED);
    assert_int_equal(row->attempt, RUN_VOIDS_MAX);
    assert_true(has(row->note, "Resource temporarily unavailable"));
}

static void a_start_without_a_free_descriptor_waits_and_is_not_counted_as_void(void **state) {
    struct kit *kit = *state;
    static const int errnos[] = {EMFILE, ENFILE};
    for (size_t i = 0; i < COUNT_OF(errnos); i++) {
        starts_to_fail = 2;
        starts_errno = errnos[i];
        struct id run =
            kit_submit(kit, &(struct kit_job){.spec = "{\"argv\":[\"true\"]}", .once = true});
        const struct run_row *row = kit_end(kit, &run);
        assert_ended(row, RUN_SUCCEEDED, CAUSE_COMPLETED);
        assert_int_equal(row->attempt, 3);
        assert_int_equal(row->unbegun, 2);
    }
    assert_int_equal(kit_number(kit, "SELECT count(*) FROM spans WHERE cause = 'no_descriptors'"),
                     4);
}

static void a_result_that_the_store_cannot_take_is_offered_until_it_can(void **state) {
    struct kit *kit = *state;
    settles_to_fail = 2;
    struct id run = kit_shell(kit, "exit 4");
    const struct run_row *row = kit_end(kit, &run);
    assert_ended(row, RUN_FAILED, CAUSE_EXIT_CODE);
    assert_int_equal(row->exit_code, 4);
    assert_int_equal(kit_stats(kit).store_retries, 2);
    assert_int_equal(kit->failures, 1); /* Told once. */
}

static void an_end_that_is_refused_for_good_is_stored_without_its_result(void **state) {
    struct kit *kit = *state;
    refused = REFUSE_WHOLE;
    struct id run = kit_shell(kit, "exit 4");
    const struct run_row *row = kit_end(kit, &run);
    assert_ended(row, RUN_FAILED, CAUSE_EXIT_CODE);
    assert_true(has(row->note, "could not be stored: conflict"));
    assert_int_equal(row->result.len, 0);
    assert_int_equal(refusals, 1);
}

static void an_end_that_is_refused_even_so_is_that_of_the_run_alone(void **state) {
    struct kit *kit = *state;
    refused = REFUSE_SETTLED;
    struct id run = kit_shell(kit, "exit 4");
    const struct run_row *row = kit_end(kit, &run);
    assert_ended(row, RUN_FAILED, CAUSE_NOT_STORED);
    assert_true(has(row->note, "its end could not be stored: conflict"));
    assert_int_equal(row->exit_code, 4);
    assert_int_equal(kit_number(kit, "SELECT count(*) FROM spans WHERE ended_ms IS NULL"), 0);
    assert_int_equal(refusals, 2);
}

static void an_end_that_cannot_be_stored_at_all_is_given_up_and_stops_no_other(void **state) {
    struct kit *kit = *state;
    refused = REFUSE_ALL;
    struct id run = kit_shell(kit, "exit 4");
    while (refusals < 2 + EFFECT_TRIES_MAX) {
        (void)uv_run(loop_uv(kit->loop), UV_RUN_ONCE);
    }
    while (kit_stats(kit).live > 0) {
        (void)uv_run(loop_uv(kit->loop), UV_RUN_ONCE);
    }
    assert_int_equal(kit_row(kit, &run)->state, RUN_RUNNING); /* The next start settles it. */
    refused = REFUSE_NONE;
    struct id other = kit_shell(kit, "true");
    assert_ended(kit_end(kit, &other), RUN_SUCCEEDED, CAUSE_COMPLETED);
    assert_int_equal(refusals, 2 + EFFECT_TRIES_MAX);
}

static void a_result_that_comes_late_changes_nothing_and_is_counted(void **state) {
    struct kit *kit = *state;
    char command[256];
    (void)snprintf(command, sizeof command, "until test -e %s; do sleep 0.01; done",
                   kit_path(kit, "go"));
    struct id run = kit_shell(kit, command);
    /* Somebody else's attempt: what a daemon would see that was thought dead. */
    assert_int_equal(kit_number(kit, "UPDATE runs SET attempt = attempt + 1 RETURNING attempt"), 2);
    put_text(kit_path(kit, "go"), "now");
    while (kit_stats(kit).late == 0) {
        (void)uv_run(loop_uv(kit->loop), UV_RUN_ONCE);
    }
    const struct run_row *row = kit_row(kit, &run);
    assert_int_equal(row->state, RUN_RUNNING);
    assert_int_equal(kit_stats(kit).settled, 0);
}

/* --- Order ------------------------------------------------------------------------------------ */

static void a_full_key_lets_one_go_after_the_other(void **state) {
    struct kit *kit = *state;
    char spec[512];
    const char *path = kit_path(kit, "order");
    struct id runs[3];
    for (int i = 0; i < 3; i++) {
        (void)snprintf(spec, sizeof spec,
                       "{\"shell\":\"echo begin%d >> %s; sleep 0.05; echo end%d >> %s\"}", i, path,
                       i, path);
        runs[i] = kit_submit(kit, &(struct kit_job){.spec = spec, .key = "one"});
    }
    for (int i = 0; i < 3; i++) {
        assert_ended(kit_end(kit, &runs[i]), RUN_SUCCEEDED, CAUSE_COMPLETED);
    }
    char text[256];
    read_text(kit_path(kit, "order"), text, sizeof text);
    assert_string_equal(text, "begin0\nend0\nbegin1\nend1\nbegin2\nend2\n");
}

static void nothing_begins_while_held_and_a_release_begins_in_order(void **state) {
    struct kit *kit = *state;
    kit_down(kit);
    kit->hold = RUN_HELD;
    kit->slots = 1;
    kit_up(kit);
    char spec[256];
    struct id runs[3];
    for (int i = 0; i < 3; i++) {
        (void)snprintf(spec, sizeof spec, "{\"shell\":\"echo %d >> %s\"}", i,
                       kit_path(kit, "order"));
        runs[i] = kit_submit(kit, &(struct kit_job){.spec = spec});
        assert_int_equal(kit_row(kit, &runs[i])->state, RUN_QUEUED);
    }
    assert_int_equal(dispatch_held(kit->dispatch), RUN_HELD);
    dispatch_release(kit->dispatch);
    for (int i = 0; i < 3; i++) {
        assert_ended(kit_end(kit, &runs[i]), RUN_SUCCEEDED, CAUSE_COMPLETED);
    }
    char text[64];
    read_text(kit_path(kit, "order"), text, sizeof text);
    assert_string_equal(text, "0\n1\n2\n");
    kit->hold = RUN_FREE;
}

/* --- Notices ---------------------------------------------------------------------------------- */

#define NOTIFY "\"notify\":[{\"webhook\":\"http://127.0.0.1:1/\"}]"

static void a_notice_has_the_output_of_both_streams(void **state) {
    struct kit *kit = *state;
    struct id run =
        kit_submit(kit, &(struct kit_job){.spec = "{\"shell\":\"printf 'g\\\\303\\\\244\\\\377d'; "
                                                  "echo bad >&2\"," NOTIFY "}"});
    assert_ended(kit_end(kit, &run), RUN_SUCCEEDED, CAUSE_COMPLETED);
    assert_int_equal(kit_number(kit, "SELECT count(*) FROM inbox WHERE payload LIKE "
                                     "'%\"output\":\"g\xC3\xA4\xEF\xBF\xBD"
                                     "d\\n[stderr]\\nbad\\n\"%'"),
                     1);
}

static void a_notice_has_head_and_tail_of_a_long_output(void **state) {
    struct kit *kit = *state;
    struct id run = kit_submit(
        kit, &(struct kit_job){
                 .spec = "{\"shell\":\"echo begin; yes x | head -100000; echo end\"," NOTIFY "}"});
    assert_ended(kit_end(kit, &run), RUN_SUCCEEDED, CAUSE_COMPLETED);
    assert_int_equal(kit_number(kit,
                                "SELECT count(*) FROM inbox WHERE payload LIKE '%\"begin\\nx\\nx%"
                                "of 200010 bytes%x\\nend\\n\"%'"),
                     1);
    assert_in_range(
        kit_number(kit, "SELECT length(payload) - length(replace(payload, 'x', '')) FROM inbox"),
        1800, 2000); /* Each x stands for two characters. */
}

/* --- Followers -------------------------------------------------------------------------------- */

struct follower {
    struct dispatch_watch watch;
    unsigned woken;
};

static void on_ready(struct dispatch_watch *watch) {
    CONTAINER_OF(watch, struct follower, watch)->woken++;
}

static bool is_woken(struct kit *kit, void *ctx) {
    (void)kit;
    return ((struct follower *)ctx)->woken > 0;
}

static void watch(struct kit *kit, const struct id *run, int64_t offset,
                  struct follower *follower) {
    struct log_place place = {.name = kit_name(run, 1), .stream = LOG_OUT, .offset = offset};
    *follower = (struct follower){.woken = 0};
    dispatch_watch_start(kit->dispatch, &place, &follower->watch, on_ready);
    assert_int_equal(follower->woken, 0); /* Never inside the call. */
}

static void a_follower_is_woken_by_output_and_by_the_end(void **state) {
    struct kit *kit = *state;
    char command[256];
    (void)snprintf(command, sizeof command, "echo 12345; until test -e %s; do sleep 0.01; done",
                   kit_path(kit, "go"));
    struct id run = kit_shell(kit, command);
    struct follower first, behind, silent;
    watch(kit, &run, 0, &first);
    watch(kit, &run, 6, &behind);
    watch(kit, &run, 6, &silent);
    dispatch_watch_stop(&silent.watch);
    assert_int_equal(kit_stats(kit).watches, 2);
    kit_until(kit, is_woken, &first);
    assert_int_equal(behind.woken, 0);
    struct follower again;
    watch(kit, &run, 3, &again);
    kit_until(kit, is_woken, &again); /* What is there already is no reason to wait. */
    put_text(kit_path(kit, "go"), "now");
    kit_until(kit, is_woken, &behind);
    assert_true(run_state_final(kit_row(kit, &run)->state)); /* The end is stored by then. */
    assert_int_equal(silent.woken, 0);
    assert_int_equal(kit_stats(kit).watches, 0);
    struct follower late;
    watch(kit, &run, 6, &late);
    kit_until(kit, is_woken, &late); /* Of an attempt that is over. */
}

static int setup(void **state) {
    settles_to_fail = 0;
    starts_to_fail = 0;
    starts_errno = EAGAIN;
    refused = REFUSE_NONE;
    refusals = 0;
    (void)setenv("SECRET_OF_THE_DAEMON", "hidden", 1);
    (void)setenv("LC_TEST", "kept", 1);
    return kit_setup(state);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, kit_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_command_that_succeeds_is_settled_with_its_exit_code),
        CASE(a_command_that_fails_keeps_its_exit_code),
        CASE(a_command_that_a_signal_ends_says_which),
        CASE(a_program_that_is_not_there_is_not_started_and_says_why),
        CASE(a_folder_that_is_not_there_is_not_started),
        CASE(a_command_past_its_time_is_ended),
        CASE(many_commands_at_once_all_end),
        CASE(the_environment_is_small_and_says_which_run_it_is),
        CASE(input_is_what_the_spec_says_and_then_ends),
        CASE(a_large_spec_is_read_in_the_pool),
        CASE(a_command_that_runs_is_stopped),
        CASE(a_command_that_has_not_begun_is_stopped_before_it_does),
        CASE(a_stop_that_comes_with_the_start_ends_it_in_any_case),
        CASE(a_failure_is_tried_again_after_its_wait),
        CASE(a_wait_that_was_due_while_the_machine_slept_ends_at_its_wake),
        CASE(a_start_that_the_system_refuses_is_void_and_tried_again),
        CASE(starts_that_are_void_for_ever_end_as_not_started),
        CASE(a_start_without_a_free_descriptor_waits_and_is_not_counted_as_void),
        CASE(a_result_that_the_store_cannot_take_is_offered_until_it_can),
        CASE(an_end_that_is_refused_for_good_is_stored_without_its_result),
        CASE(an_end_that_is_refused_even_so_is_that_of_the_run_alone),
        CASE(an_end_that_cannot_be_stored_at_all_is_given_up_and_stops_no_other),
        CASE(a_result_that_comes_late_changes_nothing_and_is_counted),
        CASE(a_full_key_lets_one_go_after_the_other),
        CASE(nothing_begins_while_held_and_a_release_begins_in_order),
        CASE(a_notice_has_the_output_of_both_streams),
        CASE(a_notice_has_head_and_tail_of_a_long_output),
        CASE(a_follower_is_woken_by_output_and_by_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
