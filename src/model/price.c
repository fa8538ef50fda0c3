/* price.c: rows of the file, then rows of the built-in table; the longest key that fits wins. */
#include "model/price.h"

#include <string.h>

#include "base/json/json.h"
#include "base/memory.h"

struct price_row {
    const char *key;
    struct model_facts facts;
};

/* The models that are known without a file. Prices change: a file overrules each row
 * (docs/models.md), and a model that is not here costs an unknown amount.
 *
 * Window, longest answer, vision, tools; micro-dollars for a million tokens: fresh, cache_read,
 * cache_write, output; and for a thousand searches of the provider.
 */
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

static const struct price_row builtin_rows[] = {
    ROW("scripted/*", 200000, 16384, YES, 0, 0, 0, 0, 0),
    ROW("gpt-4o*", 128000, 16384, YES, 2500000, 1250000, 2500000, 10000000, 10000000),
    ROW("gpt-4o-mini*", 128000, 16384, YES, 150000, 75000, 150000, 600000, 10000000),
    ROW("gpt-4.1", 1047576, 32768, YES, 2000000, 500000, 2000000, 8000000, 10000000),
    ROW("gpt-4.1-mini*", 1047576, 32768, YES, 400000, 100000, 400000, 1600000, 10000000),
    ROW("gpt-4.1-nano*", 1047576, 32768, YES, 100000, 25000, 100000, 400000, 10000000),
    ROW("gpt-5", 400000, 128000, YES, 1250000, 125000, 1250000, 10000000, 10000000),
    ROW("gpt-5-mini*", 400000, 128000, YES, 250000, 25000, 250000, 2000000, 10000000),
    ROW("gpt-5-nano*", 400000, 128000, YES, 50000, 5000, 50000, 400000, 10000000),
    ROW("o3", 200000, 100000, YES, 2000000, 500000, 2000000, 8000000, 10000000),
    ROW("o4-mini*", 200000, 100000, YES, 1100000, 275000, 1100000, 4400000, 10000000),
    ROW("claude-opus-4-5*", 200000, 64000, YES, 5000000, 500000, 6250000, 25000000, 10000000),
    ROW("claude-opus-4-1*", 200000, 32000, YES, 15000000, 1500000, 18750000, 75000000, 10000000),
    ROW("claude-sonnet-4-*", 200000, 64000, YES, 3000000, 300000, 3750000, 15000000, 10000000),
    ROW("claude-haiku-4-5*", 200000, 64000, YES, 1000000, 100000, 1250000, 5000000, 10000000),
    ROW("claude-3-7-sonnet*", 200000, 64000, YES, 3000000, 300000, 3750000, 15000000, 10000000),
    ROW("claude-3-5-haiku*", 200000, 8192, YES, 800000, 80000, 1000000, 4000000, 10000000),
    ROW("deepseek/deepseek-chat", 128000, 8192, NO, 280000, 28000, 280000, 420000, PRICE_UNKNOWN),
    ROW("deepseek/deepseek-reasoner", 128000, 65536, NO, 280000, 28000, 280000, 420000,
        PRICE_UNKNOWN),
    ROW("gemini-2.5-pro*", 1048576, 65536, YES, 1250000, 125000, 1250000, 10000000, PRICE_UNKNOWN),
    ROW("gemini-2.5-flash*", 1048576, 65536, YES, 300000, 30000, 300000, 2500000, PRICE_UNKNOWN),
    ROW("gemini-2.5-flash-lite*", 1048576, 65536, YES, 100000, 10000, 100000, 400000,
        PRICE_UNKNOWN),
};
#undef ROW

struct prices {
    json_t *file; /* Owned; NULL: none. Keys of the rows point into it. */
    struct price_row *rows;
    size_t count;
};

/* Beyond its kind, each number of a row has a bound of its own. */
static struct err price_row_read(const char *key, const json_t *value, struct model_facts *facts,
                                 struct why *why) {
    bool vision = false, tools = false;
    struct usage_price *price = &facts->price;
    const struct json_field fields[] = {
        {"window", JSON_KIND_INT, .max = USAGE_TOKENS_MAX, .number = &facts->window},
        {"max_output", JSON_KIND_INT, .max = USAGE_TOKENS_MAX, .number = &facts->output_max},
        {"vision", JSON_KIND_BOOL, .flag = &vision},
        {"tools", JSON_KIND_BOOL, .flag = &tools},
        {"input", JSON_KIND_INT, .max = PRICE_MAX, .number = &price->fresh},
        {"cache_read", JSON_KIND_INT, .max = PRICE_MAX, .number = &price->cache_read},
        {"cache_write", JSON_KIND_INT, .max = PRICE_MAX, .number = &price->cache_write},
        {"output", JSON_KIND_INT, .max = PRICE_MAX, .number = &price->output},
        {"search", JSON_KIND_INT, .max = PRICE_MAX, .number = &price->search},
    };
    struct why inner = {""};
    struct err err = json_read_fields(value, fields, COUNT_OF(fields), &inner);
    if (err_failed(err)) {
        why_set(why, "the price of \"%.100s\": %s", key, inner.text);
        return err;
    }
    if (json_object_get(value, "vision") != NULL) {
        facts->vision = vision ? ABILITY_YES : ABILITY_NO;
    }
    if (json_object_get(value, "tools") != NULL) {
        facts->tools = tools ? ABILITY_YES : ABILITY_NO;
    }
    return ERR_OK;
}

static struct err file_parse(struct prices *prices, struct bytes text, struct why *why) {
    json_t *models = NULL;
    const struct json_field fields[] = {
        {"models", JSON_KIND_ANY, .required = true, .value = &models},
    };
    struct err err = json_parse(text.data, text.len, JSON_DEPTH_MAX, &prices->file, why);
    if (!err_failed(err)) {
        err = json_read_fields(prices->file, fields, COUNT_OF(fields), why);
    }
    if (err_failed(err)) {
        return err;
    }
    if (!json_is_object(models) || json_object_size(models) > PRICE_ROWS_MAX) {
        return err_why(why, ERR_BAD_FIELD, "\"models\" must be an object of at most %d models",
                       PRICE_ROWS_MAX);
    }
    prices->rows = mem_new_array(json_object_size(models) + 1, sizeof *prices->rows);
    for (void *at = json_object_iter(models); at != NULL && !err_failed(err);
         at = json_object_iter_next(models, at)) {
        struct price_row *row = &prices->rows[prices->count++];
        row->key = json_object_iter_key(at);
        row->facts.price = USAGE_PRICE_NONE;
        err = price_row_read(row->key, json_object_iter_value(at), &row->facts, why);
    }
    return err;
}

struct err prices_open(struct bytes text, struct prices **ret_prices, struct why *why) {
    struct prices *prices = mem_new(sizeof *prices);
    struct err err = text.len > 0 ? file_parse(prices, text, why) : ERR_OK;
    if (err_failed(err)) {
        prices_close(prices);
        return err;
    }
    *ret_prices = prices;
    return ERR_OK;
}

void prices_close(struct prices *prices) {
    if (prices != NULL) {
        json_release(&prices->file);
        mem_free(prices->rows);
        mem_free(prices);
    }
}

/* How much of the name `key` says; 0: it doesn't fit. One more for a whole one, so that it wins
 * over the same with a star. */
static size_t fit(const char *key, struct bytes name) {
    size_t len = strlen(key);
    bool open = len > 0 && key[len - 1] == '*';
    size_t said = len - open;
    if (said > name.len || memcmp(key, name.data, said) != 0 || (!open && said != name.len)) {
        return 0;
    }
    return said + 1 + !open;
}

static const struct price_row *best(const struct price_row *rows, size_t count,
                                    struct bytes provider_model, struct bytes model) {
    const struct price_row *found = NULL;
    size_t found_fit = 0;
    for (size_t i = 0; i < count; i++) {
        bool named = strchr(rows[i].key, '/') != NULL;
        size_t fits = fit(rows[i].key, provider_model);
        /* A model's own name may hold a slash: "openrouter/meta/llama". */
        size_t alone = fit(rows[i].key, model);
        fits = named && fits > alone ? fits : alone;
        if (fits > found_fit) {
            found = &rows[i];
            found_fit = fits;
        }
    }
    return found;
}

struct model_facts prices_find(const struct prices *prices, struct bytes provider,
                               struct bytes model) {
    AUTO(text_done) struct text whole = text_up_to(PRICE_KEY_MAX);
    text_add(&whole, provider.data, provider.len);
    text_add_char(&whole, '/');
    text_add(&whole, model.data, model.len);
    struct model_facts facts = {.price = USAGE_PRICE_NONE};
    if (text_failed(&whole)) {
        return facts;
    }
    const struct price_row *of_file = best(prices->rows, prices->count, text_bytes(&whole), model);
    const struct price_row *of_table =
        best(builtin_rows, COUNT_OF(builtin_rows), text_bytes(&whole), model);
    if (of_file == NULL || of_table == NULL) {
        return of_file != NULL ? of_file->facts : of_table != NULL ? of_table->facts : facts;
    }
    facts = of_file->facts;
    const struct model_facts *from = &of_table->facts;
    facts.window = facts.window != 0 ? facts.window : from->window;
    facts.output_max = facts.output_max != 0 ? facts.output_max : from->output_max;
    facts.vision = facts.vision != ABILITY_UNKNOWN ? facts.vision : from->vision;
    facts.tools = facts.tools != ABILITY_UNKNOWN ? facts.tools : from->tools;
    /* A price is taken whole: half of one and half of another would be nobody's. */
    bool priced = facts.price.fresh >= 0 || facts.price.output >= 0;
    facts.price = priced ? facts.price : from->price;
    return facts;
}
