/* Commands that stop their own holder, who keeps their time. The deadline ends them all the same,
 * in the life of one daemon and over the next; and nothing else is ended by it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json/json.h"
#include "dispatch_kit.h"
#include "proc/tree.h"
#include "rules/job/job.h"
#include "scale.h"

/* The daemon looks when a command's time, its grace and a margin are over: here in a tenth of that.
 * A holder that stands still keeps no time of its own, and the time that one has to claim its
 * folder stays, so nothing else is hurried by it. */
enum { MARGIN_MS = 5000, TIME_MS = 3000, FASTER = 10, CLAIM_MS = 10000 };

void __real_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer));
void __wrap_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer));
void __wrap_timer_start(struct loop *loop, struct timer *timer, uint64_t after_ms,
                        void (*fire)(struct timer *timer)) {
    uint64_t whole_ms = (uint64_t)(scaled_ms(TIME_MS) + JOB_GRACE_MS + MARGIN_MS);
    bool look = after_ms >= MARGIN_MS && after_ms <= whole_ms && after_ms != CLAIM_MS;
    __real_timer_start(loop, timer, look ? after_ms / FASTER : after_ms, fire);
}

/* Its holder stands still when this is back; it says its pid, and goes on for ever. */
static struct id start(struct kit *kit, const char *file, bool once, const char *more) {
    char spec[1024];
    (void)snprintf(spec, sizeof spec,
                   "{\"shell\":\"[ $DROVER_ATTEMPT = 1 ] || exit 0; setsid sleep 1000 & "
                   "kill -STOP $PPID; echo $$ > %s.new; mv %s.new %s; while :; do sleep 1; done\""
                   ",\"timeout_ms\":%d%s}",
                   kit_path(kit, file), kit_path(kit, file), kit_path(kit, file),
                   scaled_ms(TIME_MS), more);
    struct id run = kit_submit(kit, &(struct kit_job){.spec = spec, .once = once});
    kit_until_file(kit, kit_path(kit, file));
    return run;
}

static void assert_tree_ended(struct kit *kit, const struct id *run, const char *file) {
    const struct tree_mark mark = {kit_name(run, 1), ""};
    unsigned left = 7;
    assert_false(process_lives(read_pid(kit_path(kit, file))));
    assert_int_equal(tree_count(&mark, 1, &left).code, ERR_NONE);
    assert_int_equal(left, 0);
}

static void a_deadline_ends_those_whose_holder_stands_still(void **state) {
    struct kit *kit = *state;
    struct id plain = start(kit, "plain", false, "");
    struct id once = start(kit, "once", true, "");
    struct id again =
        start(kit, "again", false, ",\"retry\":{\"max\":1,\"on\":[\"timed_out\"],\"backoff\":0}");
    const struct run_row *row = kit_end(kit, &plain);
    kit_assert_ended(row, RUN_TIMED_OUT, CAUSE_DEADLINE);
    assert_non_null(memmem(row->note.data, row->note.len, "holder", 6));
    assert_tree_ended(kit, &plain, "plain");
    kit_assert_ended(kit_end(kit, &once), RUN_LOST, CAUSE_OUTCOME_UNKNOWN);
    assert_tree_ended(kit, &once, "once");
    kit_assert_ended(kit_end(kit, &again), RUN_SUCCEEDED, CAUSE_COMPLETED);
    assert_tree_ended(kit, &again, "again");
}

static void the_next_daemon_keeps_the_deadline(void **state) {
    struct kit *kit = *state;
    struct id run = start(kit, "plain", false, "");
    kit_down(kit);
    kit_up(kit);
    kit_assert_ended(kit_end(kit, &run), RUN_TIMED_OUT, CAUSE_DEADLINE);
    assert_tree_ended(kit, &run, "plain");
}

/* The wall's clock was set while no daemon was there: it says that the time was over long ago. */
static void a_holder_that_answers_is_left_alone(void **state) {
    struct kit *kit = *state;
    struct id run = kit_submit(
        kit, &(struct kit_job){.spec = "{\"shell\":\"sleep 3\",\"timeout_ms\":3600000}"});
    kit_down(kit);
    kit_open(kit);
    (void)kit_number(kit, "UPDATE runs SET started_ms = 1 RETURNING 1");
    kit_recover(kit);
    kit_assert_ended(kit_end(kit, &run), RUN_SUCCEEDED, CAUSE_COMPLETED);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, kit_setup, kit_teardown)

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        CASE(a_deadline_ends_those_whose_holder_stands_still),
        CASE(the_next_daemon_keeps_the_deadline),
        CASE(a_holder_that_answers_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
