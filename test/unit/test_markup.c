/* Calls of tools that came as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "rules/provider/markup.h"

#define CALL                                                                                       \
    "<|tool_calls_section_begin|><|tool_call_begin|>functions.ls:0<|tool_call_argument_begin|>{}"  \
    "<|tool_call_end|>"
#define SECTION CALL "<|tool_calls_section_end|>"

static const struct {
    const char *text;
    bool is_call;
} texts[] = {
    {"", false},
    {"wool", false},
    {SECTION, true},
    {"I look. " SECTION " \n\n", true},
    {CALL, true},
    {"<｜tool▁calls▁begin｜>…<｜tool▁calls▁end｜>", true},
    {"Kimi writes\n```\n" SECTION "\n```", false},
    {"Kimi writes `" SECTION "`", false},
    {SECTION " is how Kimi calls.", false},
    {"|tool_call_end|>", false},
};

static void a_text_that_ends_with_a_call_is_one_however_it_is_cut(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        const size_t len = strlen(texts[i].text);
        for (size_t piece = 1; piece <= len + 1; piece++) {
            struct markup_tail tail = {.len = 0};
            for (size_t at = 0; at < len; at += piece) {
                const size_t size = len - at < piece ? len - at : piece;
                markup_tail_add(&tail, (struct bytes){texts[i].text + at, size});
            }
            if (markup_tail_is_call(&tail) != texts[i].is_call) {
                fail_msg("%s, in pieces of %zu", texts[i].text, piece);
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_that_ends_with_a_call_is_one_however_it_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
