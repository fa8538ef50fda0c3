/* Whether a program may be started into a session that others use, too: each row of the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/text.h"
#include "rules/agent/admission.h"

enum { NOW_MS = 10 * 1000 * 1000 };

static enum agent_admission admit(struct agent_found found, int64_t own_ms) {
    const struct agent_found_at at = {.now_ms = NOW_MS, .own_ms = own_ms};
    return agent_admit(&found, &at);
}

static void a_session_that_nobody_is_seen_in_is_free(void **state) {
    assert_int_equal(admit((struct agent_found){.owner = 0}, 0), AGENT_FREE);
    assert_int_equal(admit((struct agent_found){.owner = 0}, NOW_MS), AGENT_FREE);
}

static void the_first_rule_that_fits_decides(void **state) {
    const struct agent_found all = {
        .owner = 7, .worked_ms = NOW_MS - 1000, .compacted_ms = NOW_MS - 1000};
    struct agent_found found = all;
    assert_int_equal(admit(found, 0), AGENT_OWNED);
    found.owner = 0;
    assert_int_equal(admit(found, 0), AGENT_WORKING);
    found.worked_ms = 0;
    assert_int_equal(admit(found, 0), AGENT_COMPACTED);
    found.compacted_ms = 0;
    assert_int_equal(admit(found, 0), AGENT_FREE);
}

static void lines_count_for_a_time_and_not_before_they_were_written(void **state) {
    assert_int_equal(admit((struct agent_found){.worked_ms = NOW_MS}, 0), AGENT_WORKING);
    assert_int_equal(admit((struct agent_found){.worked_ms = NOW_MS - AGENT_WORKS_MS + 1}, 0),
                     AGENT_WORKING);
    assert_int_equal(admit((struct agent_found){.worked_ms = NOW_MS - AGENT_WORKS_MS}, 0),
                     AGENT_FREE);
    assert_int_equal(admit((struct agent_found){.worked_ms = NOW_MS + 1}, 0), AGENT_FREE);
    assert_int_equal(
        admit((struct agent_found){.compacted_ms = NOW_MS - AGENT_COMPACTED_MS + 1}, 0),
        AGENT_COMPACTED);
    assert_int_equal(admit((struct agent_found){.compacted_ms = NOW_MS - AGENT_COMPACTED_MS}, 0),
                     AGENT_FREE);
    assert_int_equal(admit((struct agent_found){.compacted_ms = NOW_MS + 1}, 0), AGENT_FREE);
}

static void lines_of_our_own_process_keep_nobody_waiting(void **state) {
    const int64_t own_ms = NOW_MS - 500;
    const struct agent_found ours = {.worked_ms = own_ms, .compacted_ms = own_ms};
    const struct agent_found theirs = {.worked_ms = own_ms + 1, .compacted_ms = own_ms};
    assert_int_equal(admit(ours, own_ms), AGENT_FREE);
    assert_int_equal(admit(theirs, own_ms), AGENT_WORKING);
    assert_int_equal(admit((struct agent_found){.owner = 7}, own_ms), AGENT_OWNED);
}

static void each_wait_has_a_sentence(void **state) {
    static const char *const sentences[AGENT_ADMISSIONS] = {
        [AGENT_FREE] = "",
        [AGENT_OWNED] = "another process (pid 4242) uses this session of claude",
        [AGENT_WORKING] = "another process works in this session of claude",
        [AGENT_COMPACTED] =
            "another process made a summary of this session of claude less than 300 s ago",
    };
    const struct agent_found found = {.owner = 4242};
    for (unsigned i = 0; i < AGENT_ADMISSIONS; i++) {
        AUTO(text_done) struct text text = text_up_to(200);
        agent_admission_tell((enum agent_admission)i, "claude", &found, &text);
        assert_true(bytes_is(text_bytes(&text), sentences[i]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_that_nobody_is_seen_in_is_free),
        cmocka_unit_test(the_first_rule_that_fits_decides),
        cmocka_unit_test(lines_count_for_a_time_and_not_before_they_were_written),
        cmocka_unit_test(lines_of_our_own_process_keep_nobody_waiting),
        cmocka_unit_test(each_wait_has_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
