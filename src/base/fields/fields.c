/* fields.c: from a body to a struct, and from a struct to an answer. */
#include "base/fields/fields.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/id.h"
#include "base/utf8.h"

/* --- In --------------------------------------------------------------------------------------- */

static const enum json_kind json_kinds[] = {
    [FIELD_TEXT] = JSON_KIND_TEXT,   [FIELD_CHARS] = JSON_KIND_TEXT,
    [FIELD_ID] = JSON_KIND_ANY,      [FIELD_INT] = JSON_KIND_INT,
    [FIELD_TIME] = JSON_KIND_ANY,    [FIELD_BOOL] = JSON_KIND_BOOL,
    [FIELD_DAY] = JSON_KIND_ANY,     [FIELD_NAME] = JSON_KIND_ANY,
    [FIELD_NAMES] = JSON_KIND_TEXTS, [FIELD_TEXTS] = JSON_KIND_TEXTS,
    [FIELD_LIST] = JSON_KIND_TEXTS,  [FIELD_JSON] = JSON_KIND_ANY,
    [FIELD_STORED] = JSON_KIND_ANY,  [FIELD_OBJECT] = JSON_KIND_ANY,
    [FIELD_MEMBERS] = JSON_KIND_ANY,
};

static struct err text_check(const struct field *field, const char *value, struct why *why) {
    if (field->plain && utf8_has_control(bytes_of(value))) {
        return err_why(why, ERR_BAD_FIELD, "\"%s\" must not contain control characters",
                       field->name);
    }
    unsigned at = 0;
    if (field->names == NULL || bytes_find(bytes_of(value), field->names, &at)) {
        return ERR_OK;
    }
    AUTO(text_done) struct text names = text_up_to(sizeof why->text); /* "on", "off" */
    for (size_t i = 0; field->names[i] != NULL; i++) {
        text_addf(&names, "%s\"%s\"", i > 0 ? ", " : "", field->names[i]);
    }
    return err_why(why, ERR_BAD_FIELD, "\"%s\": '%.60s' is not one of %s", field->name, value,
                   text_failed(&names) ? "those known" : names.data);
}

static struct err list_check(const struct field *field, const json_t *list, struct why *why) {
    if (json_array_size(list) > (size_t)field->max) {
        return err_why(why, ERR_BAD_FIELD,
                       "\"%s\" must have a number of items from 0 to %" PRId64 ", not %zu",
                       field->name, field->max, json_array_size(list));
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const struct bytes word = json_text(json_array_get(list, i));
        if (word.len < 1 || word.len > (size_t)field->each_max ||
            memchr(word.data, '\0', word.len) != NULL || (field->plain && utf8_has_control(word))) {
            return err_why(why, ERR_BAD_FIELD,
                           "\"%s\"[%zu] must be a text of 1 to %" PRId64 " bytes%s", field->name, i,
                           field->each_max, field->plain ? ", without control characters" : "");
        }
    }
    return ERR_OK;
}

/* The bounds of a number that may be null, too; null counts as 0. */
static struct err number_check(const struct field *field, const json_t *value, struct why *why) {
    int64_t number = json_integer_value(value);
    if (!field->or_null || json_is_null(value) ||
        (json_is_integer(value) && number >= field->min && number <= field->max)) {
        return ERR_OK;
    }
    return err_why(why, ERR_BAD_FIELD,
                   "\"%s\" must be an integer from %" PRId64 " to %" PRId64 ", or null",
                   field->name, field->min, field->max);
}

struct err field_name_find(const char *const *names, struct bytes word, const char *where,
                           unsigned *ret_at, struct why *why) {
    AUTO(text_done) struct text known = text_up_to(sizeof why->text);
    if (bytes_find(word, names, ret_at)) {
        return ERR_OK;
    }
    for (unsigned at = 0; names[at] != NULL; at++) {
        text_addf(&known, "%s%s", at > 0 ? ", " : "", names[at]);
    }
    return err_why(why, ERR_BAD_FIELD, "%s: '%.*s' is not one of %s", where,
                   (int)(word.len < 100 ? word.len : 100), word.data,
                   text_failed(&known) ? "those known" : known.data);
}

static struct err object_read(const struct field_set *set, enum field_use use, const char *parent,
                              const json_t *object, void *into, struct why *why);

static struct err names_take(const struct field *field, const char *parent, const json_t *value,
                             unsigned *io_bits, struct why *why) {
    struct err err = ERR_OK;
    unsigned bits = 0, name = 0;
    for (size_t i = 0; i < json_array_size(value) && !err_failed(err); i++) {
        struct why where;
        why_set(&where, "%s%s%s[%zu]", parent != NULL ? parent : "", parent != NULL ? "." : "",
                field->name, i);
        err = field_name_find(field->names, json_text(json_array_get(value, i)), where.text, &name,
                              why);
        bits |= 1U << name;
    }
    *io_bits = err_failed(err) ? *io_bits : bits;
    return err;
}

/* Takes a value whose type and bounds were checked. `parent`: name of the field whose object has
 * this one; NULL: the body itself. */
static struct err value_take(const struct field *field, enum field_use use, const char *parent,
                             json_t *value, void *into, struct why *why) {
    void *at = (char *)into + field->at;
    struct err err = ERR_OK;
    switch (field->kind) {
    case FIELD_TEXT:
        *(struct bytes *)at = bytes_of(json_string_value(value));
        return text_check(field, json_string_value(value), why);
    case FIELD_CHARS:
        *(const char **)at = json_string_value(value);
        return text_check(field, json_string_value(value), why);
    case FIELD_INT:
        *(int64_t *)at = json_integer_value(value);
        return number_check(field, value, why);
    case FIELD_BOOL:
        *(bool *)at = json_is_true(value);
        break;
    case FIELD_NAMES:
        return names_take(field, parent, value, at, why);
    case FIELD_LIST:
        ((struct field_list *)at)->given = value;
        return list_check(field, value, why);
    case FIELD_TEXTS:
    case FIELD_JSON:
        *(json_t **)at = value;
        break;
    case FIELD_OBJECT:
        err = object_read(field->fields, use, field->name, value, at, why);
        break;
    case FIELD_ID:
    case FIELD_TIME:
    case FIELD_DAY:
    case FIELD_NAME:
    case FIELD_STORED:
    case FIELD_MEMBERS:
        assert(false); /* Kinds that are shown only. */
    }
    return err;
}

static struct err object_read(const struct field_set *set, enum field_use use, const char *parent,
                              const json_t *object, void *into, struct why *why) {
    struct json_field checks[FIELD_ROWS_MAX];
    struct why inner = {.text = ""};
    size_t count = 0;
    assert(set->count <= FIELD_ROWS_MAX);
    for (size_t i = 0; i < set->count; i++) {
        const struct field *field = &set->rows[i];
        if (field_has(set, field, use)) {
            checks[count++] = (struct json_field){
                .name = field->name,
                .kind = field->or_null ? JSON_KIND_ANY : json_kinds[field->kind],
                .required = field->required && use != FIELD_CHANGED,
                .min = field->min,
                .max = field->max};
        }
    }
    struct err err = json_read_fields(object, checks, count, &inner);
    if (err_failed(err) && parent != NULL) {
        why_set(why, "\"%s\": %.280s", parent, inner.text);
    } else if (err_failed(err)) {
        why_set(why, "%s", inner.text);
    }
    for (size_t i = 0; i < set->count && !err_failed(err); i++) {
        const struct field *field = &set->rows[i];
        json_t *value = json_object_get(object, field->name);
        if (value != NULL && field_has(set, field, use)) {
            err = value_take(field, use, parent, value, into, why);
        }
    }
    return err;
}

static void absent_set(const struct field_set *set, enum field_use use, void *into) {
    for (size_t i = 0; i < set->count; i++) {
        const struct field *field = &set->rows[i];
        void *at = (char *)into + field->at;
        if (field->fields != NULL) {
            absent_set(field->fields, use, into);
        } else if (field->absent != 0 && field_has(set, field, use)) {
            if (field->kind == FIELD_NAMES) {
                *(unsigned *)at = (unsigned)field->absent;
            } else {
                *(int64_t *)at = field->absent;
            }
        }
    }
}

struct err fields_read(const struct field_set *set, enum field_use use, const json_t *object,
                       void *into, struct why *why) {
    absent_set(set, use, into);
    if (object == NULL) {
        return ERR_OK;
    }
    return object_read(set, use, NULL /* the body itself */, object, into, why);
}

struct err fields_check(const struct field_set *set, enum field_use use, const void *row,
                        struct why *why) {
    for (size_t i = 0; i < set->count; i++) {
        const struct field *field = &set->rows[i];
        const struct bytes *text = (const void *)((const char *)row + field->at);
        if (field->kind == FIELD_LIST && field_has(set, field, use)) {
            const struct field_list *list = (const void *)text;
            TRY(list_check(field, list->given, why));
        }
        if (field->kind != FIELD_TEXT || !field_has(set, field, use) || text->data == NULL) {
            continue;
        }
        if (text->len < (size_t)field->min || text->len > (size_t)field->max) {
            return err_why(why, ERR_BAD_FIELD,
                           "\"%s\" must have a length in bytes from %" PRId64 " to %" PRId64
                           ", not %zu",
                           field->name, field->min, field->max, text->len);
        }
        if (memchr(text->data, '\0', text->len) != NULL) {
            return err_why(why, ERR_BAD_FIELD, "\"%s\" must not contain the character \\u0000",
                           field->name);
        }
    }
    return ERR_OK;
}

/* --- Out -------------------------------------------------------------------------------------- */

static bool is_null(const struct field *field, bool empty, int64_t number) {
    const bool time = field->kind == FIELD_TIME;
    return (empty && (field->empty == FIELD_EMPTY_NULL || time)) ||
           (field->none != 0 && number == field->none);
}

struct field_value fields_value(const struct field *field, const void *row) {
    const void *at = (const char *)row + field->at;
    struct field_value value = {.number = 0};
    if (field->get != NULL) {
        return field->get(row);
    }
    switch (field->kind) {
    case FIELD_TEXT:
    case FIELD_STORED:
    case FIELD_MEMBERS:
        value.text = *(const struct bytes *)at;
        break;
    case FIELD_LIST:
        value.text = ((const struct field_list *)at)->kept;
        break;
    case FIELD_CHARS:
        value.text = bytes_of(*(const char *const *)at);
        break;
    case FIELD_ID:
        value.text = bytes_of(((const struct id *)at)->text);
        break;
    case FIELD_NAME:
        value.text = bytes_of(field->names[*(const unsigned *)at]);
        break;
    case FIELD_INT:
    case FIELD_TIME:
    case FIELD_DAY:
        value.number = *(const int64_t *)at;
        break;
    case FIELD_NAMES:
        value.number = *(const unsigned *)at;
        break;
    case FIELD_BOOL:
        value.number = *(const bool *)at;
        break;
    case FIELD_OBJECT:
        return value;
    case FIELD_TEXTS:
    case FIELD_JSON:
        assert(false); /* Kinds that are read only. */
    }
    bool empty = value.text.len == 0 && value.number == 0;
    value.left_out = empty && field->empty == FIELD_EMPTY_LEFT_OUT;
    value.null = is_null(field, empty, value.number);
    return value;
}

static void names_write(const char *const *names, int64_t bits, struct text *text) {
    const char *comma = "";
    text_add_char(text, '[');
    for (unsigned i = 0; names[i] != NULL; i++) {
        if ((bits & INT64_C(1) << i) != 0) {
            text_addf(text, "%s\"%s\"", comma, names[i]);
            comma = ",";
        }
    }
    text_add_char(text, ']');
}

/* "2026-11-20"; the day of a damaged row may be any number: "". */
static void day_add(int64_t day, struct text *text) {
    enum { DAY_S = 24 * 60 * 60 };
    char date[16] = "";
    struct tm parts;
    const time_t seconds = day >= 0 && day <= INT64_MAX / DAY_S ? (time_t)(day * DAY_S) : -1;
    if (seconds >= 0 && gmtime_r(&seconds, &parts) != NULL) {
        (void)strftime(date, sizeof date, "%Y-%m-%d", &parts); /* Fits. */
    }
    text_addf(text, "\"%s\"", date);
}

/* Members of a stored object, without its braces; of a damaged one none. */
static void members_add(struct bytes object, struct text *text) {
    enum { BRACES = 2 };
    if (object.len > BRACES && object.data[0] == '{' && json_is_valid(object)) {
        text_add_char(text, ',');
        text_add(text, object.data + 1, object.len - BRACES);
    }
}

static void value_add(const struct field *field, const struct field_value *value,
                      struct text *text) {
    switch (field->kind) {
    case FIELD_TEXT:
    case FIELD_CHARS:
    case FIELD_ID:
    case FIELD_NAME:
        text_add_char(text, '"');
        text_add_str(text, value->prefix != NULL ? value->prefix : "");
        text_add_json_piece(text, value->text);
        text_add_char(text, '"');
        break;
    case FIELD_INT:
    case FIELD_TIME:
        text_add_int(text, value->number);
        break;
    case FIELD_DAY:
        day_add(value->number, text);
        break;
    case FIELD_BOOL:
        text_add_str(text, value->number != 0 ? "true" : "false");
        break;
    case FIELD_NAMES:
        names_write(field->names, value->number, text);
        break;
    case FIELD_STORED:
        json_add_stored(text, value->text);
        break;
    case FIELD_MEMBERS: /* Has no name, and an object and a list no value: see field_add. */
    case FIELD_LIST:
    case FIELD_OBJECT:
    case FIELD_TEXTS:
    case FIELD_JSON:
        assert(false); /* Kinds that are read only. */
    }
}

static void list_write(const struct field_list *list, struct text *text) {
    if (list->given != NULL) {
        text->failed = err_failed(json_write(list->given, text)) || text->failed;
    } else {
        json_add_stored(text, list->kept.len > 0 ? list->kept : BYTES("[]"));
    }
}

bool field_list_has(const struct field *field, struct bytes word, const void *row) {
    const struct field_list *list = (const void *)((const char *)row + field->at);
    AUTO(json_release) json_t *words = NULL;
    bool has = false;
    if (!err_failed(json_parse_wrapped(list->kept, &words, NULL))) { /* A damaged one has none. */
        for (size_t i = 0; i < json_array_size(words) && !has; i++) {
            has = bytes_equal(json_text(json_array_get(words, i)), word);
        }
    }
    return has;
}

static void field_add(const struct field *field, const void *row, struct text *text) {
    const struct field_value value = fields_value(field, row);
    if (field->kind == FIELD_MEMBERS) {
        members_add(value.text, text);
    } else if (!value.left_out) {
        /* Unlike text_add_name: a comma also before the first member of an empty text. */
        bool first = text->len > 0 && text->data[text->len - 1] == '{';
        text_add_str(text, first ? "\"" : ",\"");
        text_add_str(text, field->name);
        text_add_str(text, value.null ? "\":null" : "\":");
        if (!value.null && field->kind == FIELD_OBJECT) {
            fields_write(field->fields, FIELD_LISTED, (const char *)row + field->at, text);
        } else if (!value.null && field->kind == FIELD_LIST) {
            list_write((const void *)((const char *)row + field->at), text);
        } else if (!value.null) {
            value_add(field, &value, text);
        }
    }
}

void fields_add_one(const struct field_set *set, const char *name, const void *row,
                    struct text *text) {
    size_t i = 0;
    while (i < set->count && strcmp(set->rows[i].name, name) != 0) {
        i++;
    }
    assert(i < set->count);
    field_add(&set->rows[i], row, text);
}

void fields_write(const struct field_set *set, unsigned use, const void *row, struct text *text) {
    text_add_char(text, '{');
    for (size_t i = 0; i < set->count; i++) {
        if (field_has(set, &set->rows[i], use)) {
            field_add(&set->rows[i], row, text);
        }
    }
    text_add_char(text, '}');
}
