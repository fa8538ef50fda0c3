/* test_usage.c: what real providers report, in the one arithmetic. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "rules/trace/usage.h"

static void is(struct usage usage, struct usage wanted) {
    assert_int_equal(usage.fresh, wanted.fresh);
    assert_int_equal(usage.cache_read, wanted.cache_read);
    assert_int_equal(usage.cache_write, wanted.cache_write);
    assert_int_equal(usage.output, wanted.output);
    assert_int_equal(usage.reasoning, wanted.reasoning);
}

static const struct usage_chat_counts unsaid = {-1, -1, -1, -1, -1, -1, -1};

static struct usage_chat_counts chat(int64_t prompt, int64_t completion, int64_t total) {
    struct usage_chat_counts counts = unsaid;
    counts.prompt_tokens = prompt;
    counts.completion_tokens = completion;
    counts.total_tokens = total;
    return counts;
}

static void openai_counts_cached_tokens_and_reasoning_into_their_wholes(void **state) {
    struct usage_chat_counts counts = chat(2006, 300, 2306);
    counts.cached_tokens = 1920;
    counts.reasoning_tokens = 256;
    is(usage_of_chat(&counts),
       (struct usage){.fresh = 86, .cache_read = 1920, .output = 300, .reasoning = 256});
}

static void deepseek_says_hit_and_miss(void **state) {
    struct usage_chat_counts counts = chat(1000, 50, 1050);
    counts.cache_hit = 896;
    counts.cache_miss = 104;
    counts.cached_tokens = 896; /* It says it in OpenAI's words, too. */
    is(usage_of_chat(&counts), (struct usage){.fresh = 104, .cache_read = 896, .output = 50});
    counts.prompt_tokens = -1;
    is(usage_of_chat(&counts), (struct usage){.fresh = 104, .cache_read = 896, .output = 50});
}

static void servers_without_details_have_fresh_input_only(void **state) {
    const struct usage_chat_counts counts = chat(31, 9, 40); /* vLLM, Ollama, llama.cpp. */
    is(usage_of_chat(&counts), (struct usage){.fresh = 31, .output = 9});
}

static void reasoning_that_is_counted_beside_becomes_output(void **state) {
    struct usage_chat_counts xai = chat(32, 9, 135);
    xai.reasoning_tokens = 94;
    is(usage_of_chat(&xai), (struct usage){.fresh = 32, .output = 103, .reasoning = 94});
    const struct usage_chat_counts gemini = chat(10, 5, 215); /* No details at all. */
    is(usage_of_chat(&gemini), (struct usage){.fresh = 10, .output = 205, .reasoning = 200});
    struct usage_chat_counts no_total = chat(10, 5, -1);
    no_total.reasoning_tokens = 40;
    is(usage_of_chat(&no_total), (struct usage){.fresh = 10, .output = 45, .reasoning = 40});
}

static void anthropic_counts_the_three_inputs_apart(void **state) {
    const struct usage_messages_counts counts = {.input_tokens = 21,
                                                 .cache_read_input_tokens = 188086,
                                                 .cache_creation_input_tokens = 456,
                                                 .output_tokens = 393};
    struct usage usage = usage_of_messages(&counts);
    is(usage, (struct usage){.fresh = 21, .cache_read = 188086, .cache_write = 456, .output = 393});
    assert_int_equal(usage_input(&usage), 188563);
    assert_int_equal(usage_total(&usage), 188956);
}

static void responses_count_like_chat(void **state) {
    const struct usage_responses_counts counts = {
        .input_tokens = 328, .cached_tokens = 256, .output_tokens = 52, .reasoning_tokens = 16};
    is(usage_of_responses(&counts),
       (struct usage){.fresh = 72, .cache_read = 256, .output = 52, .reasoning = 16});
}

static void nonsense_stays_within_bounds(void **state) {
    struct usage_chat_counts counts = chat(INT64_MAX, INT64_MAX, INT64_MAX);
    counts.cached_tokens = INT64_MAX;
    counts.reasoning_tokens = INT64_MAX;
    struct usage usage = usage_of_chat(&counts);
    is(usage, (struct usage){.cache_read = USAGE_TOKENS_MAX,
                             .output = USAGE_TOKENS_MAX,
                             .reasoning = USAGE_TOKENS_MAX});
    is(usage_of_chat(&unsaid), (struct usage){.fresh = 0});
    counts = chat(10, 5, -1);
    counts.cached_tokens = 500; /* More than the whole. */
    is(usage_of_chat(&counts), (struct usage){.cache_read = 10, .output = 5});
    usage_add(&usage, &usage);
    assert_int_equal(usage.output, USAGE_TOKENS_MAX);
}

static void an_estimate_says_so_and_makes_a_sum_one(void **state) {
    struct usage usage = usage_estimate(9, 4), sum = {.fresh = 1};
    is(usage, (struct usage){.fresh = 3, .output = 1});
    assert_true(usage.estimated);
    usage_add(&sum, &usage);
    is(sum, (struct usage){.fresh = 4, .output = 1});
    assert_true(sum.estimated);
}

static void cost_counts_each_kind_once(void **state) {
    const struct usage usage = {.fresh = 1000000,
                                .cache_read = 2000000,
                                .cache_write = 100000,
                                .output = 500000,
                                .reasoning = 400000};
    const struct usage_price price = {3000000, 300000, 3750000, 15000000, PRICE_UNKNOWN};
    struct usage_cost cost = usage_cost(&usage, &price);
    assert_true(cost.known);
    assert_int_equal(cost.micros, 3000000 + 600000 + 375000 + 7500000);
}

static void an_unknown_price_is_never_zero(void **state) {
    const struct usage usage = {.fresh = 1, .output = 1};
    struct usage_price price = USAGE_PRICE_NONE;
    assert_false(usage_cost(&usage, &price).known);
    price.fresh = 1000000;
    assert_false(usage_cost(&usage, &price).known); /* Half of it is not known. */
    price.output = 0;
    assert_true(usage_cost(&usage, &price).known);
    assert_int_equal(usage_cost(&usage, &price).micros, 1);
    const struct usage searched = {.fresh = 1, .output = 1, .searches = 3};
    assert_false(usage_cost(&searched, &price).known);
    price.search = 10000000; /* A thousand cost ten dollars. */
    assert_int_equal(usage_cost(&searched, &price).micros, 30001);
}

static void a_cache_without_a_price_costs_what_fresh_input_does(void **state) {
    const struct usage usage = {.fresh = 10, .cache_read = 10, .cache_write = 10};
    const struct usage_price price = {1000000, PRICE_UNKNOWN, PRICE_UNKNOWN, PRICE_UNKNOWN,
                                      PRICE_UNKNOWN};
    struct usage_cost cost = usage_cost(&usage, &price);
    assert_true(cost.known);
    assert_int_equal(cost.micros, 30);
}

static void small_costs_are_rounded_up_and_large_ones_fit(void **state) {
    struct usage usage = {.fresh = 1};
    struct usage_price price = {1, 1, 1, 1, 1};
    assert_int_equal(usage_cost(&usage, &price).micros, 1);
    usage = (struct usage){.fresh = USAGE_TOKENS_MAX,
                           .cache_read = USAGE_TOKENS_MAX,
                           .cache_write = USAGE_TOKENS_MAX,
                           .output = USAGE_TOKENS_MAX,
                           .searches = USAGE_TOKENS_MAX};
    price = (struct usage_price){PRICE_MAX, PRICE_MAX, PRICE_MAX, PRICE_MAX, PRICE_MAX};
    assert_int_equal(usage_cost(&usage, &price).micros, INT64_C(5000000000000));
}

/* --- Parts of a prompt ------------------------------------------------------------------------ */

static void a_prompt_is_split_by_its_bytes_and_no_token_is_lost(void **state) {
    const struct usage usage = {.fresh = 70, .cache_read = 20, .cache_write = 10};
    const int64_t bytes[USAGE_PART_COUNT] = {100, 100, 101};
    const struct usage_parts parts = usage_split(&usage, bytes);
    const int64_t tokens[] = {33, 33, 34}, cached[] = {20, 0, 0};
    assert_memory_equal(parts.tokens, tokens, sizeof tokens);
    assert_memory_equal(parts.cache_read, cached, sizeof cached);
}

static void what_was_cached_is_the_beginning_of_the_prompt(void **state) {
    const struct usage usage = {.fresh = 10, .cache_read = 90};
    const int64_t bytes[USAGE_PART_COUNT] = {50, 30, 20};
    const struct usage_parts parts = usage_split(&usage, bytes);
    const int64_t cached[] = {50, 30, 10};
    assert_memory_equal(parts.cache_read, cached, sizeof cached);
}

static void a_prompt_that_nobody_measured_is_all_history(void **state) {
    const struct usage usage = {.fresh = 7, .cache_read = 3};
    const int64_t bytes[USAGE_PART_COUNT] = {0};
    const struct usage_parts parts = usage_split(&usage, bytes);
    const int64_t tokens[] = {0, 0, 10}, cached[] = {0, 0, 3};
    assert_memory_equal(parts.tokens, tokens, sizeof tokens);
    assert_memory_equal(parts.cache_read, cached, sizeof cached);
}

static void the_largest_prompt_is_split_without_overflow(void **state) {
    const struct usage usage = {
        .fresh = USAGE_TOKENS_MAX, .cache_read = USAGE_TOKENS_MAX, .cache_write = USAGE_TOKENS_MAX};
    const int64_t bytes[USAGE_PART_COUNT] = {INT64_MAX, INT64_MAX, INT64_MAX};
    const struct usage_parts parts = usage_split(&usage, bytes);
    for (size_t i = 0; i < USAGE_PART_COUNT; i++) {
        assert_int_equal(parts.tokens[i], USAGE_TOKENS_MAX);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openai_counts_cached_tokens_and_reasoning_into_their_wholes),
        cmocka_unit_test(deepseek_says_hit_and_miss),
        cmocka_unit_test(servers_without_details_have_fresh_input_only),
        cmocka_unit_test(reasoning_that_is_counted_beside_becomes_output),
        cmocka_unit_test(anthropic_counts_the_three_inputs_apart),
        cmocka_unit_test(responses_count_like_chat),
        cmocka_unit_test(nonsense_stays_within_bounds),
        cmocka_unit_test(an_estimate_says_so_and_makes_a_sum_one),
        cmocka_unit_test(cost_counts_each_kind_once),
        cmocka_unit_test(an_unknown_price_is_never_zero),
        cmocka_unit_test(a_cache_without_a_price_costs_what_fresh_input_does),
        cmocka_unit_test(small_costs_are_rounded_up_and_large_ones_fit),
        cmocka_unit_test(a_prompt_is_split_by_its_bytes_and_no_token_is_lost),
        cmocka_unit_test(what_was_cached_is_the_beginning_of_the_prompt),
        cmocka_unit_test(a_prompt_that_nobody_measured_is_all_history),
        cmocka_unit_test(the_largest_prompt_is_split_without_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
