/* When a provider that is away is asked again, by whom, and how many requests an outage takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules/provider/outage.h"

static uint64_t wait_after(unsigned failures, bool hurried, uint32_t random) {
    return outage_wait_ms(&(struct outage_wait){
        .first_ms = OUTAGE_WAIT_MS, .failures = failures, .hurried = hurried, .random = random});
}

static void waits_are_quick_at_first_then_double_to_five_minutes(void **state) {
    static const uint64_t least[] = {375, 1500, 6000, 15000, 30000, 60000, 120000, 240000, 300000};
    static const uint64_t most[] = {625, 2500, 10000, 16875, 33750, 67500, 135000, 270000, 337500};
    (void)state;
    for (unsigned i = 0; i < COUNT_OF(least); i++) {
        assert_int_equal(wait_after(i + 1, false, 0), least[i]);
        assert_int_equal(wait_after(i + 1, false, UINT32_MAX), most[i]);
    }
    assert_int_equal(wait_after(1000, false, 0), 300000);
    assert_int_equal(wait_after(3, true, 0), 6000);
    assert_int_equal(wait_after(1000, true, 0), OUTAGE_WAIT_MS);
}

static void a_minute_away_under_forty_calls_takes_twelve_requests(void **state) {
    struct outage outage = {.failures = 0};
    unsigned requests = 0, out = 0;
    bool probing = false;
    (void)state;
    /* Each request is answered 10 ms after it was sent; 40 calls want to be sent all the time. */
    for (uint64_t now_ms = 1000000; now_ms < 1060000; now_ms += 10) {
        for (; out > 0; out--) {
            const unsigned failures = outage_failures(&outage, probing);
            const uint64_t wait_ms = wait_after(failures, false, 0);
            outage_fail(&outage, &(struct outage_failure){
                                     .probes = probing, .now_ms = now_ms, .wait_ms = wait_ms});
            probing = false;
        }
        struct outage_calls calls = {.out = out, .probing = probing, .now_ms = now_ms};
        uint64_t again_ms;
        for (; calls.out < 16 && outage_may_send(&outage, &calls, &again_ms); requests++) {
            outage_note_sent(&outage, &calls);
            calls.probing = probing = outage_is_away(&outage);
            calls.out = ++out;
        }
    }
    assert_in_range(requests, 5, 12);
    outage_end(&outage, 1060000);
    for (struct outage_calls calls = {.now_ms = 1060000}; calls.out < 16; calls.out++) {
        uint64_t again_ms;
        assert_true(outage_may_send(&outage, &calls, &again_ms));
    }
}

static void one_probe_goes_and_the_others_wait_for_its_answer(void **state) {
    struct outage outage = {.failures = 0};
    struct outage_calls calls = {.now_ms = 500};
    uint64_t again_ms;
    (void)state;
    outage_fail(&outage, &(struct outage_failure){.now_ms = 500, .wait_ms = 100});
    outage_fail(&outage,
                &(struct outage_failure){.now_ms = 550, .wait_ms = 900}); /* Sent before. */
    assert_int_equal(outage.failures, 1);
    assert_false(outage_may_send(&outage, &calls, &again_ms));
    assert_int_equal(again_ms, 600);
    calls.now_ms = 600;
    assert_true(outage_may_send(&outage, &calls, &again_ms));
    calls.probing = true;
    assert_false(outage_may_send(&outage, &calls, &again_ms));
    assert_int_equal(again_ms, 0); /* Until the probe has ended. */
    outage_fail(&outage, &(struct outage_failure){.probes = true, .now_ms = 700, .wait_ms = 400});
    assert_int_equal(outage.failures, 2);
    assert_int_equal(outage.next_ms, 1100);
}

static void a_person_is_not_kept_waiting_for_a_late_probe(void **state) {
    struct outage outage = {.failures = 8, .failed_ms = 100000, .next_ms = 400000};
    (void)state;
    outage_hurry(&outage, 101000, OUTAGE_WAIT_MS);
    assert_int_equal(outage.next_ms, 105000);
    outage_hurry(&outage, 200000, OUTAGE_WAIT_MS);
    /* The probe is due already: it stays so. */
    assert_int_equal(outage.next_ms, 105000);
    outage = (struct outage){.failures = 8, .next_ms = 400000, .named = true};
    outage_hurry(&outage, 200000, OUTAGE_WAIT_MS);
    assert_int_equal(outage.next_ms, 400000);
}

static void a_wake_brings_the_next_probe_and_the_quick_waits(void **state) {
    struct outage outage = {.failures = 8, .failed_ms = 100000, .next_ms = 400000};
    (void)state;
    outage_wake(&outage, 110000, /* slept_ms */ 5000);
    assert_int_equal(outage.next_ms, 110000);
    assert_int_equal(outage_failures(&outage, /* probes */ true), 2);
    outage_wake(&outage, 120000, 5000); /* Due already: nothing changes. */
    assert_int_equal(outage.next_ms, 110000);
    outage = (struct outage){.failures = 1, .next_ms = 400000, .named = true};
    outage_wake(&outage, 110000, 250000);
    assert_int_equal(outage.next_ms, 150000);
    outage = (struct outage){.failures = 0};
    outage_wake(&outage, 110000, 5000);
    assert_false(outage_is_away(&outage));
}

static void many_calls_to_a_silent_provider_are_not_sent_together(void **state) {
    struct outage outage = {.failures = 0};
    struct outage_calls calls = {.out = 0, .now_ms = 70000};
    uint64_t again_ms;
    (void)state;
    outage_note_sent(&outage, &calls);
    calls.out = OUTAGE_BURST;
    assert_false(outage_may_send(&outage, &calls, &again_ms));
    assert_int_equal(again_ms, 70000 + OUTAGE_BURST_MS);
    calls.now_ms = again_ms;
    assert_true(outage_may_send(&outage, &calls, &again_ms)); /* Slow is not away. */
    calls.now_ms = 70010;
    outage_end(&outage, 70010);
    assert_true(outage_may_send(&outage, &calls, &again_ms));
    calls.now_ms = 70010 + OUTAGE_COLD_MS;
    assert_true(outage_may_send(&outage, &calls, &again_ms));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_are_quick_at_first_then_double_to_five_minutes),
        cmocka_unit_test(a_minute_away_under_forty_calls_takes_twelve_requests),
        cmocka_unit_test(one_probe_goes_and_the_others_wait_for_its_answer),
        cmocka_unit_test(a_person_is_not_kept_waiting_for_a_late_probe),
        cmocka_unit_test(a_wake_brings_the_next_probe_and_the_quick_waits),
        cmocka_unit_test(many_calls_to_a_silent_provider_are_not_sent_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
