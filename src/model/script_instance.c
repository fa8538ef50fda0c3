/* script_instance.c: walks a schema and writes a value beside it. */
#include "model/script_instance.h"

#include <string.h>

#include "base/json.h"

enum { DEPTH_MAX = 16, ITEMS_MAX = 16 };

static void add_value(struct text *text, const json_t *schema, unsigned depth);

static bool is_required(const json_t *schema, const char *name) {
    const json_t *required = json_object_get(schema, "required");
    for (size_t i = 0; i < json_array_size(required); i++) {
        const char *its = json_string_value(json_array_get(required, i));
        if (its != NULL && strcmp(its, name) == 0) {
            return true;
        }
    }
    return false;
}

static void add_object(struct text *text, const json_t *schema, unsigned depth) {
    json_t *properties = json_object_get(schema, "properties");
    bool first = true;
    text_add_char(text, '{');
    for (void *at = json_object_iter(properties); at != NULL;
         at = json_object_iter_next(properties, at)) {
        const char *name = json_object_iter_key(at);
        if (is_required(schema, name)) {
            text_add_str(text, first ? "" : ",");
            first = false;
            text_add_json(text, name, strlen(name));
            text_add_char(text, ':');
            add_value(text, json_object_iter_value(at), depth + 1);
        }
    }
    text_add_char(text, '}');
}

static void add_array(struct text *text, const json_t *schema, unsigned depth) {
    json_int_t count = json_integer_value(json_object_get(schema, "minItems"));
    text_add_char(text, '[');
    for (json_int_t i = 0; i < count && i < ITEMS_MAX; i++) {
        text_add_str(text, i > 0 ? "," : "");
        add_value(text, json_object_get(schema, "items"), depth + 1);
    }
    text_add_char(text, ']');
}

static const json_t *chosen(const json_t *schema) {
    const json_t *value = json_object_get(schema, "const");
    return value != NULL ? value : json_array_get(json_object_get(schema, "enum"), 0);
}

static const char *type_of(const json_t *schema) {
    const json_t *type = json_object_get(schema, "type");
    type = json_is_array(type) ? json_array_get(type, 0) : type;
    if (json_is_string(type)) {
        return json_string_value(type);
    }
    return json_object_get(schema, "properties") != NULL ? "object" : "null";
}

static void add_string(struct text *text, const json_t *schema) {
    json_int_t len = json_integer_value(json_object_get(schema, "minLength"));
    len = len < 1 ? 4 : (len > 1000 ? 1000 : len);
    text_add_char(text, '"');
    for (json_int_t i = 0; i < len; i++) {
        text_add_char(text, "text"[i % 4]);
    }
    text_add_char(text, '"');
}

static void add_value(struct text *text, const json_t *schema, unsigned depth) {
    const json_t *value = chosen(schema), *any = json_object_get(schema, "anyOf");
    if (depth == DEPTH_MAX) {
        text_add_str(text, "null");
        return;
    }
    if (value != NULL) {
        if (err_failed(json_write(value, text))) {
            text_add_str(text, "null"); /* Parsed, so it can be written: only memory can lack. */
        }
        return;
    }
    if (json_array_size(any) > 0) {
        add_value(text, json_array_get(any, 0), depth + 1);
        return;
    }
    const char *type = type_of(schema);
    if (strcmp(type, "object") == 0) {
        add_object(text, schema, depth);
    } else if (strcmp(type, "array") == 0) {
        add_array(text, schema, depth);
    } else if (strcmp(type, "string") == 0) {
        add_string(text, schema);
    } else if (strcmp(type, "integer") == 0 || strcmp(type, "number") == 0) {
        json_int_t least = json_integer_value(json_object_get(schema, "minimum"));
        text_add_int(text, least);
    } else {
        text_add_str(text, strcmp(type, "boolean") == 0 ? "true" : "null");
    }
}

void script_instance_add(struct text *text, struct bytes schema) {
    AUTO(json_release) json_t *json = NULL;
    if (err_failed(json_parse(schema.data, schema.len, JSON_DEPTH_MAX, &json, /* why */ NULL))) {
        text_add_str(text, "null");
        return;
    }
    add_value(text, json, 0);
}
