/* price_table.c: the models that are known without a file. Prices change: a file overrules each row
 * (docs/models.md), and a model that is not here costs an unknown amount.
 *
 * Window, longest answer, vision, tools; micro-dollars for a million tokens: fresh, cache_read,
 * cache_write, output.
 */
#include "model/price_inside.h"

#define YES ABILITY_YES
#define NO ABILITY_NO
#define ROW(key, window, output_max, vision, ...)                                                  \
    {                                                                                              \
        (key), {                                                                                   \
            (window), (output_max), (vision), YES, {                                               \
                __VA_ARGS__                                                                        \
            }                                                                                      \
        }                                                                                          \
    }

static const struct price_row rows[] = {
    ROW("scripted/*", 200000, 16384, YES, 0, 0, 0, 0),
    ROW("gpt-4o*", 128000, 16384, YES, 2500000, 1250000, 2500000, 10000000),
    ROW("gpt-4o-mini*", 128000, 16384, YES, 150000, 75000, 150000, 600000),
    ROW("gpt-4.1", 1047576, 32768, YES, 2000000, 500000, 2000000, 8000000),
    ROW("gpt-4.1-mini*", 1047576, 32768, YES, 400000, 100000, 400000, 1600000),
    ROW("gpt-4.1-nano*", 1047576, 32768, YES, 100000, 25000, 100000, 400000),
    ROW("gpt-5", 400000, 128000, YES, 1250000, 125000, 1250000, 10000000),
    ROW("gpt-5-mini*", 400000, 128000, YES, 250000, 25000, 250000, 2000000),
    ROW("gpt-5-nano*", 400000, 128000, YES, 50000, 5000, 50000, 400000),
    ROW("o3", 200000, 100000, YES, 2000000, 500000, 2000000, 8000000),
    ROW("o4-mini*", 200000, 100000, YES, 1100000, 275000, 1100000, 4400000),
    ROW("claude-opus-4-5*", 200000, 64000, YES, 5000000, 500000, 6250000, 25000000),
    ROW("claude-opus-4-1*", 200000, 32000, YES, 15000000, 1500000, 18750000, 75000000),
    ROW("claude-sonnet-4-*", 200000, 64000, YES, 3000000, 300000, 3750000, 15000000),
    ROW("claude-haiku-4-5*", 200000, 64000, YES, 1000000, 100000, 1250000, 5000000),
    ROW("claude-3-7-sonnet*", 200000, 64000, YES, 3000000, 300000, 3750000, 15000000),
    ROW("claude-3-5-haiku*", 200000, 8192, YES, 800000, 80000, 1000000, 4000000),
    ROW("deepseek/deepseek-chat", 128000, 8192, NO, 280000, 28000, 280000, 420000),
    ROW("deepseek/deepseek-reasoner", 128000, 65536, NO, 280000, 28000, 280000, 420000),
    ROW("gemini-2.5-pro*", 1048576, 65536, YES, 1250000, 125000, 1250000, 10000000),
    ROW("gemini-2.5-flash*", 1048576, 65536, YES, 300000, 30000, 300000, 2500000),
    ROW("gemini-2.5-flash-lite*", 1048576, 65536, YES, 100000, 10000, 100000, 400000),
};

size_t price__table(const struct price_row **ret_rows) {
    *ret_rows = rows;
    return COUNT_OF(rows);
}
