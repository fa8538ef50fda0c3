/* json.c: budgets as clients see them, and limits as they send them. */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "engine/budget/budget.h"

static struct err bad(void) {
    return err_make(ERR_BAD_FIELD, "budget: limit");
}

static bool find_amount(const char *name, unsigned *ret_at) {
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        if (strcmp(name, amount_name((enum amount)i)) == 0) {
            *ret_at = i;
            return true;
        }
    }
    return false;
}

static struct err read_limit(const char *name, const json_t *value, struct budget_limits *limits,
                             struct why *why) {
    unsigned at = 0;
    if (!find_amount(name, &at)) {
        why_set(why, "'%.60s' is none of output_tokens, tokens, cost_micros, agents, wall_ms",
                name);
        return err_make(ERR_UNKNOWN_FIELD, "budget: limit");
    }
    int64_t limit = json_is_integer(value) ? json_integer_value(value) : -1;
    if (!json_is_null(value) && (limit < 0 || limit > BUDGET_LIMIT_MAX)) {
        why_set(why, "\"%s\" must be a whole number from 0 to %" PRId64 ", or null for no limit",
                name, BUDGET_LIMIT_MAX);
        return bad();
    }
    limits->named[at] = true;
    limits->limits.of[at] = json_is_null(value) ? AMOUNT_MAX : limit;
    return ERR_OK;
}

struct err budget_limits_read(const json_t *json, struct budget_limits *ret_limits,
                              struct why *why) {
    struct budget_limits limits = {.limits = amounts_unlimited()};
    if (!json_is_object(json)) {
        why_set(why, "limits are an object, like {\"wall_ms\": 60000}");
        return bad();
    }
    /* jansson's iterator takes no const, though it only reads. */
    json_t *iterated = (json_t *)json;
    struct err err = ERR_OK;
    for (void *at = json_object_iter(iterated); at != NULL && !err_failed(err);
         at = json_object_iter_next(iterated, at)) {
        err = read_limit(json_object_iter_key(at), json_object_iter_value(at), &limits, why);
    }
    if (!err_failed(err)) {
        *ret_limits = limits;
    }
    return err;
}

/* --- Writing ---------------------------------------------------------------------------------- */

static void add_amounts(struct text *text, const char *before, const struct amounts *amounts) {
    text_add_str(text, before);
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        text_addf(text, "%c\"%s\":", i == 0 ? '{' : ',', amount_name((enum amount)i));
        if (amounts->of[i] >= AMOUNT_MAX) {
            text_add_str(text, "null");
        } else {
            text_add_int(text, amounts->of[i]);
        }
    }
    text_add_char(text, '}');
}

void budget_write_json(const struct budget_row *row, struct text *text) {
    text_add_str(text, "{\"scope\":");
    text_add_json(text, row->scope.data, row->scope.len);
    text_add_str(text, ",\"owner\":");
    if (row->owner.len == 0) {
        text_add_str(text, "null");
    } else {
        text_add_json(text, row->owner.data, row->owner.len);
    }
    add_amounts(text, ",\"limits\":", &row->limits);
    add_amounts(text, ",\"spent\":", &row->spent);
    add_amounts(text, ",\"reserved\":", &row->reserved);
    text_addf(text, ",\"waiting\":%" PRId64 ",\"made_ms\":%" PRId64 "}", row->waiting,
              row->made_ms);
}
