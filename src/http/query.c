#include "http/query.h"

#include <inttypes.h>
#include <string.h>

#include "base/number.h"
#include "base/utf8.h"

/* Names are shown back to the user, but not at any length. */
static int shown(struct bytes text) {
    return (int)utf8_cut(text, 64);
}

static int param_find(const struct query_param *table, struct bytes name) {
    for (int i = 0; table != NULL && table[i].name != NULL; i++) {
        if (strlen(table[i].name) == name.len && memcmp(table[i].name, name.data, name.len) == 0) {
            return i;
        }
    }
    return -1;
}

static struct err read_value(const struct query_param *param, struct query_value *value,
                             struct why *why) {
    struct err bad = err_make(ERR_BAD_QUERY, "http: query");
    switch (param->kind) {
    case QUERY_TEXT:
        if (param->max > 0 && value->text.len > (size_t)param->max) {
            why_set(why, "query parameter '%s' is longer than %" PRId64 " bytes", param->name,
                    param->max);
            return bad;
        }
        return ERR_OK;
    case QUERY_INT:
        if (!number_parse(value->text, (struct number_bounds){param->min, param->max},
                          &value->number)) {
            why_set(why, "query parameter '%s' must be an integer from %" PRId64 " to %" PRId64,
                    param->name, param->min, param->max);
            return bad;
        }
        return ERR_OK;
    case QUERY_FLAG:
        if (!number_parse(value->text, (struct number_bounds){0, 1}, &value->number)) {
            why_set(why, "query parameter '%s' must be 0 or 1", param->name);
            return bad;
        }
        return ERR_OK;
    }
    return bad;
}

static struct err check_required(const struct query_param *table, const struct query_value *values,
                                 struct why *why) {
    for (int i = 0; table != NULL && table[i].name != NULL; i++) {
        if (table[i].required && !values[i].given) {
            why_set(why, "query parameter '%s' is required: %s", table[i].name, table[i].about);
            return err_make(ERR_BAD_QUERY, "http: query");
        }
    }
    return ERR_OK;
}

struct err query_read(const struct query_param *table, const struct target *target,
                      struct query_value ret_values[QUERY_PARAMS_MAX], struct why *why) {
    for (int i = 0; table != NULL && table[i].name != NULL; i++) {
        assert(i < QUERY_PARAMS_MAX);
        ret_values[i] = (struct query_value){.number = table[i].absent, .text = {"", 0}};
    }
    for (unsigned i = 0; i < target->pair_count; i++) {
        struct bytes name = target->pairs[i].name;
        int at = param_find(table, name);
        if (at < 0) {
            why_set(why, "query parameter '%.*s' is not known here", shown(name), name.data);
            return err_make(ERR_BAD_QUERY, "http: query");
        }
        if (ret_values[at].given) {
            why_set(why, "query parameter '%.*s' came twice", shown(name), name.data);
            return err_make(ERR_BAD_QUERY, "http: query");
        }
        ret_values[at].given = true;
        ret_values[at].text = target->pairs[i].value;
        struct err err = read_value(&table[at], &ret_values[at], why);
        if (err_failed(err)) {
            return err;
        }
    }
    return check_required(table, ret_values, why);
}
