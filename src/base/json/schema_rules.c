/* schema_rules.c: the words of JSON Schema, each with what it asks of a value. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json/schema_inside.h"
#include "base/suggest.h"
#include "base/utf8.h"

#define JUDGE(name) static SCHEMA_JUDGE(name)

static long double number_of(const json_t *json) {
    /* A long double holds every 64-bit integer and every double as it is. */
    return json_is_integer(json) ? (long double)json_integer_value(json)
                                 : (long double)json_real_value(json);
}

/* --- Any value -------------------------------------------------------------------------------- */

JUDGE(judge_type) {
    unsigned allowed = 0;
    char names[128] = "";
    size_t count = json_is_array(word) ? json_array_size(word) : 1;
    for (size_t i = 0; i < count; i++) {
        const json_t *type = json_is_array(word) ? json_array_get(word, i) : word;
        unsigned bit = 0;
        if (!json_schema__type_find(json_string_value(type), &bit)) {
            continue; /* Cannot be: the schema was compiled. */
        }
        allowed |= bit;
        size_t len = strlen(names);
        (void)snprintf(names + len, sizeof names - len, "%s%s", i == 0 ? "" : " or ",
                       json_string_value(type));
    }
    if ((json_schema__types_of(value) & allowed) == 0) {
        json_schema__fault(check, "must be of type %s, not %s", names, json_kind_of(value));
    }
}

JUDGE(judge_enum) {
    for (size_t i = 0; i < json_array_size(word); i++) {
        check->steps++;
        if (json_same(json_array_get(word, i), value)) {
            return;
        }
    }
    AUTO(text_done) struct text list = text_up_to(160);
    for (size_t i = 0; i < json_array_size(word) && !text_failed(&list); i++) {
        text_addf(&list, "%s%s", i == 0 ? "" : ", ",
                  json_schema__show(json_array_get(word, i)).text);
    }
    json_schema__fault(check, "must be one of %s%s, not %s", list.data == NULL ? "" : list.data,
                       text_failed(&list) ? ", ..." : "", json_schema__show(value).text);
}

JUDGE(judge_const) {
    if (!json_same(word, value)) {
        json_schema__fault(check, "must be %s, not %s", json_schema__show(word).text,
                           json_schema__show(value).text);
    }
}

/* --- Alternatives ----------------------------------------------------------------------------- */

struct tally {
    size_t fitting;
    struct schema_sink nearest; /* Of those that don't fit: the one that came deepest. */
};

static void try_all(struct schema_check *check, const json_t *schemas, const json_t *value,
                    size_t enough, struct tally *tally) {
    tally->fitting = 0;
    tally->nearest.count = 0;
    for (size_t i = 0; i < json_array_size(schemas) && check->stop == ERR_NONE; i++) {
        struct schema_sink sink;
        if (json_schema__fits(check, json_array_get(schemas, i), value, &sink)) {
            if (++tally->fitting == enough) {
                return;
            }
        } else if (tally->nearest.count == 0 || sink.first_depth > tally->nearest.first_depth) {
            tally->nearest = sink;
        }
    }
}

static void none_fits(struct schema_check *check, size_t count, const struct tally *tally) {
    const struct json_fault *nearest = &tally->nearest.first;
    const char *path = nearest->path;
    size_t here = strlen(check->path);
    path += strncmp(path, check->path, here) == 0 ? here : 0;
    json_schema__fault(check, "fits none of the %zu alternatives; nearest: %s%s%s", count, path,
                       path[0] == '\0' ? "" : " ", nearest->text);
}

JUDGE(judge_any_of) {
    struct tally tally;
    try_all(check, word, value, 1, &tally);
    if (tally.fitting == 0 && check->stop == ERR_NONE) {
        none_fits(check, json_array_size(word), &tally);
    }
}

JUDGE(judge_one_of) {
    struct tally tally;
    try_all(check, word, value, SIZE_MAX, &tally);
    if (check->stop != ERR_NONE) {
        return;
    }
    if (tally.fitting == 0) {
        none_fits(check, json_array_size(word), &tally);
    } else if (tally.fitting > 1) {
        json_schema__fault(check, "fits %zu of the alternatives; exactly one is wanted",
                           tally.fitting);
    }
}

JUDGE(judge_all_of) {
    for (size_t i = 0; i < json_array_size(word); i++) {
        json_schema__judge(check, json_array_get(word, i), value);
    }
}

JUDGE(judge_not) {
    struct schema_sink sink;
    if (json_schema__fits(check, word, value, &sink)) {
        json_schema__fault(check, "is what must not be here");
    }
}

JUDGE(judge_if) {
    struct schema_sink sink;
    bool holds = json_schema__fits(check, word, value, &sink);
    const json_t *then = json_object_get(schema, holds ? "then" : "else");
    if (then != NULL) {
        json_schema__judge(check, then, value);
    }
}

JUDGE(judge_ref) {
    json_schema__judge(check, json_schema__follow(check->schema, json_string_value(word)), value);
}

/* --- Numbers and texts ------------------------------------------------------------------------ */

JUDGE(judge_minimum) {
    if (json_is_number(value) && number_of(value) < number_of(word)) {
        json_schema__fault(check, "must be at least %s, not %s", json_schema__show(word).text,
                           json_schema__show(value).text);
    }
}

JUDGE(judge_maximum) {
    if (json_is_number(value) && number_of(value) > number_of(word)) {
        json_schema__fault(check, "must be at most %s, not %s", json_schema__show(word).text,
                           json_schema__show(value).text);
    }
}

JUDGE(judge_above) {
    if (json_is_number(value) && number_of(value) <= number_of(word)) {
        json_schema__fault(check, "must be above %s, not %s", json_schema__show(word).text,
                           json_schema__show(value).text);
    }
}

JUDGE(judge_below) {
    if (json_is_number(value) && number_of(value) >= number_of(word)) {
        json_schema__fault(check, "must be below %s, not %s", json_schema__show(word).text,
                           json_schema__show(value).text);
    }
}

/* 0.3 is a multiple of 0.1 for everybody but a computer: so nearly is enough. */
static bool is_nearly_whole(long double number) {
    if (number > 9.0e18L || number < -9.0e18L) {
        return true; /* There are no fractions that far out. */
    }
    long double rest = number - (long double)(int64_t)number;
    rest = rest < 0 ? -rest : rest;
    return rest < 1e-9L || rest > 1 - 1e-9L;
}

JUDGE(judge_multiple) {
    if (!json_is_number(value)) {
        return;
    }
    bool whole = json_is_integer(value) && json_is_integer(word);
    bool fits = whole ? json_integer_value(value) % json_integer_value(word) == 0
                      : is_nearly_whole(number_of(value) / number_of(word));
    if (!fits) {
        json_schema__fault(check, "must be a multiple of %s, not %s", json_schema__show(word).text,
                           json_schema__show(value).text);
    }
}

static int64_t characters(const json_t *string) {
    const char *data = json_string_value(string);
    int64_t count = 0;
    for (size_t i = 0; i < json_string_length(string); i++) {
        count += ((unsigned char)data[i] & 0xC0) != 0x80 ? 1 : 0;
    }
    return count;
}

JUDGE(judge_min_length) {
    if (json_is_string(value) && characters(value) < json_integer_value(word)) {
        json_schema__fault(check, "must have at least %s characters, not %" PRId64,
                           json_schema__show(word).text, characters(value));
    }
}

JUDGE(judge_max_length) {
    if (json_is_string(value) && characters(value) > json_integer_value(word)) {
        json_schema__fault(check, "must have at most %s characters, not %" PRId64,
                           json_schema__show(word).text, characters(value));
    }
}

JUDGE(judge_pattern) {
    if (json_is_string(value)) {
        struct bytes subject = {json_string_value(value), json_string_length(value)};
        if (!json_schema__pattern(check, json_string_value(word), subject)) {
            json_schema__fault(check, "must match the pattern %s", json_schema__show(word).text);
        }
    }
}

/* --- Lists ------------------------------------------------------------------------------------ */

JUDGE(judge_items) {
    size_t first = json_array_size(json_object_get(schema, "prefixItems"));
    for (size_t i = first; json_is_array(value) && i < json_array_size(value); i++) {
        struct schema_step step = json_schema__enter_item(check, i);
        json_schema__judge(check, word, json_array_get(value, i));
        json_schema__leave(check, step);
    }
}

JUDGE(judge_prefix) {
    for (size_t i = 0; i < json_array_size(word) && i < json_array_size(value); i++) {
        struct schema_step step = json_schema__enter_item(check, i);
        json_schema__judge(check, json_array_get(word, i), json_array_get(value, i));
        json_schema__leave(check, step);
    }
}

JUDGE(judge_min_items) {
    if (json_is_array(value) && (json_int_t)json_array_size(value) < json_integer_value(word)) {
        json_schema__fault(check, "must have at least %s items, not %zu",
                           json_schema__show(word).text, json_array_size(value));
    }
}

JUDGE(judge_max_items) {
    if (json_is_array(value) && (json_int_t)json_array_size(value) > json_integer_value(word)) {
        json_schema__fault(check, "must have at most %s items, not %zu",
                           json_schema__show(word).text, json_array_size(value));
    }
}

/* How many values there are in one: what comparing it costs. */
static unsigned weight(const json_t *value) {
    unsigned sum = 1;
    for (size_t i = 0; i < json_array_size(value); i++) {
        sum += weight(json_array_get(value, i));
    }
    json_t *object = (json_t *)value; /* jansson's iterator takes no const. */
    for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at)) {
        sum += weight(json_object_iter_value(at));
    }
    return sum;
}

JUDGE(judge_unique) {
    if (!json_is_true(word) || !json_is_array(value)) {
        return;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        unsigned cost = weight(json_array_get(value, i));
        for (size_t j = 0; j < i; j++) {
            check->steps += cost;
            if (check->steps > JSON_SCHEMA_STEPS_MAX) {
                json_schema__exhaust(check);
                return;
            }
            if (json_same(json_array_get(value, i), json_array_get(value, j))) {
                json_schema__fault(check, "items %zu and %zu are the same; each must be unique", j,
                                   i);
                return;
            }
        }
    }
}

/* --- The table -------------------------------------------------------------------------------- */

static const struct schema_word words[] = {
    {"$anchor", FORM_REFUSED, NULL},
    {"$comment", FORM_NOTE, NULL},
    {"$defs", FORM_SCHEMA_MAP, NULL},
    {"$dynamicAnchor", FORM_REFUSED, NULL},
    {"$dynamicRef", FORM_REFUSED, NULL},
    {"$id", FORM_NOTE, NULL},
    {"$ref", FORM_REF, judge_ref},
    {"$schema", FORM_NOTE, NULL},
    {"$vocabulary", FORM_REFUSED, NULL},
    {"additionalItems", FORM_REFUSED, NULL},
    {"additionalProperties", FORM_SCHEMA, json_schema__additional},
    {"allOf", FORM_SCHEMAS, judge_all_of},
    {"anyOf", FORM_SCHEMAS, judge_any_of},
    {"const", FORM_ANY, judge_const},
    {"contains", FORM_REFUSED, NULL},
    {"contentEncoding", FORM_NOTE, NULL},
    {"contentMediaType", FORM_NOTE, NULL},
    {"contentSchema", FORM_NOTE, NULL},
    {"default", FORM_NOTE, NULL},
    {"definitions", FORM_SCHEMA_MAP, NULL},
    {"dependencies", FORM_REFUSED, NULL},
    {"dependentRequired", FORM_NAMES_MAP, json_schema__dependent},
    {"dependentSchemas", FORM_REFUSED, NULL},
    {"deprecated", FORM_NOTE, NULL},
    {"description", FORM_NOTE, NULL},
    {"else", FORM_SCHEMA, NULL},
    {"enum", FORM_LIST, judge_enum},
    {"example", FORM_NOTE, NULL},
    {"examples", FORM_NOTE, NULL},
    {"exclusiveMaximum", FORM_NUMBER, judge_below},
    {"exclusiveMinimum", FORM_NUMBER, judge_above},
    {"format", FORM_NOTE, NULL},
    {"if", FORM_SCHEMA, judge_if},
    {"items", FORM_SCHEMA, judge_items},
    {"maxContains", FORM_REFUSED, NULL},
    {"maxItems", FORM_COUNT, judge_max_items},
    {"maxLength", FORM_COUNT, judge_max_length},
    {"maxProperties", FORM_COUNT, json_schema__max_properties},
    {"maximum", FORM_NUMBER, judge_maximum},
    {"minContains", FORM_REFUSED, NULL},
    {"minItems", FORM_COUNT, judge_min_items},
    {"minLength", FORM_COUNT, judge_min_length},
    {"minProperties", FORM_COUNT, json_schema__min_properties},
    {"minimum", FORM_NUMBER, judge_minimum},
    {"multipleOf", FORM_POSITIVE, judge_multiple},
    {"not", FORM_SCHEMA, judge_not},
    {"nullable", FORM_REFUSED, NULL}, /* OpenAPI's: say type ["string", "null"]. */
    {"oneOf", FORM_SCHEMAS, judge_one_of},
    {"pattern", FORM_PATTERN, judge_pattern},
    {"patternProperties", FORM_PATTERN_MAP, json_schema__pattern_properties},
    {"prefixItems", FORM_SCHEMAS, judge_prefix},
    {"properties", FORM_SCHEMA_MAP, json_schema__properties},
    {"propertyNames", FORM_SCHEMA, json_schema__names},
    {"readOnly", FORM_NOTE, NULL},
    {"required", FORM_NAMES, json_schema__required},
    {"then", FORM_SCHEMA, NULL},
    {"title", FORM_NOTE, NULL},
    {"type", FORM_TYPES, judge_type},
    {"unevaluatedItems", FORM_REFUSED, NULL},
    {"unevaluatedProperties", FORM_REFUSED, NULL},
    {"uniqueItems", FORM_FLAG, judge_unique},
    {"writeOnly", FORM_NOTE, NULL},
};

const struct schema_word *json_schema__word(const char *name) {
    size_t low = 0, high = COUNT_OF(words);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(words[middle].name, name);
        if (order == 0) {
            return &words[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

const char *json_schema__word_near(const char *name) {
    struct suggest suggest;
    suggest_begin(&suggest, name);
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        suggest_offer(&suggest, words[i].name);
    }
    return suggest_best(&suggest);
}
