/* instance.c: walks a schema and writes a value beside it. */
#include "model/scripted/instance.h"

#include <math.h>
#include <string.h>

#include "base/json/json.h"

enum {
    DEPTH_MAX = 16,
    ITEMS_MAX = 16,
    WHOLE_ITEMS = 2,     /* Of a list, where a whole value is wanted, */
    WHOLE_DEPTH_MAX = 6, /* and only so deep: two in two in two are many. */
    VALUES_MAX = 2000,
    MULTIPLES_MAX = 1000, /* Candidates tried for a whole number, or one within the bounds. */
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

static void add_array(struct walk *walk, const json_t *schema, unsigned depth) {
    json_int_t count = json_int(schema, "minItems", 0);
    count = is_whole(walk, depth) && count < WHOLE_ITEMS ? WHOLE_ITEMS : count;
    json_int_t most = json_int(schema, "maxItems", ITEMS_MAX);
    most = most < ITEMS_MAX ? most : ITEMS_MAX;
    text_add_char(walk->text, '[');
    for (json_int_t i = 0; i < count && i < most; i++) {
        text_add_str(walk->text, i > 0 ? "," : "");
        add_value(walk, json_object_get(schema, "items"), depth + 1);
    }
    text_add_char(walk->text, ']');
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

/* --- Numbers ---------------------------------------------------------------------------------- */

struct span {
    double low, high; /* -INFINITY, INFINITY: no bound. */
    bool low_open, high_open;
};

/* As floor(), for which we would have to link libm: greater numbers are whole already. */
static double whole_below(double value) {
    if (!(fabs(value) < 0x1p53)) {
        return value;
    }
    double whole = (double)(int64_t)value;
    return whole > value ? whole - 1 : whole;
}

static double bound(const json_t *schema, const char *name, double otherwise) {
    const json_t *value = json_object_get(schema, name);
    return json_is_number(value) ? json_number_value(value) : otherwise;
}

static struct span span_of(const json_t *schema) {
    double above = bound(schema, "exclusiveMinimum", -INFINITY);
    double below = bound(schema, "exclusiveMaximum", INFINITY);
    struct span span = {.low = bound(schema, "minimum", -INFINITY),
                        .high = bound(schema, "maximum", INFINITY)};
    span.low_open = above >= span.low && above > -INFINITY;
    span.high_open = below <= span.high && below < INFINITY;
    span.low = span.low_open ? above : span.low;
    span.high = span.high_open ? below : span.high;
    return span;
}

static bool span_has(const struct span *span, double value) {
    return (span->low_open ? value > span->low : value >= span->low) &&
           (span->high_open ? value < span->high : value <= span->high);
}

/* The least number that fits, or without a lower bound the greatest up to 0. Where none is found,
 * one that does not fit. */
static double number_of(const json_t *schema, bool whole) {
    struct span span = span_of(schema);
    bool upwards = span.low > -INFINITY;
    double start = upwards ? span.low : span.high < 0 ? span.high : 0;
    double step = bound(schema, "multipleOf", whole ? 1 : 0);
    for (int i = 0; step > 0 && i < MULTIPLES_MAX; i++) {
        double value =
            (upwards ? i - whole_below(-start / step) : whole_below(start / step) - i) * step;
        if (span_has(&span, value) && (!whole || value == whole_below(value))) {
            return value;
        }
    }
    if (span_has(&span, start)) {
        return start;
    }
    double next = upwards ? start + 1 : start - 1;
    return span_has(&span, next) ? next : span.low / 2 + span.high / 2;
}

static void add_number(struct text *text, const json_t *schema, bool whole) {
    double value = number_of(schema, whole);
    if (value == whole_below(value) && fabs(value) < 0x1p53) {
        text_add_int(text, (int64_t)value);
        return;
    }
    AUTO(json_release) json_t *json = json_real(isfinite(value) ? value : 0);
    if (json == NULL || err_failed(json_write(json, text))) {
        text_add_str(text, "null"); /* Not enough memory. */
    }
}

/* --- Values ----------------------------------------------------------------------------------- */

static void add_of_type(struct walk *walk, const json_t *schema, unsigned depth) {
    struct text *text = walk->text;
    const json_t *types = json_object_get(schema, "type");
    const char *type = json_string_value(json_is_array(types) ? json_array_get(types, 0) : types);
    if (type == NULL) {
        type = json_object_get(schema, "properties") != NULL ? "object" : "null";
    }
    if (strcmp(type, "object") == 0) {
        add_object(walk, schema, depth);
    } else if (strcmp(type, "array") == 0) {
        add_array(walk, schema, depth);
    } else if (strcmp(type, "string") == 0) {
        json_int_t len = json_int(schema, "minLength", 0);
        len = len < 1 ? 4 : (len > 1000 ? 1000 : len);
        text_add_char(text, '"');
        for (json_int_t i = 0; i < len; i++) {
            text_add_char(text, "text"[i % 4]);
        }
        text_add_char(text, '"');
    } else if (strcmp(type, "integer") == 0 || strcmp(type, "number") == 0) {
        add_number(text, schema, strcmp(type, "integer") == 0);
    } else {
        text_add_str(text, strcmp(type, "boolean") == 0 ? "true" : "null");
    }
}

/* The first of an array that is a member; NULL: there is none. */
static const json_t *first_of(const json_t *schema, const char *name) {
    return json_array_get(json_object_get(schema, name), 0);
}

static void add_value(struct walk *walk, const json_t *schema, unsigned depth) {
    const json_t *value = json_object_get(schema, "const"), *other = definition(walk, schema);
    value = value != NULL ? value : first_of(schema, "enum");
    other = other != NULL ? other : first_of(schema, "anyOf");
    other = other != NULL ? other : first_of(schema, "oneOf");
    if (depth == DEPTH_MAX || walk->left == 0) {
        text_add_str(walk->text, "null");
        return;
    }
    walk->left--;
    if (value != NULL) {
        if (err_failed(json_write(value, walk->text))) {
            text_add_str(walk->text, "null"); /* Parsed, so only memory can lack. */
        }
    } else if (other != NULL) {
        add_value(walk, other, depth + 1);
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
