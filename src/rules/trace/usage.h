/* usage.h: what a model call used, in the one arithmetic that the rest of drover knows; and what it
 * cost. Pure.
 *
 * Providers count differently: some count cached tokens into the input, some beside it; some count
 * reasoning into the output, some beside it. Each has its own counts struct here, filled with what
 * it said, and a function that makes the same five numbers of it:
 *
 *   fresh        input that the provider had to read
 *   cache_read   input that it had in its cache
 *   cache_write  input that it read and put into its cache (billed by itself)
 *   output       everything that the model produced, reasoning included
 *   reasoning    that part of `output` which is reasoning; 0 where the provider doesn't say
 *
 * Promise    the input is fresh + cache_read + cache_write, the whole is that + output: no token
 *            stands in two of these four. No number is negative or above USAGE_TOKENS_MAX, whatever
 *            a provider says.
 * Threads    any.
 */
#ifndef DROVER_RULES_TRACE_USAGE_H
#define DROVER_RULES_TRACE_USAGE_H

#include "base/base.h"

#define USAGE_TOKENS_MAX INT64_C(1000000000)
/* A text of that many bytes is taken to be one token, where nobody has counted. */
enum {
    USAGE_BYTES_PER_TOKEN = 4,
    USAGE_IMAGE_BYTES = 6000, /* Of text that costs about what an image does. */
};

struct usage {
    int64_t fresh, cache_read, cache_write, output, reasoning;
    int64_t searches; /* Searches of the web that the provider made within the call. */
    bool estimated;   /* The provider reported nothing: counted from the length of the texts. */
};

/* -1 in any of these: not reported. */
struct usage_chat_counts { /* OpenAI chat completions and whoever speaks like it. */
    int64_t prompt_tokens, completion_tokens, total_tokens;
    int64_t cached_tokens;    /* prompt_tokens_details.cached_tokens: part of the prompt. */
    int64_t reasoning_tokens; /* completion_tokens_details.reasoning_tokens. */
    int64_t cache_hit,
        cache_miss; /* DeepSeek: prompt_cache_hit_tokens, prompt_cache_miss_tokens. */
};
struct usage_responses_counts {
    int64_t input_tokens, output_tokens;
    int64_t cached_tokens;    /* Part of the input. */
    int64_t reasoning_tokens; /* Part of the output. */
};
struct usage_messages_counts { /* Anthropic: none of the three inputs contains another. */
    int64_t input_tokens, cache_read_input_tokens, cache_creation_input_tokens;
    int64_t output_tokens;
    int64_t web_search_requests; /* server_tool_use.web_search_requests */
};

struct usage usage_of_chat(const struct usage_chat_counts *counts);
struct usage usage_of_responses(const struct usage_responses_counts *counts);
struct usage usage_of_messages(const struct usage_messages_counts *counts);
struct usage usage_estimate(size_t input_bytes, size_t output_bytes);

/* What a prompt is made of, in the order in which a provider looks it up in its cache: a part is
 * there only if all before it is. */
enum usage_part { USAGE_TOOLS, USAGE_INSTRUCTIONS, USAGE_HISTORY, USAGE_PART_COUNT };
struct usage_parts {
    int64_t tokens[USAGE_PART_COUNT];     /* The input, split by the parts' measured bytes. */
    int64_t cache_read[USAGE_PART_COUNT]; /* As much of each as was in the cache. */
};
/* Providers tell sums alone. No token is lost, and none is counted twice. */
struct usage_parts usage_split(const struct usage *usage, const int64_t bytes[USAGE_PART_COUNT]);

/* Adds the parts' tokens. Of a prompt without bytes nobody knows the parts: nothing is added. */
void usage_add_parts(const struct usage *usage, const int64_t bytes[USAGE_PART_COUNT],
                     int64_t io_tokens[USAGE_PART_COUNT]);

int64_t usage_input(const struct usage *usage);
int64_t usage_total(const struct usage *usage);               /* Input and output. */
void usage_add(struct usage *sum, const struct usage *usage); /* An estimate makes the sum one. */

/* Micro-dollars for a million tokens, and for a thousand searches; PRICE_UNKNOWN where nobody
 * knows. */
#define PRICE_UNKNOWN INT64_C(-1)
#define PRICE_MAX INT64_C(1000000000)
struct usage_price {
    int64_t fresh, cache_read, cache_write, output, search;
};
#define USAGE_PRICE_NONE                                                                           \
    ((struct usage_price){PRICE_UNKNOWN, PRICE_UNKNOWN, PRICE_UNKNOWN, PRICE_UNKNOWN,              \
                          PRICE_UNKNOWN})

struct usage_cost {
    bool known;     /* false: `micros` says nothing. An unknown price is never zero. */
    int64_t micros; /* Micro-dollars, rounded up: many small calls never add up to nothing. */
};
/* Known when each kind of token that was used has a price, and so have the searches. A cache price
 * that is not known is taken to be the fresh one. */
struct usage_cost usage_cost(const struct usage *usage, const struct usage_price *price);

#endif
