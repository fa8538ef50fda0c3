/* instance.c: walks a schema and writes a value beside it. */
#include "model/scripted/instance.h"

#include <string.h>

#include "base/json/json.h"

enum {
    DEPTH_MAX = 16,
    ITEMS_MAX = 16,
    WHOLE_ITEMS = 2,     /* Of a list, where a whole value is wanted, */
    WHOLE_DEPTH_MAX = 6, /* and only so deep: two in two in two are many. */
    VALUES_MAX = 2000,
};

struct walk {
    struct text *text;
    const json_t *root; /* Borrowed: where definitions stand. */
    enum instance_size size;
    unsigned left; /* Values that it may still have: definitions may name each other. */
};

static void add_value(struct walk *walk, const json_t *schema, unsigned depth);

static bool is_whole(struct walk *walk, unsigned depth) {
    return walk->size == INSTANCE_WHOLE && depth < WHOLE_DEPTH_MAX;
}

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

static void add_object(struct walk *walk, const json_t *schema, unsigned depth) {
    struct text *text = walk->text;
    json_t *properties = json_object_get(schema, "properties");
    bool first = true;
    text_add_char(text, '{');
    for (void *at = json_object_iter(properties); at != NULL;
         at = json_object_iter_next(properties, at)) {
        const char *name = json_object_iter_key(at);
        if (is_whole(walk, depth) || is_required(schema, name)) {
            text_add_str(text, first ? "" : ",");
            first = false;
            text_add_json(text, name, strlen(name));
            text_add_char(text, ':');
            add_value(walk, json_object_iter_value(at), depth + 1);
        }
    }
    text_add_char(text, '}');
}

static json_int_t items_of(struct walk *walk, const json_t *schema, unsigned depth) {
    json_int_t least = json_integer_value(json_object_get(schema, "minItems"));
    const json_t *most = json_object_get(schema, "maxItems");
    json_int_t count = is_whole(walk, depth) && least < WHOLE_ITEMS ? WHOLE_ITEMS : least;
    if (json_is_integer(most) && count > json_integer_value(most)) {
        count = json_integer_value(most);
    }
    return count < ITEMS_MAX ? count : ITEMS_MAX;
}

static void add_array(struct walk *walk, const json_t *schema, unsigned depth) {
    json_int_t count = items_of(walk, schema, depth);
    text_add_char(walk->text, '[');
    for (json_int_t i = 0; i < count; i++) {
        text_add_str(walk->text, i > 0 ? "," : "");
        add_value(walk, json_object_get(schema, "items"), depth + 1);
    }
    text_add_char(walk->text, ']');
}

static const json_t *chosen(const json_t *schema) {
    const json_t *value = json_object_get(schema, "const");
    return value != NULL ? value : json_array_get(json_object_get(schema, "enum"), 0);
}

/* The first of several that would do; NULL: there are none. */
static const json_t *alternative(const json_t *schema) {
    const json_t *any = json_array_get(json_object_get(schema, "anyOf"), 0);
    return any != NULL ? any : json_array_get(json_object_get(schema, "oneOf"), 0);
}

/* "#/$defs/NAME", and as it was called before 2019. */
static const json_t *definition(struct walk *walk, const json_t *schema) {
    static const char *const places[] = {"$defs", "definitions"};
    const char *ref = json_string_value(json_object_get(schema, "$ref"));
    for (size_t i = 0; ref != NULL && i < COUNT_OF(places); i++) {
        size_t len = strlen(places[i]);
        if (strncmp(ref, "#/", 2) == 0 && strncmp(ref + 2, places[i], len) == 0 &&
            ref[2 + len] == '/') {
            return json_object_get(json_object_get(walk->root, places[i]), ref + 2 + len + 1);
        }
    }
    return NULL;
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

static void add_of_type(struct walk *walk, const json_t *schema, unsigned depth) {
    const char *type = type_of(schema);
    if (strcmp(type, "object") == 0) {
        add_object(walk, schema, depth);
    } else if (strcmp(type, "array") == 0) {
        add_array(walk, schema, depth);
    } else if (strcmp(type, "string") == 0) {
        add_string(walk->text, schema);
    } else if (strcmp(type, "integer") == 0 || strcmp(type, "number") == 0) {
        text_add_int(walk->text, json_integer_value(json_object_get(schema, "minimum")));
    } else {
        text_add_str(walk->text, strcmp(type, "boolean") == 0 ? "true" : "null");
    }
}

static void add_value(struct walk *walk, const json_t *schema, unsigned depth) {
    const json_t *value = chosen(schema), *any = alternative(schema);
    const json_t *defined = definition(walk, schema);
    if (depth == DEPTH_MAX || walk->left == 0) {
        text_add_str(walk->text, "null");
        return;
    }
    walk->left--;
    if (value != NULL) {
        if (err_failed(json_write(value, walk->text))) {
            text_add_str(walk->text, "null"); /* Parsed, so only memory can lack. */
        }
    } else if (defined != NULL || any != NULL) {
        add_value(walk, defined != NULL ? defined : any, depth + 1);
    } else {
        add_of_type(walk, schema, depth);
    }
}

void script_instance_add_json(struct text *text, const json_t *schema, enum instance_size size) {
    struct walk walk = {.text = text, .root = schema, .size = size, .left = VALUES_MAX};
    add_value(&walk, schema, 0);
}

void script_instance_add(struct text *text, struct bytes schema) {
    AUTO(json_release) json_t *json = NULL;
    if (err_failed(json_parse(schema.data, schema.len, JSON_DEPTH_MAX, &json, /* why */ NULL))) {
        text_add_str(text, "null");
        return;
    }
    script_instance_add_json(text, json, INSTANCE_LEAST);
}
