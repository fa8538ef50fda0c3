/* test_waiting.c: the wait of an agent of a workflow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules/workflow/waiting.h"
#include "rules/workflow/workflow.h"

static void expect(const struct step_facts *facts, const char *json) {
    AUTO(text_done) struct text text = text_up_to(1000);
    text_add_char(&text, '{');
    step_wait_add(&text, facts);
    text_add_char(&text, '}');
    text_add_char(&text, '\0');
    assert_string_equal(text.data, json);
}

static void an_agent_that_works_or_has_ended_waits_for_nothing(void **state) {
    (void)state;
    const struct run_row works = {.state = RUN_RUNNING}, ended = {.state = RUN_FAILED};
    expect(&(struct step_facts){.row = &works}, "{\"waiting\":null}");
    expect(&(struct step_facts){.row = &ended, .approval = BYTES("apr_1"), .limit = BYTES("run")},
           "{\"waiting\":null}");
}

static void each_cause_has_its_facts(void **state) {
    (void)state;
    const struct run_row works = {.state = RUN_RUNNING},
                         held = {.state = RUN_WAITING, .gate = GATE_HOLD},
                         provider = {.state = RUN_WAITING,
                                     .not_before_ms = 900,
                                     .cause = CAUSE_RATE_LIMITED},
                         queued = {.state = RUN_QUEUED, .gate = GATE_BUDGET, .made_ms = 7},
                         today = {.state = RUN_RUNNING,
                                  .gate = GATE_BUDGET,
                                  .day_end_ms = 800,
                                  .note = BYTES("all is spent")},
                         paused = {.state = RUN_RUNNING, .cause = CAUSE_PAUSED};
    expect(&(struct step_facts){.row = &held},
           "{\"waiting\":{\"for\":\"hold\",\"since_ms\":null}}");
    expect(
        &(struct step_facts){
            .row = &works, .approval = BYTES("apr_1"), .tool = BYTES("run_command"), .asked_ms = 5},
        "{\"waiting\":{\"for\":\"approval\",\"since_ms\":5,\"approval\":\"apr_1\","
        "\"tool\":\"run_command\"}}");
    expect(&(struct step_facts){.row = &provider, .parked_ms = 6},
           "{\"waiting\":{\"for\":\"provider\",\"since_ms\":6,\"resume_at_ms\":900,"
           "\"cause\":\"rate_limited\"}}");
    expect(&(struct step_facts){.row = &queued},
           "{\"waiting\":{\"for\":\"budget\",\"since_ms\":7}}");
    expect(&(struct step_facts){.row = &today},
           "{\"waiting\":{\"for\":\"midnight\",\"since_ms\":null,\"resume_at_ms\":800,"
           "\"note\":\"all is spent\"}}");
    expect(&(struct step_facts){.row = &paused},
           "{\"waiting\":{\"for\":\"paused\",\"since_ms\":null}}");
    expect(&(struct step_facts){.row = &works, .limit = BYTES("connection"), .name = BYTES("x")},
           "{\"waiting\":{\"for\":\"slot\",\"since_ms\":null,\"limit\":\"connection\","
           "\"name\":\"x\"}}");
}

static void a_question_counts_before_a_slot(void **state) {
    (void)state;
    const struct run_row works = {.state = RUN_RUNNING};
    const struct step_facts facts = {
        .row = &works, .approval = BYTES("apr_1"), .limit = BYTES("connection")};
    assert_int_equal(step_wait_of(&facts), STEP_WAIT_APPROVAL);
}

static void a_key_is_the_head_of_the_hash_and_the_occurrence(void **state) {
    (void)state;
    AUTO(text_done) struct text text = text_up_to(1000);
    text_add_char(&text, '{');
    step_key_add(&text, &(struct step_key){BYTES("0123456789abcdef0123"), 12});
    step_key_add(&text, &(struct step_key){.hash = BYTES("")});
    text_add_char(&text, '\0');
    assert_string_equal(text.data, "{\"key\":\"0123456789abcdef.12\",\"key\":null");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_agent_that_works_or_has_ended_waits_for_nothing),
        cmocka_unit_test(each_cause_has_its_facts),
        cmocka_unit_test(a_question_counts_before_a_slot),
        cmocka_unit_test(a_key_is_the_head_of_the_hash_and_the_occurrence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
