/* schema.c: fields as JSON Schema, for openapi.json.
 *
 * Lengths are bytes in our tables and characters in JSON Schema, so minLength is 1 at most.
 */
#include <inttypes.h>
#include <string.h>

#include "base/fields/fields.h"

/* Type of each kind, and the names of its bounds. */
static const struct {
    const char *type, *min, *max;
} words[] = {
    [FIELD_TEXT] = {"string", "minLength", "maxLength"},
    [FIELD_CHARS] = {"string", "minLength", "maxLength"},
    [FIELD_ID] = {"string", NULL, NULL},
    [FIELD_INT] = {"integer", "minimum", "maximum"},
    [FIELD_TIME] = {"integer", "minimum", "maximum"},
    [FIELD_DAY] = {"string", NULL, NULL},
    [FIELD_BOOL] = {"boolean", NULL, NULL},
    [FIELD_NAME] = {"string", NULL, NULL},
    [FIELD_NAMES] = {"array", "minItems", "maxItems"},
    [FIELD_TEXTS] = {"array", "minItems", "maxItems"},
    [FIELD_LIST] = {"array", "minItems", "maxItems"},
    [FIELD_JSON] = {NULL, NULL, NULL},
    [FIELD_STORED] = {"object", NULL, NULL},
    [FIELD_OBJECT] = {"object", NULL, NULL},
    [FIELD_MEMBERS] = {NULL, NULL, NULL},
};

static void names_add(const char *const *names, bool null, struct text *text) {
    const char *comma = "";
    text_add_str(text, "{\"enum\":[");
    for (size_t i = 0; names[i] != NULL; i++) {
        if (names[i][0] != '\0') {
            text_addf(text, "%s\"%s\"", comma, names[i]);
            comma = ",";
        }
    }
    text_addf(text, "%s]}", null ? ",null" : "");
}

static void bounds_add(const struct field *field, struct text *text) {
    bool number = field->kind == FIELD_INT;
    int64_t least = field->kind == FIELD_TEXT || field->kind == FIELD_CHARS ? 1 : field->min;
    if (words[field->kind].min == NULL || (field->min == 0 && field->max == 0)) {
        return;
    }
    if (number || field->min > 0) {
        text_addf(text, ",\"%s\":%" PRId64, words[field->kind].min, least);
    }
    if (field->max != 0) {
        text_addf(text, ",\"%s\":%" PRId64, words[field->kind].max, field->max);
    }
    if (number && field->absent != 0) {
        text_addf(text, ",\"default\":%" PRId64, field->absent);
    }
}

static void object_add(const struct field_set *set, const struct field_shape *shape,
                       struct text *text);

static bool shape_is_body(const struct field_shape *shape) {
    return (shape->use & (FIELD_GIVEN | FIELD_CHANGED)) != 0;
}

/* Bounds are what a body must keep; answers are described without. */
static void field_schema(const struct field *field, const struct field_shape *shape,
                         struct text *text) {
    bool body = shape_is_body(shape);
    bool null = field->or_null || (!body && (field->empty == FIELD_EMPTY_NULL || field->none != 0 ||
                                             (field->kind == FIELD_TIME && !field->required)));
    const char *type = words[field->kind].type;
    bool list =
        field->kind == FIELD_NAMES || field->kind == FIELD_TEXTS || field->kind == FIELD_LIST;
    if (field->schema != NULL) {
        text_add_str(text, field->schema);
        return;
    }
    if (field->kind == FIELD_OBJECT) {
        object_add(field->fields, shape, text);
        return;
    }
    if (field->names != NULL && !list) {
        names_add(field->names, null, text);
        return;
    }
    text_add_char(text, '{');
    if (type != NULL) {
        text_addf(text, null ? "\"type\":[\"%s\",\"null\"]" : "\"type\":\"%s\"", type);
    }
    if (body) {
        bounds_add(field, text);
    }
    if (list && field->names != NULL) {
        text_add_str(text, ",\"items\":");
        names_add(field->names, false /* null */, text);
    } else if (list) {
        text_add_str(text, ",\"items\":{\"type\":\"string\"}");
    }
    text_add_char(text, '}');
}

static void properties_add(const struct field_set *set, const struct field_shape *shape,
                           struct text *text) {
    for (size_t i = 0; i < set->count; i++) {
        const struct field *field = &set->rows[i];
        if (field->kind != FIELD_MEMBERS && field_has(set, field, shape->use)) {
            text_add_name(text, field->name);
            field_schema(field, shape, text);
        }
    }
}

/* Must be given, or is never left out of an answer. */
static bool field_is_required(const struct field *field, const struct field_shape *shape) {
    if (shape_is_body(shape)) {
        return field->required && shape->use != FIELD_CHANGED;
    }
    return field->required ||
           (field->empty != FIELD_EMPTY_LEFT_OUT && field->kind != FIELD_MEMBERS);
}

/* Adds the names of a table's required fields. */
static void required_add(const struct field_set *set, const struct field_shape *shape, bool *io_any,
                         struct text *text) {
    for (size_t i = 0; i < set->count; i++) {
        const struct field *field = &set->rows[i];
        const bool said = shape_is_body(shape) || !shape->loose;
        if (said && field_is_required(field, shape) && field_has(set, field, shape->use)) {
            text_addf(text, "%s\"%s\"", *io_any ? "," : ",\"required\":[", field->name);
            *io_any = true;
        }
    }
}

static void object_add(const struct field_set *set, const struct field_shape *shape,
                       struct text *text) {
    const struct field_set *more = set == shape->fields ? shape->more : NULL;
    bool any = false;
    text_add_str(text, "{\"type\":\"object\"");
    if (shape_is_body(shape)) {
        text_add_str(text, ",\"additionalProperties\":false");
    }
    required_add(set, shape, &any, text);
    if (more != NULL) {
        required_add(more, shape, &any, text);
    }
    text_addf(text, "%s%s,\"properties\":{", any ? "]" : "",
              set->schema == NULL ? "" : set->schema);
    properties_add(set, shape, text);
    if (more != NULL) {
        properties_add(more, shape, text);
    }
    text_add_str(text, "}}");
}

void fields_schema(const struct field_shape *shape, struct text *text) {
    if (!shape->page) {
        object_add(shape->fields, shape, text);
        return;
    }
    text_add_str(text, "{\"type\":\"object\",\"required\":[\"items\",\"next\"],\"properties\":{"
                       "\"items\":{\"type\":\"array\",\"items\":");
    object_add(shape->fields, shape, text);
    text_add_str(text, "},\"next\":{\"type\":[\"string\",\"null\"]},\"left_out\":{\"type\":"
                       "\"integer\"},\"partial\":{\"type\":\"boolean\"},\"total\":{\"type\":"
                       "\"integer\"},\"more\":{\"type\":\"boolean\"}}}");
}
