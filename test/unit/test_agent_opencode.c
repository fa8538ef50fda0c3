/* Kilo, which prints the lines of OpenCode, and ends with 0 where an answer broke off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agent/program.h"
#include "base/json/json.h"

static void on_event(void *ctx, const struct program_event *event) {
    (void)ctx;
    (void)event;
}

static void a_call_without_an_end_is_no_success(void **state) {
    (void)state;
    static const char *const lines[] = {
        "{\"type\":\"step_start\",\"sessionID\":\"ses\",\"part\":{}}",
        "{\"type\":\"text\",\"sessionID\":\"ses\",\"part\":{\"text\":\"Hello\"}}",
        "{\"type\":\"step_finish\",\"sessionID\":\"ses\",\"part\":{\"reason\":\"stop\"}}"};
    const struct agent_definition agent = {.name = "a", .program = "kilo"};
    for (size_t count = 2; count <= COUNT_OF(lines); count++) {
        struct program_reader *reader = program_reader_new(program_find(BYTES("kilo")), &agent);
        for (size_t i = 0; i < count; i++) {
            program_read(reader, bytes_of(lines[i]), PROGRAM_LINE_WHOLE, on_event, NULL);
        }
        struct agent_ending ending = {.exit = AGENT_EXITED};
        program_finish(reader, &ending);
        assert_int_equal(agent_classify(&ending).outcome,
                         count == COUNT_OF(lines) ? AGENT_COMPLETED : AGENT_PROVIDER_ERROR);
        program_reader_free(reader);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_without_an_end_is_no_success),
    };
    json_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
