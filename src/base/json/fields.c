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
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a number with a fraction or an exponent";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    case JSON_NULL:
        return "null";
    }
    return "something else";
}

static const char *kind_name(enum json_kind kind) {
    switch (kind) {
    case JSON_KIND_TEXT:
        return "a string";
    case JSON_KIND_INT:
        return "an integer";
    case JSON_KIND_BOOL:
        return "true or false";
    case JSON_KIND_TEXTS:
        return "an array of strings";
    case JSON_KIND_ANY:
        break;
    }
    return "any value";
}

static bool kind_fits(enum json_kind kind, const json_t *value) {
    switch (kind) {
    case JSON_KIND_TEXT:
        return json_is_string(value);
    case JSON_KIND_INT:
        return json_is_integer(value);
    case JSON_KIND_BOOL:
        return json_is_boolean(value);
    case JSON_KIND_TEXTS:
        return json_is_array(value);
    case JSON_KIND_ANY:
        break;
    }
    return true;
}

static struct err bad_field(void) {
    return err_make(ERR_BAD_FIELD, "json: read fields");
}

/* max 0 means no upper bound; with min 0 too there is none at all. */
static bool within(const struct json_field *field, int64_t amount) {
    if (field->max == 0) {
        return field->min == 0 || amount >= field->min;
    }
    return amount >= field->min && amount <= field->max;
}

static struct err check_amount(const struct json_field *field, int64_t amount, const char *what,
                               struct why *why) {
    if (within(field, amount)) {
        return ERR_OK;
    }
    if (field->max == 0) {
        why_set(why, "\"%s\" must %s at least %" PRId64 ", not %" PRId64, field->name, what,
                field->min, amount);
    } else {
        why_set(why, "\"%s\" must %s from %" PRId64 " to %" PRId64 ", not %" PRId64, field->name,
                what, field->min, field->max, amount);
    }
    return bad_field();
}

static bool holds_nul(const json_t *string) {
    return strlen(json_string_value(string)) != json_string_length(string);
}

static struct err check_text(const struct json_field *field, const json_t *value, struct why *why) {
    if (holds_nul(value)) {
        why_set(why, "\"%s\" must not hold the character \\u0000", field->name);
        return bad_field();
    }
    return check_amount(field, (int64_t)json_string_length(value), "have a length in bytes", why);
}

static struct err check_texts(const struct json_field *field, const json_t *value,
                              struct why *why) {
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *item = json_array_get(value, i);
        if (!json_is_string(item)) {
            why_set(why, "\"%s\"[%zu] must be a string, not %s", field->name, i,
                    json_kind_of(item));
            return bad_field();
        }
        if (holds_nul(item)) {
            why_set(why, "\"%s\"[%zu] must not hold the character \\u0000", field->name, i);
            return bad_field();
        }
    }
    return check_amount(field, (int64_t)json_array_size(value), "have a number of items", why);
}

static struct err check_value(const struct json_field *field, const json_t *value,
                              struct why *why) {
    if (!kind_fits(field->kind, value)) {
        why_set(why, "\"%s\" must be %s, not %s", field->name, kind_name(field->kind),
                json_kind_of(value));
        return bad_field();
    }
    switch (field->kind) {
    case JSON_KIND_TEXT:
        return check_text(field, value, why);
    case JSON_KIND_INT:
        return check_amount(field, json_integer_value(value), "be", why);
    case JSON_KIND_TEXTS:
        return check_texts(field, value, why);
    case JSON_KIND_BOOL:
    case JSON_KIND_ANY:
        break;
    }
    return ERR_OK;
}

static bool is_known(const struct json_field *fields, size_t count, struct bytes key) {
    for (size_t i = 0; i < count; i++) {
        if (strlen(fields[i].name) == key.len && memcmp(fields[i].name, key.data, key.len) == 0) {
            return true;
        }
    }
    return false;
}

/* Says what would have been right: most unknown fields are misspelt ones. */
static struct err unknown_field(const struct json_field *fields, size_t count, struct bytes key,
                                struct why *why) {
    AUTO(text_done) struct text known = text_up_to(sizeof why->text);
    for (size_t i = 0; i < count; i++) {
        text_addf(&known, "%s\"%s\"", i > 0 ? ", " : "", fields[i].name);
    }
    const char *names = text_failed(&known) || count == 0 ? "none" : known.data;
    return err_why(why, ERR_UNKNOWN_FIELD, "the field \"%.*s\" is not known; known here: %s",
                   (int)utf8_cut(key, NAME_SHOWN_MAX), key.data, names);
}

static struct err check_keys(const json_t *object, const struct json_field *fields, size_t count,
                             struct why *why) {
    /* jansson's iterator takes no const, though it only reads. */
    json_t *iterated = (json_t *)object;
    for (void *at = json_object_iter(iterated); at != NULL;
         at = json_object_iter_next(iterated, at)) {
        struct bytes key = {json_object_iter_key(at), json_object_iter_key_len(at)};
        if (!is_known(fields, count, key)) {
            return unknown_field(fields, count, key, why);
        }
    }
    return ERR_OK;
}

static struct err check_fields(const json_t *object, const struct json_field *fields, size_t count,
                               struct why *why) {
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_object_get(object, fields[i].name);
        if (value == NULL && fields[i].required) {
            return err_why(why, ERR_MISSING_FIELD, "the field \"%s\" is missing", fields[i].name);
        }
        struct err err = value == NULL ? ERR_OK : check_value(&fields[i], value, why);
        if (err_failed(err)) {
            return err;
        }
    }
    return ERR_OK;
}

static void assign(const struct json_field *field, json_t *value) {
    switch (field->kind) {
    case JSON_KIND_TEXT:
        *field->text = json_string_value(value);
        break;
    case JSON_KIND_INT:
        *field->number = json_integer_value(value);
        break;
    case JSON_KIND_BOOL:
        *field->flag = json_is_true(value);
        break;
    case JSON_KIND_ANY:
    case JSON_KIND_TEXTS:
        *field->value = value;
        break;
    }
}

struct err json_read_fields(const json_t *object, const struct json_field *fields, size_t count,
                            struct why *why) {
    if (!json_is_object(object)) {
        why_set(why, "an object is expected, not %s",
                object == NULL ? "nothing" : json_kind_of(object));
        return bad_field();
    }
    struct err err = check_keys(object, fields, count, why);
    if (!err_failed(err)) {
        err = check_fields(object, fields, count, why);
    }
    if (err_failed(err)) {
        return err;
    }
    for (size_t i = 0; i < count; i++) {
        json_t *value = json_object_get(object, fields[i].name);
        if (value != NULL) {
            assign(&fields[i], value);
        }
    }
    return ERR_OK;
}
