/* limits.c: see limits.h. */
#include "rules/budget/limits.h"

#include <inttypes.h>
#include <string.h>

static struct err limit_read(const char *name, const json_t *value, struct budget_limits *limits,
                             struct why *why) {
    int64_t limit = json_is_integer(value) ? json_integer_value(value) : -1;
    unsigned at = 0;
    while (at < AMOUNT_COUNT && strcmp(name, amount_name((enum amount)at)) != 0) {
        at++;
    }
    if (at == AMOUNT_COUNT) {
        why_set(why, "'%.60s' is none of output_tokens, tokens, cost_micros, agents, wall_ms",
                name);
        return err_make(ERR_UNKNOWN_FIELD, "budget: limit");
    }
    if (!json_is_null(value) && (limit < 0 || limit > BUDGET_LIMIT_MAX)) {
        why_set(why, "\"%s\" must be a whole number from 0 to %" PRId64 ", or null for no limit",
                name, BUDGET_LIMIT_MAX);
        return err_make(ERR_BAD_FIELD, "budget: limit");
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
        return err_make(ERR_BAD_FIELD, "budget: limit");
    }
    /* jansson's iterator takes no const, though it only reads. */
    json_t *iterated = (json_t *)json;
    struct err err = ERR_OK;
    for (void *at = json_object_iter(iterated); at != NULL && !err_failed(err);
         at = json_object_iter_next(iterated, at)) {
        err = limit_read(json_object_iter_key(at), json_object_iter_value(at), &limits, why);
    }
    if (!err_failed(err)) {
        *ret_limits = limits;
    }
    return err;
}
