/* The rules of runs: edges, admission, effects, and who decides after an attempt has ended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules/run/run.h"

static void names_are_found_again(void **state) {
    (void)state;
    for (unsigned i = 0; i < RUN_STATE_COUNT; i++) {
        enum run_state found = RUN_STATE_COUNT;
        const char *name = run_state_name((enum run_state)i);
        assert_true(run_state_find((struct bytes){name, strlen(name)}, &found));
        assert_int_equal(found, i);
    }
    for (unsigned i = 0; i < RUN_CAUSE_COUNT; i++) {
        enum run_cause found = RUN_CAUSE_COUNT;
        const char *name = run_cause_name((enum run_cause)i);
        assert_true(run_cause_find((struct bytes){name, strlen(name)}, &found));
        assert_int_equal(found, i);
    }
    for (unsigned i = 0; i < RUN_GATE_COUNT; i++) {
        enum run_gate found = RUN_GATE_COUNT;
        const char *name = run_gate_name((enum run_gate)i);
        assert_true(run_gate_find((struct bytes){name, strlen(name)}, &found));
        assert_int_equal(found, i);
    }
    for (unsigned i = 0; i < RUN_KIND_COUNT; i++) {
        enum run_kind found = RUN_KIND_COUNT;
        const char *name = run_kind_name((enum run_kind)i);
        assert_true(run_kind_find((struct bytes){name, strlen(name)}, &found));
        assert_int_equal(found, i);
    }
    enum run_state none;
    assert_false(run_state_find(BYTES("runnin"), &none));
    assert_false(run_state_find(BYTES("running "), &none));
}

static void edges_are_those_of_the_drawing(void **state) {
    (void)state;
    static const char *const drawing[RUN_STATE_COUNT] = {
        /* to:        q r w s d f c t l */
        [RUN_QUEUED] = ".r...fc..",    [RUN_RUNNING] = "q.wsdfctl",   [RUN_WAITING] = "qr.sdfctl",
        [RUN_SUCCEEDED] = ".........", [RUN_DEGRADED] = ".........",  [RUN_FAILED] = ".........",
        [RUN_CANCELLED] = ".........", [RUN_TIMED_OUT] = ".........", [RUN_LOST] = ".........",
    };
    for (unsigned from = 0; from < RUN_STATE_COUNT; from++) {
        for (unsigned to = 0; to < RUN_STATE_COUNT; to++) {
            assert_int_equal(run_edge_legal((enum run_state)from, (enum run_state)to),
                             drawing[from][to] != '.');
        }
        assert_int_equal(run_state_final((enum run_state)from), from >= RUN_SUCCEEDED);
    }
}

static void gates_are_asked_in_order(void **state) {
    (void)state;
    struct run_admission all = {
        .not_before_ms = 11, .now_ms = 10, .key_max = 2, .key_taken = 2, .slots_free = 0};
    assert_int_equal(run_admit(&all), GATE_TIME);
    all.now_ms = 11;
    assert_int_equal(run_admit(&all), GATE_KEY);
    all.key_taken = 1;
    assert_int_equal(run_admit(&all), GATE_SLOT);
    all.slots_free = 1;
    assert_int_equal(run_admit(&all), GATE_NONE);
    all.key_taken = 9;
    all.key_max = 0; /* No key. */
    assert_int_equal(run_admit(&all), GATE_NONE);
}

static void effects_follow_from_state_and_epoch_alone(void **state) {
    (void)state;
    struct run_row row = {.state = RUN_RUNNING, .epoch = 7};
    struct run_effects effects = run_effects(&row, 7, RUN_FREE);
    assert_true(effects.start && !effects.adopt && !effects.stop && !effects.wake);
    effects = run_effects(&row, 7, RUN_HELD);
    assert_false(effects.start);
    effects = run_effects(&row, 8, RUN_HELD);
    assert_true(effects.adopt && !effects.start); /* What lives is still followed. */
    row.stop = CAUSE_STOPPED;
    effects = run_effects(&row, 7, RUN_FREE);
    assert_true(effects.stop && !effects.start);
    effects = run_effects(&row, 8, RUN_FREE);
    assert_true(effects.stop && effects.adopt);
    row = (struct run_row){.state = RUN_WAITING, .epoch = 7};
    effects = run_effects(&row, 7, RUN_FREE);
    assert_true(!effects.start && !effects.adopt);
    row = (struct run_row){.state = RUN_QUEUED, .gate = GATE_TIME};
    assert_true(run_effects(&row, 7, RUN_HELD).wake);
    row.gate = GATE_SLOT;
    effects = run_effects(&row, 7, RUN_FREE);
    assert_true(!effects.start && !effects.adopt && !effects.stop && !effects.wake);
    for (unsigned i = RUN_SUCCEEDED; i < RUN_STATE_COUNT; i++) {
        row = (struct run_row){.state = (enum run_state)i, .stop = CAUSE_STOPPED};
        effects = run_effects(&row, 7, RUN_FREE);
        assert_true(!effects.start && !effects.adopt && !effects.stop && !effects.wake);
    }
}

static void a_wait_for_a_provider_is_shown_and_a_wait_for_a_person_is_none(void **state) {
    (void)state;
    struct run_row row = {.state = RUN_WAITING, .not_before_ms = 5000, .epoch = 7};
    assert_true(run_waits_for_provider(&row));
    assert_int_equal(run_gate_shown(&row), GATE_PROVIDER);
    assert_int_equal(run_resume_at_ms(&row), 5000);
    assert_int_equal(run_provider_wait_ms(row.not_before_ms, 3000), 2000);
    assert_int_equal(run_provider_wait_ms(row.not_before_ms, 5001), 0);
    assert_int_equal(run_provider_wait_ms(row.not_before_ms, -1000000000),
                     RUN_PROVIDER_WAIT_MAX_MS);
    row.not_before_ms = 0;
    assert_false(run_waits_for_provider(&row));
    assert_int_equal(run_gate_shown(&row), GATE_NONE);
    assert_int_equal(run_resume_at_ms(&row), 0);
    row = (struct run_row){.state = RUN_QUEUED, .gate = GATE_TIME, .not_before_ms = 9};
    assert_false(run_waits_for_provider(&row));
    assert_int_equal(run_resume_at_ms(&row), 9);
    row = (struct run_row){.state = RUN_FAILED, .cause = CAUSE_QUOTA, .not_before_ms = 9};
    assert_int_equal(run_resume_at_ms(&row), 9);
    row = (struct run_row){.state = RUN_CANCELLED, .cause = CAUSE_STOPPED, .not_before_ms = 9};
    assert_int_equal(run_resume_at_ms(&row), 0);
}

/* What nobody goes on with while the daemon holds waits for its release, whatever it waited for. */
static void what_an_older_epoch_began_is_shown_at_the_gate_of_the_hold(void **state) {
    (void)state;
    const struct run_row begun[] = {{.state = RUN_RUNNING, .epoch = 7},
                                    {.state = RUN_WAITING, .epoch = 7, .not_before_ms = 5}};
    for (size_t i = 0; i < COUNT_OF(begun); i++) {
        struct run_row row = begun[i];
        run_shown(&row, 7, RUN_HELD);
        assert_int_equal(row.state, begun[i].state);
        run_shown(&row, 8, RUN_FREE);
        assert_int_equal(row.state, begun[i].state);
        run_shown(&row, 8, RUN_HELD);
        assert_int_equal(row.state, RUN_WAITING);
        assert_int_equal(run_gate_shown(&row), GATE_HOLD);
        assert_int_equal(run_resume_at_ms(&row), 0);
    }
    struct run_row asks = {.state = RUN_WAITING, .epoch = 7};
    run_shown(&asks, 8, RUN_HELD);
    assert_int_equal(asks.gate, GATE_NONE); /* A person can answer meanwhile. */
}

/* The other gates name what keeps a run also after the release. */
static void a_queued_run_that_lacks_a_slot_is_shown_at_the_gate_of_the_hold(void **state) {
    (void)state;
    for (enum run_gate gate = GATE_KEY; gate < GATE_HOLD; gate++) {
        struct run_row row = {.state = RUN_QUEUED, .gate = gate};
        run_shown(&row, 8, RUN_FREE);
        assert_int_equal(row.gate, gate);
        run_shown(&row, 8, RUN_HELD);
        assert_int_equal(row.state, RUN_QUEUED);
        assert_int_equal(run_gate_shown(&row), gate == GATE_SLOT ? GATE_HOLD : gate);
    }
}

/* --- Judging ---------------------------------------------------------------------------------- */

struct outcome {
    enum run_state state;
    enum run_cause cause;
};

/* What each end is by itself: nobody asked to stop, it may run twice, and nothing is tried again.
 * The columns: by itself, stopped, timed out, too many processes. Code 3. */
static const struct outcome plain[][4] = {
    [ATTEMPT_EXITED] = {{RUN_FAILED, CAUSE_EXIT_CODE},
                        {RUN_CANCELLED, CAUSE_STOPPED},
                        {RUN_TIMED_OUT, CAUSE_DEADLINE},
                        {RUN_FAILED, CAUSE_PROCESSES}},
    [ATTEMPT_SIGNALED] = {{RUN_FAILED, CAUSE_SIGNAL},
                          {RUN_CANCELLED, CAUSE_STOPPED},
                          {RUN_TIMED_OUT, CAUSE_DEADLINE},
                          {RUN_FAILED, CAUSE_PROCESSES}},
    [ATTEMPT_NOT_STARTED] = {{RUN_FAILED, CAUSE_NOT_STARTED},
                             {RUN_CANCELLED, CAUSE_STOPPED},
                             {RUN_FAILED, CAUSE_NOT_STARTED},
                             {RUN_FAILED, CAUSE_NOT_STARTED}},
    [ATTEMPT_VOID] = {{RUN_QUEUED, CAUSE_NOT_STARTED},
                      {RUN_QUEUED, CAUSE_NOT_STARTED},
                      {RUN_QUEUED, CAUSE_NOT_STARTED},
                      {RUN_QUEUED, CAUSE_NOT_STARTED}},
    [ATTEMPT_GONE] = {{RUN_LOST, CAUSE_HOLDER_KILLED},
                      {RUN_LOST, CAUSE_HOLDER_KILLED},
                      {RUN_TIMED_OUT, CAUSE_DEADLINE},
                      {RUN_LOST, CAUSE_HOLDER_KILLED}},
    [ATTEMPT_FOLDER_GONE] = {{RUN_LOST, CAUSE_OUTPUT_GONE},
                             {RUN_LOST, CAUSE_OUTPUT_GONE},
                             {RUN_LOST, CAUSE_OUTPUT_GONE},
                             {RUN_LOST, CAUSE_OUTPUT_GONE}},
    [ATTEMPT_REBOOTED] = {{RUN_QUEUED, CAUSE_MACHINE_RESTARTED},
                          {RUN_QUEUED, CAUSE_MACHINE_RESTARTED},
                          {RUN_QUEUED, CAUSE_MACHINE_RESTARTED},
                          {RUN_QUEUED, CAUSE_MACHINE_RESTARTED}},
    [ATTEMPT_HOST_GONE] = {{RUN_LOST, CAUSE_HOST_GONE},
                           {RUN_LOST, CAUSE_HOST_GONE},
                           {RUN_LOST, CAUSE_HOST_GONE},
                           {RUN_LOST, CAUSE_HOST_GONE}},
    [ATTEMPT_NO_DESCRIPTORS] = {{RUN_QUEUED, CAUSE_NO_DESCRIPTORS},
                                {RUN_QUEUED, CAUSE_NO_DESCRIPTORS},
                                {RUN_QUEUED, CAUSE_NO_DESCRIPTORS},
                                {RUN_QUEUED, CAUSE_NO_DESCRIPTORS}},
};

/* The state that a stop for this reason leads to. */
static const struct outcome stopped[RUN_CAUSE_COUNT] = {
    [CAUSE_STOPPED] = {RUN_CANCELLED, CAUSE_STOPPED},
    [CAUSE_PARENT_ENDED] = {RUN_CANCELLED, CAUSE_PARENT_ENDED},
    [CAUSE_DEADLINE] = {RUN_TIMED_OUT, CAUSE_DEADLINE},
    [CAUSE_BUDGET] = {RUN_FAILED, CAUSE_BUDGET},
};
static const enum run_cause stops[] = {CAUSE_NONE, CAUSE_STOPPED, CAUSE_PARENT_ENDED,
                                       CAUSE_DEADLINE, CAUSE_BUDGET};
static const unsigned policies[] = {0, RETRY_FAILED, RETRY_TIMED_OUT, RETRY_LOST,
                                    RETRY_FAILED | RETRY_TIMED_OUT | RETRY_LOST};

struct situation {
    struct run_row row;
    struct retry_policy policy;
    struct attempt attempt;
};

static bool unseen(enum attempt_end end) {
    return end == ATTEMPT_GONE || end == ATTEMPT_FOLDER_GONE || end == ATTEMPT_REBOOTED ||
           end == ATTEMPT_HOST_GONE;
}

static bool tried_again(const struct situation *it, enum run_state state) {
    static const unsigned bits[RUN_STATE_COUNT] = {
        [RUN_FAILED] = RETRY_FAILED, [RUN_TIMED_OUT] = RETRY_TIMED_OUT, [RUN_LOST] = RETRY_LOST};
    return it->row.stop == CAUSE_NONE && !it->row.once && (it->policy.on & bits[state]) != 0 &&
           it->row.failures < it->policy.max;
}

static bool ended_by_stop(const struct situation *it) {
    enum attempt_end end = it->attempt.end;
    return it->attempt.why == ATTEMPT_STOPPED || end == ATTEMPT_VOID ||
           end == ATTEMPT_NOT_STARTED || end == ATTEMPT_NO_DESCRIPTORS || unseen(end);
}

/* Written from the promise, one sentence of it each. */
static struct outcome expected(const struct situation *it) {
    struct outcome out = plain[it->attempt.end][it->attempt.why];
    if (it->attempt.end == ATTEMPT_EXITED && it->attempt.why == ATTEMPT_ITSELF &&
        it->attempt.code == 0) {
        out = (struct outcome){RUN_SUCCEEDED, CAUSE_COMPLETED};
    }
    if (it->row.once && unseen(it->attempt.end)) {
        return (struct outcome){RUN_LOST, CAUSE_OUTCOME_UNKNOWN};
    }
    if (it->row.stop != CAUSE_NONE && ended_by_stop(it)) {
        return stopped[it->row.stop];
    }
    if (tried_again(it, out.state)) {
        out.state = RUN_QUEUED;
    }
    return out;
}

static void judge_one(const struct situation *it, unsigned *count) {
    struct run_verdict verdict = run_judge(&it->row, &it->policy, &it->attempt, 0);
    struct outcome want = expected(it);
    if (verdict.state != want.state || verdict.cause != want.cause) {
        fail_msg("end %d why %d code %d once %d stop %s on %u failures %d: %s, %s", it->attempt.end,
                 it->attempt.why, it->attempt.code, it->row.once, run_cause_name(it->row.stop),
                 it->policy.on, (int)it->row.failures, run_state_name(verdict.state),
                 run_cause_name(verdict.cause));
    }
    assert_true(run_edge_legal(it->row.state, verdict.state));
    assert_true(it->row.stop == CAUSE_NONE || run_state_final(verdict.state));
    bool void_start = it->attempt.end == ATTEMPT_VOID || it->attempt.end == ATTEMPT_NO_DESCRIPTORS;
    if (it->row.once && !void_start) {
        assert_true(run_state_final(verdict.state)); /* It may have run: never again. */
    }
    ++*count;
}

static void judge_stops(struct situation it, unsigned *count) {
    for (size_t stop = 0; stop < COUNT_OF(stops); stop++) {
        for (size_t on = 0; on < COUNT_OF(policies); on++) {
            for (int64_t failures = 0; failures < 3; failures++) {
                it.row.stop = stops[stop];
                it.row.failures = failures;
                it.policy = (struct retry_policy){2, policies[on], 1000};
                judge_one(&it, count);
            }
        }
    }
}

static void every_combination_is_judged_as_promised(void **state) {
    (void)state;
    unsigned count = 0;
    for (int end = ATTEMPT_EXITED; end <= ATTEMPT_NO_DESCRIPTORS; end++) {
        for (int why = ATTEMPT_ITSELF; why <= ATTEMPT_PROCESSES; why++) {
            for (int bits = 0; bits < 8; bits++) {
                struct situation it = {.row = {.state = (bits & 4) != 0 ? RUN_WAITING : RUN_RUNNING,
                                               .once = (bits & 1) != 0},
                                       .attempt = {(enum attempt_end)end, (enum attempt_why)why,
                                                   (bits & 2) != 0 ? 3 : 0}};
                if (end == ATTEMPT_EXITED || (bits & 2) != 0) {
                    judge_stops(it, &count);
                }
            }
        }
    }
    assert_true(count > 5000);
}

static struct run_verdict judge(const struct run_row *row, enum attempt_end end, uint32_t random) {
    const struct retry_policy policy = {.max = 0};
    const struct attempt attempt = {.end = end};
    return run_judge(row, &policy, &attempt, random);
}

static void five_void_starts_in_a_row_are_a_failure(void **state) {
    (void)state;
    static const int64_t waits[] = {0, 100, 200, 400};
    struct run_row row = {.state = RUN_RUNNING, .once = true};
    for (size_t i = 0; i < COUNT_OF(waits); i++) {
        struct run_verdict verdict = judge(&row, ATTEMPT_VOID, 0);
        assert_int_equal(verdict.state, RUN_QUEUED);
        assert_int_equal(verdict.wait_ms, waits[i]);
        assert_int_equal(verdict.failures, 0);
        row.voids = verdict.voids;
    }
    struct run_verdict verdict = judge(&row, ATTEMPT_VOID, 0);
    assert_int_equal(verdict.state, RUN_FAILED);
    assert_int_equal(verdict.cause, CAUSE_NOT_STARTED);
}

static void a_start_without_a_descriptor_is_tried_again_a_thousand_times(void **state) {
    (void)state;
    static const int64_t waits[] = {100, 200, 400, 800, 1600, 3200, 5000, 5000};
    struct run_row row = {.state = RUN_RUNNING, .once = true, .voids = 4};
    for (int64_t i = 0; i < RUN_UNBEGUN_MAX - 1; i++) {
        struct run_verdict verdict = judge(&row, ATTEMPT_NO_DESCRIPTORS, 0);
        assert_int_equal(verdict.state, RUN_QUEUED);
        assert_int_equal(verdict.wait_ms, i < (int64_t)COUNT_OF(waits) ? waits[i] : 5000);
        assert_int_equal(verdict.voids, 4); /* Void starts of other reasons are counted alone. */
        row.unbegun = verdict.unbegun;
    }
    struct run_verdict verdict = judge(&row, ATTEMPT_NO_DESCRIPTORS, 0);
    assert_int_equal(verdict.state, RUN_FAILED);
    assert_int_equal(verdict.cause, CAUSE_NO_DESCRIPTORS);
}

static void a_run_that_waits_for_a_descriptor_is_shown_at_the_gate_of_slots(void **state) {
    (void)state;
    struct run_row row = {
        .state = RUN_QUEUED, .gate = GATE_TIME, .cause = CAUSE_NO_DESCRIPTORS, .not_before_ms = 5};
    assert_int_equal(run_gate_shown(&row), GATE_SLOT);
    assert_int_equal(run_resume_at_ms(&row), 5);
    row.cause = CAUSE_EXIT_CODE;
    assert_int_equal(run_gate_shown(&row), GATE_TIME);
}

static void what_ran_ends_the_row_of_void_starts(void **state) {
    (void)state;
    const struct run_row row = {.state = RUN_RUNNING, .voids = 4};
    assert_int_equal(judge(&row, ATTEMPT_REBOOTED, 0).voids, 0);
}

static void a_machine_may_restart_three_times(void **state) {
    (void)state;
    struct run_row row = {.state = RUN_RUNNING};
    for (int i = 0; i < RUN_REBOOTS_MAX; i++) {
        struct run_verdict verdict = judge(&row, ATTEMPT_REBOOTED, 0);
        assert_int_equal(verdict.state, RUN_QUEUED);
        assert_int_equal(verdict.wait_ms, 0);
        assert_int_equal(verdict.failures, 0);
        row.reboots = verdict.reboots;
    }
    struct run_verdict verdict = judge(&row, ATTEMPT_REBOOTED, 0);
    assert_int_equal(verdict.state, RUN_LOST);
    assert_int_equal(verdict.cause, CAUSE_MACHINE_RESTARTED);
}

static void retries_wait_twice_as_long_each_time_up_to_a_bound(void **state) {
    (void)state;
    const struct retry_policy policy = {.max = 100, .on = RETRY_FAILED, .backoff_ms = 1000};
    const struct attempt attempt = {.end = ATTEMPT_EXITED, .code = 1};
    struct run_row row = {.state = RUN_RUNNING};
    int64_t want = 1000;
    for (int i = 0; i < 100; i++) {
        struct run_verdict verdict = run_judge(&row, &policy, &attempt, 0);
        assert_int_equal(verdict.state, RUN_QUEUED);
        assert_int_equal(verdict.wait_ms, want);
        verdict = run_judge(&row, &policy, &attempt, UINT32_MAX);
        assert_int_equal(verdict.wait_ms, want + want / 2);
        assert_int_equal(verdict.failures, i + 1);
        row.failures = verdict.failures;
        want = want * 2 < RETRY_BACKOFF_MAX_MS ? want * 2 : RETRY_BACKOFF_MAX_MS;
    }
    assert_int_equal(run_judge(&row, &policy, &attempt, 0).state, RUN_FAILED);
}

static void what_has_not_begun_fails_by_its_deadline(void **state) {
    (void)state;
    struct run_row row = {.state = RUN_QUEUED, .stop = CAUSE_DEADLINE};
    assert_int_equal(run_judge_stopped(&row).state, RUN_FAILED);
    row.stop = CAUSE_STOPPED;
    assert_int_equal(run_judge_stopped(&row).state, RUN_CANCELLED);
    row.stop = CAUSE_PARENT_ENDED;
    assert_int_equal(run_judge_stopped(&row).state, RUN_CANCELLED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_found_again),
        cmocka_unit_test(edges_are_those_of_the_drawing),
        cmocka_unit_test(gates_are_asked_in_order),
        cmocka_unit_test(effects_follow_from_state_and_epoch_alone),
        cmocka_unit_test(a_wait_for_a_provider_is_shown_and_a_wait_for_a_person_is_none),
        cmocka_unit_test(what_an_older_epoch_began_is_shown_at_the_gate_of_the_hold),
        cmocka_unit_test(a_queued_run_that_lacks_a_slot_is_shown_at_the_gate_of_the_hold),
        cmocka_unit_test(every_combination_is_judged_as_promised),
        cmocka_unit_test(five_void_starts_in_a_row_are_a_failure),
        cmocka_unit_test(a_start_without_a_descriptor_is_tried_again_a_thousand_times),
        cmocka_unit_test(a_run_that_waits_for_a_descriptor_is_shown_at_the_gate_of_slots),
        cmocka_unit_test(what_ran_ends_the_row_of_void_starts),
        cmocka_unit_test(a_machine_may_restart_three_times),
        cmocka_unit_test(retries_wait_twice_as_long_each_time_up_to_a_bound),
        cmocka_unit_test(what_has_not_begun_fails_by_its_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
