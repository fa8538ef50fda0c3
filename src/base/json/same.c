/* same.c: equal, as JSON has it. */
#include "base/json/json.h"

bool json_same(const json_t *a, const json_t *b) {
    if (json_is_number(a) && json_is_number(b)) {
        return json_number_exact(a) == json_number_exact(b);
    }
    if (json_typeof(a) != json_typeof(b)) {
        return false;
    }
    bool same =
        json_object_size(a) == json_object_size(b) && json_array_size(a) == json_array_size(b);
    for (struct json_member at = json_first(a); same && at.value != NULL; at = json_next(at)) {
        const json_t *other = json_object_getn(b, at.key.data, at.key.len);
        same = other != NULL && json_same(at.value, other);
    }
    for (size_t i = 0; same && i < json_array_size(a); i++) {
        same = json_same(json_array_get(a, i), json_array_get(b, i));
    }
    if (json_is_string(a)) {
        same = bytes_equal((struct bytes){json_string_value(a), json_string_length(a)},
                           (struct bytes){json_string_value(b), json_string_length(b)});
    }
    return same; /* The values true, false and null are types. */
}
