/* schema_void.c: schemas that contradict themselves, so that no value fits.
 *
 * Only what is certain counts: bounds that cross, a required member that may not be there, listed
 * values of which none fits the rest, and whatever holds such a part in a way that cannot be
 * avoided. What only two parts of an allOf together forbid is not looked for.
 */
#include <stdio.h>
#include <string.h>

#include "base/json/schema.h"
#include "base/json/schema_inside.h"

enum { VOID_DEPTH_MAX = 64, VOID_STEPS_MAX = JSON_SCHEMA_NODES_MAX };

struct search {
    const struct json_schema *schema;
    struct why *why;
    unsigned depth, steps;
    char place[160];
    size_t place_len;
};

static bool is_void(struct search *search, const json_t *schema);

/* The innermost reason is the one that helps. */
static bool say(struct search *search, const char *reason) {
    (void)snprintf(search->why->text, sizeof search->why->text, "%s: nothing fits: %s",
                   search->place, reason);
    return true;
}

static bool is_void_at(struct search *search, const char *word, const char *name,
                       const json_t *schema) {
    size_t before = search->place_len, room = sizeof search->place - before;
    int added = snprintf(search->place + before, room, "/%s%s%s", word, *name ? "/" : "", name);
    if (added > 0) {
        search->place_len += (size_t)added < room ? (size_t)added : room - 1;
    }
    bool found = is_void(search, schema);
    search->place_len = before;
    search->place[before] = '\0';
    return found;
}

/* --- Bounds ----------------------------------------------------------------------------------- */

static const struct {
    const char *type, *low, *high, *reason;
    bool open; /* Equal ones leave nothing between them. */
} bounds[] = {
    {"number", "minimum", "maximum", "minimum is above maximum", false},
    {"number", "exclusiveMinimum", "maximum", "exclusiveMinimum is not below maximum", true},
    {"number", "minimum", "exclusiveMaximum", "minimum is not below exclusiveMaximum", true},
    {"number", "exclusiveMinimum", "exclusiveMaximum",
     "exclusiveMinimum is not below exclusiveMaximum", true},
    {"string", "minLength", "maxLength", "minLength is above maxLength", false},
    {"array", "minItems", "maxItems", "minItems is above maxItems", false},
    {"object", "minProperties", "maxProperties", "minProperties is above maxProperties", false},
};

static bool are_crossed(struct search *search, const json_t *schema, const char *type) {
    for (size_t i = 0; i < COUNT_OF(bounds); i++) {
        const json_t *low = json_object_get(schema, bounds[i].low);
        const json_t *high = json_object_get(schema, bounds[i].high);
        if (strcmp(bounds[i].type, type) != 0 || low == NULL || high == NULL) {
            continue;
        }
        long double a = json_number_exact(low), b = json_number_exact(high);
        if (a > b || (a == b && bounds[i].open)) {
            return say(search, bounds[i].reason);
        }
    }
    return false;
}

/* --- By type ---------------------------------------------------------------------------------- */

static bool is_member_void(struct search *search, const json_t *schema, const char *name) {
    const json_t *member = json_object_get(json_object_get(schema, "properties"), name);
    if (member != NULL) {
        return is_void_at(search, "properties", name, member);
    }
    if (json_object_get(schema, "patternProperties") != NULL ||
        !json_is_false(json_object_get(schema, "additionalProperties"))) {
        return false;
    }
    char reason[120];
    (void)snprintf(reason, sizeof reason, "\"%.40s\" is required, and no such member is allowed",
                   name);
    return say(search, reason);
}

static bool is_type_void(struct search *search, const json_t *schema, const char *type) {
    bool object = strcmp(type, "object") == 0, array = strcmp(type, "array") == 0;
    const json_t *required = json_object_get(schema, "required");
    const json_t *each = json_object_get(schema, "items");
    for (size_t i = 0; object && i < json_array_size(required); i++) {
        const char *name = json_string_value(json_array_get(required, i));
        if (name != NULL && is_member_void(search, schema, name)) {
            return true;
        }
    }
    bool needs_one = array && json_number_value(json_object_get(schema, "minItems")) > 0 &&
                     json_object_get(schema, "prefixItems") == NULL;
    return are_crossed(search, schema, strcmp(type, "integer") == 0 ? "number" : type) ||
           (needs_one && each != NULL && is_void_at(search, "items", "", each));
}

static bool are_types_void(struct search *search, const json_t *schema) {
    const json_t *type = json_object_get(schema, "type");
    if (json_is_string(type)) {
        return is_type_void(search, schema, json_string_value(type));
    }
    size_t count = json_array_size(type), closed = 0;
    for (size_t i = 0; i < count; i++) {
        const char *name = json_string_value(json_array_get(type, i));
        closed += name != NULL && is_type_void(search, schema, name);
    }
    return count > 0 && closed == count; /* Without a type, null is one of those that fit. */
}

/* --- By values, and by other schemas ---------------------------------------------------------- */

static bool are_values_void(struct search *search, const json_t *schema) {
    const json_t *only = json_object_get(schema, "const"), *list = json_object_get(schema, "enum");
    if (only != NULL && !json_schema__may_fit(search->schema, schema, only)) {
        return say(search, "its const does not fit the rest");
    }
    bool any = list == NULL;
    for (size_t i = 0; i < json_array_size(list) && !any; i++) {
        any = json_schema__may_fit(search->schema, schema, json_array_get(list, i));
    }
    return !any && say(search, "none of the values of enum fits the rest");
}

static bool are_parts_void(struct search *search, const json_t *schema, const char *word) {
    const json_t *parts = json_object_get(schema, word);
    size_t count = json_array_size(parts), closed = 0;
    for (size_t i = 0; i < count; i++) {
        closed += is_void_at(search, word, "", json_array_get(parts, i));
    }
    return strcmp(word, "allOf") == 0 ? closed > 0 : count > 0 && closed == count;
}

static bool is_void(struct search *search, const json_t *schema) {
    if (json_is_false(schema)) {
        return say(search, "it is false");
    }
    if (!json_is_object(schema) || search->depth == VOID_DEPTH_MAX ||
        ++search->steps > VOID_STEPS_MAX) {
        return false;
    }
    const char *reference = json_string_value(json_object_get(schema, "$ref"));
    const json_t *target =
        reference == NULL ? NULL : json_schema__follow(search->schema, reference);
    search->depth++;
    bool found = are_types_void(search, schema) || are_values_void(search, schema) ||
                 (target != NULL && is_void_at(search, "$ref", "", target)) ||
                 are_parts_void(search, schema, "allOf") ||
                 are_parts_void(search, schema, "anyOf") || are_parts_void(search, schema, "oneOf");
    search->depth--;
    return found;
}

bool json_schema_is_void(const struct json_schema *schema, struct why *ret_why) {
    struct search search = {.schema = schema, .why = ret_why, .place = "#", .place_len = 1};
    return is_void(&search, schema->source);
}
