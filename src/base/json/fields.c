/* fields.c: objects from outside, read by table.
 *
 * Everything is checked before anything is assigned: a refused object leaves no trace.
 */
#include <inttypes.h>
#include <string.h>

#include "base/json/json.h"
#include "base/utf8.h"

enum { NAME_SHOWN_MAX = 64 };

const char *json_kind_of(const json_t *value) {
    static const char *const kinds[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array",
        [JSON_STRING] = "a string",  [JSON_INTEGER] = "an integer",
        [JSON_TRUE] = "a boolean",   [JSON_REAL] = "a number with a fraction or an exponent",
        [JSON_FALSE] = "a boolean",  [JSON_NULL] = "null",
    };
    return kinds[json_typeof(value)];
}

/* Each kind in words, the words about its bounds (NULL: it has none), and its types, as bits. */
static const struct {
    const char *name, *amount;
    unsigned types;
} kinds[] = {
    [JSON_KIND_TEXT] = {"a string", "have a length in bytes", 1U << JSON_STRING},
    [JSON_KIND_INT] = {"an integer", "be", 1U << JSON_INTEGER},
    [JSON_KIND_BOOL] = {"true or false", NULL, 1U << JSON_TRUE | 1U << JSON_FALSE},
    [JSON_KIND_ANY] = {"any value", NULL, ~0U},
    [JSON_KIND_TEXTS] = {"an array of strings", "have a number of items", 1U << JSON_ARRAY},
};

static bool holds_nul(const json_t *string) {
    return strlen(json_string_value(string)) != json_string_length(string);
}

static struct err value_check(const struct json_field *field, const json_t *value,
                              struct why *why) {
    const enum json_kind kind = field->kind;
    if ((kinds[kind].types >> json_typeof(value) & 1) == 0) {
        return err_why(why, ERR_BAD_FIELD, "\"%s\" must be %s, not %s", field->name,
                       kinds[kind].name, json_kind_of(value));
    }
    if (kind == JSON_KIND_TEXT && holds_nul(value)) {
        return err_why(why, ERR_BAD_FIELD, "\"%s\" must not contain the character \\u0000",
                       field->name);
    }
    for (size_t i = 0; kind == JSON_KIND_TEXTS && i < json_array_size(value); i++) {
        const json_t *item = json_array_get(value, i);
        if (!json_is_string(item)) {
            return err_why(why, ERR_BAD_FIELD, "\"%s\"[%zu] must be a string, not %s", field->name,
                           i, json_kind_of(item));
        }
        if (holds_nul(item)) {
            return err_why(why, ERR_BAD_FIELD, "\"%s\"[%zu] must not contain the character \\u0000",
                           field->name, i);
        }
    }
    int64_t amount = kind == JSON_KIND_INT    ? json_integer_value(value)
                     : kind == JSON_KIND_TEXT ? (int64_t)json_string_length(value)
                                              : (int64_t)json_array_size(value);
    bool bounded = kinds[kind].amount != NULL && (field->min != 0 || field->max != 0);
    if (!bounded || (amount >= field->min && (field->max == 0 || amount <= field->max))) {
        return ERR_OK;
    }
    if (field->max == 0) {
        return err_why(why, ERR_BAD_FIELD, "\"%s\" must %s at least %" PRId64 ", not %" PRId64,
                       field->name, kinds[kind].amount, field->min, amount);
    }
    return err_why(why, ERR_BAD_FIELD,
                   "\"%s\" must %s from %" PRId64 " to %" PRId64 ", not %" PRId64, field->name,
                   kinds[kind].amount, field->min, field->max, amount);
}

/* Says what would have been right: most unknown fields are misspelt ones. */
static struct err keys_check(const json_t *object, const struct json_field *fields, size_t count,
                             struct why *why) {
    AUTO(text_done) struct text known = text_up_to(sizeof why->text);
    for (struct json_member at = json_first(object); at.value != NULL; at = json_next(at)) {
        size_t i = 0;
        while (i < count && !bytes_is(at.key, fields[i].name)) {
            i++;
        }
        if (i < count) {
            continue;
        }
        for (i = 0; i < count; i++) {
            text_addf(&known, "%s\"%s\"", i > 0 ? ", " : "", fields[i].name);
        }
        const char *names = text_failed(&known) || count == 0 ? "none" : known.data;
        return err_why(why, ERR_UNKNOWN_FIELD, "the field \"%.*s\" is unknown; known fields: %s",
                       (int)utf8_cut(at.key, NAME_SHOWN_MAX), at.key.data, names);
    }
    return ERR_OK;
}

struct err json_read_fields(const json_t *object, const struct json_field *fields, size_t count,
                            struct why *why) {
    if (!json_is_object(object)) {
        return err_why(why, ERR_BAD_FIELD, "an object is expected, not %s",
                       object == NULL ? "nothing" : json_kind_of(object));
    }
    struct err err = keys_check(object, fields, count, why);
    for (size_t i = 0; i < count && !err_failed(err); i++) {
        const json_t *value = json_object_get(object, fields[i].name);
        if (value != NULL) {
            err = value_check(&fields[i], value, why);
        } else if (fields[i].required) {
            err = err_why(why, ERR_MISSING_FIELD, "the field \"%s\" is missing", fields[i].name);
        }
    }
    for (size_t i = 0; i < count && !err_failed(err); i++) {
        const struct json_field *field = &fields[i];
        json_t *value = json_object_get(object, field->name);
        if (value == NULL) {
            continue;
        }
        if (field->text != NULL) {
            *field->text = json_string_value(value);
        } else if (field->number != NULL) {
            *field->number = json_integer_value(value);
        } else if (field->flag != NULL) {
            *field->flag = json_is_true(value);
        } else if (field->value != NULL) {
            *field->value = value;
        }
    }
    return err;
}
