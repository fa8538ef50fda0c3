/* usage.c: each provider's arithmetic, written once. */
#include "rules/trace/usage.h"

static int64_t bounded(int64_t tokens) {
    if (tokens < 0) {
        return 0;
    }
    return tokens < USAGE_TOKENS_MAX ? tokens : USAGE_TOKENS_MAX;
}

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* What was cached is part of `input`, as OpenAI counts. */
static void split_input(struct usage *usage, int64_t input, int64_t cached) {
    usage->cache_read = smaller(bounded(cached), bounded(input));
    usage->fresh = bounded(input) - usage->cache_read;
}

static void set_output(struct usage *usage, int64_t output, int64_t reasoning) {
    usage->output = bounded(output);
    usage->reasoning = smaller(bounded(reasoning), usage->output);
}

/* Most count reasoning into the completion. Some (xAI, Gemini's compatible interface) count it
 * beside: then the total is more than its two parts, or the reasoning more than what holds it. */
static int64_t uncounted_reasoning(const struct usage_chat_counts *counts) {
    int64_t parts = bounded(counts->prompt_tokens) + bounded(counts->completion_tokens);
    if (counts->total_tokens > 0) {
        return larger(bounded(counts->total_tokens) - parts, 0);
    }
    bool beside = counts->reasoning_tokens > bounded(counts->completion_tokens);
    return beside ? bounded(counts->reasoning_tokens) : 0;
}

struct usage usage_of_chat(const struct usage_chat_counts *counts) {
    struct usage usage = {.estimated = false};
    bool hits = counts->cache_hit >= 0;
    int64_t prompt = counts->prompt_tokens >= 0
                         ? counts->prompt_tokens
                         : bounded(counts->cache_hit) + bounded(counts->cache_miss);
    split_input(&usage, prompt, hits ? counts->cache_hit : counts->cached_tokens);
    int64_t beside = counts->prompt_tokens >= 0 ? uncounted_reasoning(counts) : 0;
    set_output(&usage, bounded(counts->completion_tokens) + beside,
               larger(counts->reasoning_tokens, beside));
    return usage;
}

struct usage usage_of_responses(const struct usage_responses_counts *counts) {
    struct usage usage = {.estimated = false};
    split_input(&usage, counts->input_tokens, counts->cached_tokens);
    set_output(&usage, counts->output_tokens, counts->reasoning_tokens);
    return usage;
}

struct usage usage_of_messages(const struct usage_messages_counts *counts) {
    return (struct usage){
        .fresh = bounded(counts->input_tokens),
        .cache_read = bounded(counts->cache_read_input_tokens),
        .cache_write = bounded(counts->cache_creation_input_tokens),
        .output = bounded(counts->output_tokens),
        .searches = bounded(counts->web_search_requests),
    };
}

static int64_t tokens_of(size_t bytes) {
    size_t tokens = bytes / USAGE_BYTES_PER_TOKEN + (bytes % USAGE_BYTES_PER_TOKEN != 0);
    return tokens < (size_t)USAGE_TOKENS_MAX ? (int64_t)tokens : USAGE_TOKENS_MAX;
}

struct usage usage_estimate(size_t input_bytes, size_t output_bytes) {
    return (struct usage){
        .fresh = tokens_of(input_bytes), .output = tokens_of(output_bytes), .estimated = true};
}

int64_t usage_input(const struct usage *usage) {
    return usage->fresh + usage->cache_read + usage->cache_write;
}

struct usage_parts usage_split(const struct usage *usage, const int64_t bytes[USAGE_PART_COUNT]) {
    struct usage_parts parts = {.tokens = {0}};
    int64_t input = usage_input(usage), cached = usage->cache_read, all = 0, until = 0, told = 0;
    for (size_t i = 0; i < USAGE_PART_COUNT; i++) {
        all += bounded(bytes[i]);
    }
    for (size_t i = 0; i < USAGE_PART_COUNT; i++) {
        until += bounded(bytes[i]);
        /* Where a part ends is rounded, not what it takes: the last one ends at the sum. Both
         * factors are at most 3e9: they fit. */
        bool last = i + 1 == USAGE_PART_COUNT;
        int64_t end = last ? input : all == 0 ? 0 : input * until / all;
        parts.tokens[i] = end - told;
        told = end;
        parts.cache_read[i] = smaller(cached, parts.tokens[i]);
        cached -= parts.cache_read[i];
    }
    return parts;
}

void usage_add_parts(const struct usage *usage, const int64_t bytes[USAGE_PART_COUNT],
                     int64_t io_tokens[USAGE_PART_COUNT]) {
    const struct usage_parts parts = usage_split(usage, bytes);
    int64_t measured = 0;
    for (size_t i = 0; i < USAGE_PART_COUNT; i++) {
        measured += bounded(bytes[i]);
    }
    for (size_t i = 0; i < USAGE_PART_COUNT && measured > 0; i++) {
        io_tokens[i] = bounded(io_tokens[i] + parts.tokens[i]);
    }
}

int64_t usage_total(const struct usage *usage) {
    return usage_input(usage) + usage->output;
}

void usage_add(struct usage *sum, const struct usage *usage) {
    sum->fresh = bounded(sum->fresh + usage->fresh);
    sum->cache_read = bounded(sum->cache_read + usage->cache_read);
    sum->cache_write = bounded(sum->cache_write + usage->cache_write);
    sum->output = bounded(sum->output + usage->output);
    sum->reasoning = bounded(sum->reasoning + usage->reasoning);
    sum->searches = bounded(sum->searches + usage->searches);
    sum->estimated = sum->estimated || usage->estimated;
}

/* Searches are priced by the thousand, tokens by the million: one counts as a thousand tokens. */
enum { SEARCH_UNIT = 1000 };

struct usage_cost usage_cost(const struct usage *usage, const struct usage_price *price) {
    const struct {
        int64_t used, price, unit;
    } kinds[] = {
        {usage->fresh, price->fresh, 1},
        {usage->cache_read, price->cache_read >= 0 ? price->cache_read : price->fresh, 1},
        {usage->cache_write, price->cache_write >= 0 ? price->cache_write : price->fresh, 1},
        {usage->output, price->output, 1},
        {usage->searches, price->search, SEARCH_UNIT},
    };
    /* Five products of at most 1e18 each: they fit. */
    const int64_t million = 1000000;
    int64_t sum = 0;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (kinds[i].used > 0 && kinds[i].price < 0) {
            return (struct usage_cost){.known = false};
        }
        sum +=
            bounded(kinds[i].used * kinds[i].unit) * smaller(larger(kinds[i].price, 0), PRICE_MAX);
    }
    return (struct usage_cost){.known = true, .micros = sum / million + (sum % million != 0)};
}
