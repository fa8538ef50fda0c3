/* same.c: equal, as JSON has it. */
#include <string.h>

#include "base/json/json.h"

static long double number_of(const json_t *json) {
    /* A long double holds every 64-bit integer and every double as it is. */
    return json_is_integer(json) ? (long double)json_integer_value(json)
                                 : (long double)json_real_value(json);
}

static bool same_members(const json_t *a, const json_t *b) {
    json_t *object = (json_t *)a; /* jansson's iterator takes no const. */
    for (void *i = json_object_iter(object); i != NULL; i = json_object_iter_next(object, i)) {
        const json_t *other =
            json_object_getn(b, json_object_iter_key(i), json_object_iter_key_len(i));
        if (other == NULL || !json_same(json_object_iter_value(i), other)) {
            return false;
        }
    }
    return true;
}

static bool same_items(const json_t *a, const json_t *b) {
    for (size_t i = 0; i < json_array_size(a); i++) {
        if (!json_same(json_array_get(a, i), json_array_get(b, i))) {
            return false;
        }
    }
    return true;
}

bool json_same(const json_t *a, const json_t *b) {
    if (json_is_number(a) && json_is_number(b)) {
        return number_of(a) == number_of(b);
    }
    if (json_typeof(a) != json_typeof(b)) {
        return false;
    }
    switch (json_typeof(a)) {
    case JSON_OBJECT:
        return json_object_size(a) == json_object_size(b) && same_members(a, b);
    case JSON_ARRAY:
        return json_array_size(a) == json_array_size(b) && same_items(a, b);
    case JSON_STRING:
        return json_string_length(a) == json_string_length(b) &&
               memcmp(json_string_value(a), json_string_value(b), json_string_length(a)) == 0;
    default:
        return true; /* true, false, null: the type is the value. */
    }
}
