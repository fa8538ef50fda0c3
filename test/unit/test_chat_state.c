/* The states of a chat: what a key or an event means in each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/turn/chat_state.h"

static void expect(enum chat_state from, enum chat_event event, enum chat_state to,
                   enum chat_effect effect) {
    struct chat_step step = chat_state_event(from, event);
    assert_int_equal(step.state, to);
    assert_int_equal(step.effect, effect);
}

static void a_line_is_a_message_unless_a_question_is_open(void **state) {
    expect(CHAT_IDLE, CHAT_ENTER, CHAT_IDLE, CHAT_SEND);
    expect(CHAT_LEAVING, CHAT_ENTER, CHAT_IDLE, CHAT_SEND);
    expect(CHAT_ANSWERING, CHAT_ENTER, CHAT_ANSWERING, CHAT_SEND);
    expect(CHAT_ASKING, CHAT_ENTER, CHAT_ASKING, CHAT_ANSWER);
}

static void the_second_interrupt_at_an_empty_idle_prompt_leaves(void **state) {
    expect(CHAT_IDLE, CHAT_INTERRUPT, CHAT_LEAVING, CHAT_LEAVE_HINT);
    expect(CHAT_LEAVING, CHAT_INTERRUPT, CHAT_OVER, CHAT_NOTHING);
    expect(CHAT_LEAVING, CHAT_TYPED, CHAT_IDLE, CHAT_NOTHING);
}

static void an_interrupt_stops_a_turn_and_leaves_nothing(void **state) {
    expect(CHAT_ANSWERING, CHAT_INTERRUPT, CHAT_ANSWERING, CHAT_STOP);
    expect(CHAT_ASKING, CHAT_INTERRUPT, CHAT_ASKING, CHAT_STOP);
    expect(CHAT_ASKING, CHAT_TURN_ENDED, CHAT_IDLE, CHAT_NOTHING);
}

static void a_question_that_is_settled_gives_the_line_back(void **state) {
    expect(CHAT_ANSWERING, CHAT_ASKED, CHAT_ASKING, CHAT_NOTHING);
    expect(CHAT_ASKING, CHAT_ASKED, CHAT_ASKING, CHAT_NOTHING);
    expect(CHAT_ASKING, CHAT_SETTLED, CHAT_ANSWERING, CHAT_NOTHING);
}

static void the_end_of_the_input_leaves_and_nothing_comes_after_that(void **state) {
    for (int from = 0; from < CHAT_STATE_COUNT; from++) {
        expect((enum chat_state)from, CHAT_END, CHAT_OVER, CHAT_NOTHING);
    }
    for (int event = 0; event < CHAT_EVENT_COUNT; event++) {
        expect(CHAT_OVER, (enum chat_event)event, CHAT_OVER, CHAT_NOTHING);
    }
}

static void an_event_that_fits_no_edge_changes_nothing(void **state) {
    expect(CHAT_IDLE, CHAT_SETTLED, CHAT_IDLE, CHAT_NOTHING);
    expect(CHAT_IDLE, CHAT_TURN_ENDED, CHAT_IDLE, CHAT_NOTHING);
    expect(CHAT_ANSWERING, CHAT_TURN_BEGAN, CHAT_ANSWERING, CHAT_NOTHING);
    expect(CHAT_ANSWERING, CHAT_TYPED, CHAT_ANSWERING, CHAT_NOTHING);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_a_message_unless_a_question_is_open),
        cmocka_unit_test(the_second_interrupt_at_an_empty_idle_prompt_leaves),
        cmocka_unit_test(an_interrupt_stops_a_turn_and_leaves_nothing),
        cmocka_unit_test(a_question_that_is_settled_gives_the_line_back),
        cmocka_unit_test(the_end_of_the_input_leaves_and_nothing_comes_after_that),
        cmocka_unit_test(an_event_that_fits_no_edge_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
