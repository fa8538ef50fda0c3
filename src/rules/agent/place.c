/* place.c: see place.h. */
#include "rules/agent/place.h"

#include "base/number.h"

static struct bytes cut_before(struct bytes *rest, const char *mark) {
    const size_t len = strlen(mark);
    const char *at = rest->len == 0 ? NULL : memmem(rest->data, rest->len, mark, len);
    const struct bytes before = {rest->data, at == NULL ? rest->len : (size_t)(at - rest->data)};
    const size_t used = at == NULL ? rest->len : before.len + len;
    *rest = (struct bytes){rest->data + used, rest->len - used};
    return before;
}

/* False: no condition is left. */
static bool condition_next(struct bytes *rest, struct bytes *ret_path, struct bytes *ret_text) {
    if (rest->len == 0) {
        return false;
    }
    struct bytes condition = bytes_trim(cut_before(rest, " and "), " ");
    *ret_path = BYTES("");
    (void)bytes_next(&condition, '=', ret_path);
    *ret_text = condition;
    return true;
}

static bool path_fits(struct bytes path) {
    struct bytes name;
    bool fits = path.len > 0 && path.data[path.len - 1] != '.';
    while (fits && bytes_next(&path, '.', &name)) {
        fits = name.len > 0;
    }
    return fits;
}

bool agent_place_fits(struct bytes place) {
    const size_t whole = place.len;
    const struct bytes before = cut_before(&place, " if ");
    struct bytes path, text;
    bool fits = path_fits(before) && (place.len > 0 || before.len == whole);
    while (fits && condition_next(&place, &path, &text)) {
        fits = path_fits(path) && text.len > 0 && memchr(text.data, ' ', text.len) == NULL;
    }
    return fits;
}

static const json_t *path_follow(struct bytes path, const json_t *value) {
    struct bytes name;
    while (value != NULL && bytes_next(&path, '.', &name)) {
        int64_t at;
        if (json_is_array(value)) {
            value = number_parse(name, (struct number_bounds){0, INT32_MAX}, &at)
                        ? json_array_get(value, (size_t)at)
                        : NULL;
        } else {
            value = json_is_object(value) ? json_object_getn(value, name.data, name.len) : NULL;
        }
    }
    return json_is_null(value) ? NULL : value;
}

static bool value_is(const json_t *value, struct bytes text) {
    int64_t number;
    if (json_is_boolean(value)) {
        return bytes_is(text, json_is_true(value) ? "true" : "false");
    }
    if (json_is_integer(value)) {
        return number_parse(text, (struct number_bounds){INT64_MIN, INT64_MAX}, &number) &&
               number == json_integer_value(value);
    }
    return json_is_string(value) && bytes_equal(json_text(value), text);
}

const json_t *agent_place_find(struct bytes place, const json_t *line) {
    const struct bytes path = cut_before(&place, " if ");
    struct bytes where, text;
    bool holds = path.len > 0;
    while (holds && condition_next(&place, &where, &text)) {
        holds = value_is(path_follow(where, line), text);
    }
    return holds ? path_follow(path, line) : NULL;
}
