/* Jobs of a host that shares the database: they belong to it, until it is silent for too long. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/json/json.h"
#include "dispatch/host/parts.h"
#include "dispatch_kit.h"

#include "engine/host/hosts.h"
#include "engine/host/reports.h"

#define BODY "{\"shell\":\"exit 0\"}"

/* Signs of life come at once, and no sooner. */
static bool hurried;

void __real_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer));
void __wrap_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer));
void __wrap_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer)) {
    bool sign = after_ms == HOST_SEEN_MS && hurried;
    __real_timer_start(loop, timer, sign ? 1 : after_ms, fire);
}

struct call {
    store_fn fn;
    void *ctx;
    bool done;
    struct err err;
};

static struct err call_tx(struct tx *tx, void *ctx) {
    const struct call *call = ctx;
    return call->fn(tx, call->ctx);
}

static void call_done(struct err err, void *ctx) {
    struct call *call = ctx;
    call->err = err;
    call->done = true;
}

static bool is_done(struct kit *kit, void *ctx) {
    (void)kit;
    return ((struct call *)ctx)->done;
}

static void perform(struct kit *kit, store_fn fn, void *ctx) {
    struct call call = {.fn = fn, .ctx = ctx};
    store_write(kit->store, call_tx, call_done, &call);
    kit_until(kit, is_done, &call);
    assert_int_equal(call.err.code, ERR_NONE);
}

static struct err seen_tx(struct tx *tx, void *ctx) {
    struct host_row host = {
        .place = BYTES("here"), .name = BYTES("old"), .version = BYTES("0"), .role = HOST_STANDBY};
    (void)ctx;
    return tx_host_seen(tx, &host);
}

/* A job that `here` began, and that another host finds as the leader. */
static struct id begin_away(struct kit *kit) {
    kit->deaf = true;
    struct id run = kit_submit(kit, &(struct kit_job){.spec = BODY});
    perform(kit, seen_tx, NULL);
    kit_down(kit);
    kit->deaf = false;
    kit->hosts = RUN_HOSTS_SHARED;
    kit->host = BYTES("elsewhere");
    kit_open(kit);
    return run;
}

static struct err report_tx(struct tx *tx, void *ctx) {
    const struct id *run = ctx;
    const struct run_settle end = {.run = {run->text, strlen(run->text)},
                                   .attempt = 1,
                                   .end = {.end = ATTEMPT_EXITED, .code = 0},
                                   .result = BYTES("{\"exit_code\":0}"),
                                   .note = {"", 0},
                                   .output = {"", 0}};
    return tx_host_report_put(tx, BYTES("here"), &end);
}

static void a_job_of_another_host_is_left_to_it_until_it_reports(void **state) {
    struct kit *kit = *state;
    struct id run = begin_away(kit);
    kit_recover(kit);
    kit_stop(kit, &run);
    const struct run_row *row = kit_row(kit, &run);
    assert_int_equal(row->state, RUN_RUNNING);
    assert_int_equal(row->stop, CAUSE_STOPPED);
    struct dispatch_stats stats;
    dispatch_get_stats(kit->dispatch, &stats);
    assert_int_equal(stats.live, 0);
    perform(kit, report_tx, &run);
    kit_assert_ended(kit_end(kit, &run), RUN_SUCCEEDED, CAUSE_COMPLETED);
    dispatch_get_stats(kit->dispatch, &stats);
    assert_int_equal(stats.reports, 1);
}

static bool is_seen(struct kit *kit, void *ctx) {
    (void)ctx;
    return host_watch_quiet_ms(kit->dispatch, BYTES("here")) >= 0;
}

static bool is_quiet(struct kit *kit, void *ctx) {
    (void)ctx;
    return host_watch_quiet_ms(kit->dispatch, BYTES("here")) > 0;
}

/* A server that was away for an hour makes no host an hour older. */
static void silence_is_counted_in_looks_and_not_in_time(void **state) {
    struct kit *kit = *state;
    hurried = true;
    (void)begin_away(kit);
    kit_recover(kit);
    kit_until(kit, is_quiet, NULL); /* After some milliseconds. */
    int64_t quiet_ms = host_watch_quiet_ms(kit->dispatch, BYTES("here"));
    assert_true(quiet_ms >= HOST_SEEN_MS);
    assert_int_equal(quiet_ms % HOST_SEEN_MS, 0);
}

static void a_host_without_a_timeout_keeps_its_jobs_however_silent(void **state) {
    struct kit *kit = *state;
    hurried = true;
    struct id run = begin_away(kit);
    kit_recover(kit);
    kit_until(kit, is_seen, NULL);
    assert_int_equal(host_watch_quiet_ms(kit->dispatch, BYTES("nowhere")), -1);
    struct dispatch_stats stats;
    dispatch_get_stats(kit->dispatch, &stats);
    assert_int_equal(stats.hosts, 1);
    assert_int_equal(stats.away, 1);
    assert_int_equal(kit_row(kit, &run)->state, RUN_RUNNING);
}

static void a_host_that_is_silent_beyond_the_timeout_loses_its_jobs(void **state) {
    struct kit *kit = *state;
    hurried = true;
    kit->host_timeout_ms = 5;
    struct id run = begin_away(kit);
    kit_recover(kit);
    kit_assert_ended(kit_end(kit, &run), RUN_LOST, CAUSE_HOST_GONE);
}

static bool is_quiet_for_long(struct kit *kit, void *ctx) {
    (void)ctx;
    return host_watch_quiet_ms(kit->dispatch, BYTES("here")) > 5 * HOST_SEEN_MS;
}

static void a_hold_keeps_the_jobs_of_a_silent_host_until_the_release(void **state) {
    struct kit *kit = *state;
    hurried = true;
    kit->host_timeout_ms = 5;
    kit->hold = RUN_HELD;
    struct id run = begin_away(kit);
    kit_recover(kit);
    kit_until(kit, is_quiet_for_long, NULL);
    assert_int_equal(kit_row(kit, &run)->state, RUN_RUNNING);
    dispatch_release(kit->dispatch);
    kit_assert_ended(kit_end(kit, &run), RUN_LOST, CAUSE_HOST_GONE);
}

static void a_hold_keeps_reports_until_the_release(void **state) {
    struct kit *kit = *state;
    hurried = true;
    kit->hold = RUN_HELD;
    struct id run = begin_away(kit);
    perform(kit, report_tx, &run);
    kit_recover(kit);
    kit_until(kit, is_quiet_for_long, NULL);
    struct dispatch_stats stats;
    dispatch_get_stats(kit->dispatch, &stats);
    assert_int_equal(stats.reports, 0);
    dispatch_release(kit->dispatch);
    kit_assert_ended(kit_end(kit, &run), RUN_SUCCEEDED, CAUSE_COMPLETED);
}

static int setup(void **state) {
    hurried = false;
    return kit_setup(state);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, kit_teardown)

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        CASE(a_job_of_another_host_is_left_to_it_until_it_reports),
        CASE(silence_is_counted_in_looks_and_not_in_time),
        CASE(a_host_without_a_timeout_keeps_its_jobs_however_silent),
        CASE(a_host_that_is_silent_beyond_the_timeout_loses_its_jobs),
        CASE(a_hold_keeps_the_jobs_of_a_silent_host_until_the_release),
        CASE(a_hold_keeps_reports_until_the_release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
