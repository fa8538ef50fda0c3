/* price.c: rows of the file, then rows of the built-in table; the longest key that fits wins. */
#include "model/price.h"

#include <string.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "model/price_inside.h"

struct prices {
    json_t *file; /* Owned; NULL: none. Keys of the rows point into it. */
    struct price_row *rows;
    size_t count;
};

static enum model_ability ability(const json_t *value) {
    if (value == NULL) {
        return ABILITY_UNKNOWN;
    }
    return json_is_true(value) ? ABILITY_YES : ABILITY_NO;
}

/* Beyond its kind, each number of a row has a bound of its own. */
static struct err read_row(const char *key, const json_t *value, struct model_facts *facts,
                           struct why *why) {
    bool vision = false, tools = false;
    struct usage_price *price = &facts->price;
    const struct json_field fields[] = {
        {.name = "window",
         .kind = JSON_KIND_INT,
         .max = USAGE_TOKENS_MAX,
         .number = &facts->window},
        {.name = "max_output",
         .kind = JSON_KIND_INT,
         .max = USAGE_TOKENS_MAX,
         .number = &facts->output_max},
        {.name = "vision", .kind = JSON_KIND_BOOL, .flag = &vision},
        {.name = "tools", .kind = JSON_KIND_BOOL, .flag = &tools},
        {.name = "input", .kind = JSON_KIND_INT, .max = PRICE_MAX, .number = &price->fresh},
        {.name = "cache_read",
         .kind = JSON_KIND_INT,
         .max = PRICE_MAX,
         .number = &price->cache_read},
        {.name = "cache_write",
         .kind = JSON_KIND_INT,
         .max = PRICE_MAX,
         .number = &price->cache_write},
        {.name = "output", .kind = JSON_KIND_INT, .max = PRICE_MAX, .number = &price->output},
    };
    struct why inner = {""};
    struct err err = json_read_fields(value, fields, COUNT_OF(fields), &inner);
    if (err_failed(err)) {
        why_set(why, "the price of \"%.100s\": %s", key, inner.text);
        return err;
    }
    facts->vision = ability(json_object_get(value, "vision"));
    facts->tools = ability(json_object_get(value, "tools"));
    return ERR_OK;
}

static struct err read_rows(struct prices *prices, json_t *models, struct why *why) {
    if (!json_is_object(models) || json_object_size(models) > PRICE_ROWS_MAX) {
        why_set(why, "\"models\" must be an object of at most %d models", PRICE_ROWS_MAX);
        return err_make(ERR_BAD_FIELD, "prices: open");
    }
    prices->rows = mem_new_array(json_object_size(models) + 1, sizeof *prices->rows);
    for (void *at = json_object_iter(models); at != NULL; at = json_object_iter_next(models, at)) {
        struct price_row *row = &prices->rows[prices->count++];
        row->key = json_object_iter_key(at);
        row->facts.price = USAGE_PRICE_NONE;
        struct err err = read_row(row->key, json_object_iter_value(at), &row->facts, why);
        if (err_failed(err)) {
            return err;
        }
    }
    return ERR_OK;
}

static struct err read_file(struct prices *prices, struct bytes text, struct why *why) {
    struct err err = json_parse(text.data, text.len, JSON_DEPTH_MAX, &prices->file, why);
    json_t *models = NULL;
    const struct json_field fields[] = {
        {.name = "models", .kind = JSON_KIND_ANY, .required = true, .value = &models},
    };
    if (!err_failed(err)) {
        err = json_read_fields(prices->file, fields, COUNT_OF(fields), why);
    }
    return err_failed(err) ? err : read_rows(prices, models, why);
}

struct err prices_open(struct bytes text, struct prices **ret_prices, struct why *why) {
    struct prices *prices = mem_new(sizeof *prices);
    struct err err = text.len > 0 ? read_file(prices, text, why) : ERR_OK;
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

static void fill(struct model_facts *facts, const struct model_facts *from) {
    facts->window = facts->window != 0 ? facts->window : from->window;
    facts->output_max = facts->output_max != 0 ? facts->output_max : from->output_max;
    facts->vision = facts->vision != ABILITY_UNKNOWN ? facts->vision : from->vision;
    facts->tools = facts->tools != ABILITY_UNKNOWN ? facts->tools : from->tools;
    /* A price is taken whole: half of one and half of another would be nobody's. */
    bool priced = facts->price.fresh >= 0 || facts->price.output >= 0;
    facts->price = priced ? facts->price : from->price;
}

struct model_facts prices_find(const struct prices *prices, struct bytes provider,
                               struct bytes model) {
    AUTO(text_done) struct text whole;
    text_init(&whole, PRICE_KEY_MAX);
    text_add(&whole, provider.data, provider.len);
    text_add_char(&whole, '/');
    text_add(&whole, model.data, model.len);
    struct model_facts facts = {.price = USAGE_PRICE_NONE};
    if (text_failed(&whole)) {
        return facts;
    }
    struct bytes name = {whole.data, whole.len};
    const struct price_row *row = best(prices->rows, prices->count, name, model);
    if (row != NULL) {
        facts = row->facts;
    }
    const struct price_row *table;
    size_t count = price__table(&table);
    row = best(table, count, name, model);
    if (row != NULL) {
        fill(&facts, &row->facts);
    }
    return facts;
}
