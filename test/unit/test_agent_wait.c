/* Sentences that name the time after which a provider may be asked again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rules/agent/outcome.h"
#include "rules/agent/wait.h"

#define SECOND INT64_C(1000)
#define HOUR (3600 * SECOND)
/* Wed, 25 Nov 2026 16:38:20. */
#define NOW (INT64_C(1795624700) * SECOND)

static const struct {
    const char *sentence;
    int64_t wait_ms;
} table[] = {
    /* Printed by Codex 0.169.0. */
    {"rate limit exceeded: Rate limit reached for gpt-5 in organization org-x on tokens per min "
     "(TPM): Limit 30000, Used 22999, Requested 12528. Please try again in 11.054s. Visit "
     "https://platform.openai.com/account/rate-limits to learn more.",
     11054},
    {"You\xe2\x80\x99ve hit your usage limit. Visit https://chatgpt.com/settings/usage to purchase "
     "more credits or try again at 5:39 PM.",
     HOUR + 100 * SECOND},
    {"exceeded retry limit, last status: 429 Too Many Requests", 0},
    /* Other forms of both. */
    {"Please try again in 20ms.", 20},
    {"Please try again in 6m0s.", 360 * SECOND},
    {"TRY AGAIN IN 1h2m3s", HOUR + 123 * SECOND},
    {"Try again in 7 seconds", 7 * SECOND},
    {"Try again in 2 hours, 5 minutes.", 2 * HOUR + 300 * SECOND},
    {"Try again in 3 days 2 hours.", AGENT_WAIT_NAMED_MS},
    {"or try again at Nov 26th, 2026 12:05 AM.", 7 * HOUR + 1660 * SECOND},
    {"or try again at Dec 1st, 2026 9:00 AM.", AGENT_WAIT_NAMED_MS},
    {"try again in a moment, or try again in 5s", 5 * SECOND},
    /* No time, or none that can be meant. */
    {"or try again at 4:20 PM.", 0},
    {"or try again at Nov 24th, 2026 4:20 PM.", 0},
    {"try again at noon", 0},
    {"try again at Nov", 0},
    {"try again at Nov 26", 0},
    {"try again in a few minutes", 0},
    {"try again in 5 parsecs", 0},
    {"try again in 1234567890s", 0},
    {"try again in 1.2.3s", 0},
    {"try again in -5s", 0},
    {"try again in ", 0},
    {"try again later", 0},
    {"", 0},
};

static void sentences_name_their_wait(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        const int64_t wait_ms = agent_wait_of_words(bytes_of(table[i].sentence), NOW);
        if (wait_ms != table[i].wait_ms) {
            fail_msg("%lld: %s", (long long)wait_ms, table[i].sentence);
        }
    }
}

static void times_of_a_clock_need_a_clock(void **state) {
    (void)state;
    assert_int_equal(agent_wait_of_words(BYTES("try again at 5:39 PM."), 0), 0);
    assert_int_equal(agent_wait_of_words(BYTES("try again in 5s"), 0), 5000);
    assert_int_equal(agent_wait_of_words(BYTES("try again in 5s\0try again in 6s"), 0), 5000);
}

static void a_wait_of_claude_is_its_own_or_that_of_a_header(void **state) {
    static const struct {
        int64_t attempt, delay_ms, wait_ms;
    } rows[] = {{1, 500, 0},     {1, 624, 0},        {1, 1070, 1070}, {2, 1070, 0},
                {3, 7388, 7388}, {5, 10000, 0},      {5, 7000, 7000}, {7, 32000, 0},
                {10, 40000, 0},  {10, 52000, 52000}, {1, 0, 0},       {1, -7000, 0}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(agent_wait_of_retry(rows[i].attempt, rows[i].delay_ms), rows[i].wait_ms);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sentences_name_their_wait),
        cmocka_unit_test(a_wait_of_claude_is_its_own_or_that_of_a_header),
        cmocka_unit_test(times_of_a_clock_need_a_clock)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
