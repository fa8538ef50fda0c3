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
#include "base/memory.h"

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

struct bounds {
    const char *low, *high, *reason;
    bool open; /* Equal ones leave nothing between them. */
};

static const struct bounds numbers[] = {
    {"minimum", "maximum", "minimum is above maximum", false},
    {"exclusiveMinimum", "maximum", "exclusiveMinimum is not below maximum", true},
    {"minimum", "exclusiveMaximum", "minimum is not below exclusiveMaximum", true},
    {"exclusiveMinimum", "exclusiveMaximum", "exclusiveMinimum is not below exclusiveMaximum",
     true},
    {NULL, NULL, NULL, false},
};
static const struct bounds lengths[] = {
    {"minLength", "maxLength", "minLength is above maxLength", false},
    {NULL, NULL, NULL, false},
};
static const struct bounds items[] = {
    {"minItems", "maxItems", "minItems is above maxItems", false},
    {NULL, NULL, NULL, false},
};
static const struct bounds members[] = {
    {"minProperties", "maxProperties", "minProperties is above maxProperties", false},
    {NULL, NULL, NULL, false},
};

/* As exact as they are written. */
static int compare(const json_t *low, const json_t *high) {
    if (json_is_integer(low) && json_is_integer(high)) {
        json_int_t a = json_integer_value(low), b = json_integer_value(high);
        return (a > b) - (a < b);
    }
    double a = json_number_value(low), b = json_number_value(high);
    return (a > b) - (a < b);
}

static bool are_crossed(struct search *search, const json_t *schema, const struct bounds *bounds) {
    for (; bounds->low != NULL; bounds++) {
        const json_t *low = json_object_get(schema, bounds->low);
        const json_t *high = json_object_get(schema, bounds->high);
        if (low == NULL || high == NULL) {
            continue;
        }
        int order = compare(low, high);
        if (order > 0 || (order == 0 && bounds->open)) {
            return say(search, bounds->reason);
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

static bool is_object_void(struct search *search, const json_t *schema) {
    const json_t *required = json_object_get(schema, "required");
    for (size_t i = 0; i < json_array_size(required); i++) {
        const char *name = json_string_value(json_array_get(required, i));
        if (name != NULL && is_member_void(search, schema, name)) {
            return true;
        }
    }
    return are_crossed(search, schema, members);
}

static bool is_array_void(struct search *search, const json_t *schema) {
    const json_t *each = json_object_get(schema, "items");
    bool needs_one = json_number_value(json_object_get(schema, "minItems")) > 0 &&
                     json_object_get(schema, "prefixItems") == NULL;
    return are_crossed(search, schema, items) ||
           (needs_one && each != NULL && is_void_at(search, "items", "", each));
}

static bool is_type_void(struct search *search, const json_t *schema, const char *type) {
    if (strcmp(type, "object") == 0) {
        return is_object_void(search, schema);
    }
    if (strcmp(type, "array") == 0) {
        return is_array_void(search, schema);
    }
    if (strcmp(type, "string") == 0) {
        return are_crossed(search, schema, lengths);
    }
    bool counts = strcmp(type, "number") == 0 || strcmp(type, "integer") == 0;
    return counts && are_crossed(search, schema, numbers);
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

static bool fits(const struct search *search, const json_t *schema, const json_t *value) {
    AUTO(mem_release) struct schema_check *check = mem_new(sizeof *check);
    struct schema_sink outer = {.faults = NULL}, first;
    check->schema = search->schema;
    check->sink = &outer;
    bool good = json_schema__fits(check, schema, value, &first);
    for (unsigned i = 0; i < search->schema->pattern_count; i++) {
        pattern_matcher_free(check->matchers[i]);
    }
    return good || check->stop != ERR_NONE; /* Too expensive: who knows. */
}

static bool are_values_void(struct search *search, const json_t *schema) {
    const json_t *only = json_object_get(schema, "const"), *list = json_object_get(schema, "enum");
    if (only != NULL && !fits(search, schema, only)) {
        return say(search, "its const does not fit the rest");
    }
    bool any = list == NULL;
    for (size_t i = 0; i < json_array_size(list) && !any; i++) {
        any = fits(search, schema, json_array_get(list, i));
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

static bool is_target_void(struct search *search, const json_t *schema) {
    const char *reference = json_string_value(json_object_get(schema, "$ref"));
    const json_t *target =
        reference == NULL ? NULL : json_schema__follow(search->schema, reference);
    return target != NULL && is_void_at(search, "$ref", "", target);
}

static bool is_void(struct search *search, const json_t *schema) {
    if (json_is_false(schema)) {
        return say(search, "it is false");
    }
    if (!json_is_object(schema) || search->depth == VOID_DEPTH_MAX ||
        ++search->steps > VOID_STEPS_MAX) {
        return false;
    }
    search->depth++;
    bool found = are_types_void(search, schema) || are_values_void(search, schema) ||
                 is_target_void(search, schema) || are_parts_void(search, schema, "allOf") ||
                 are_parts_void(search, schema, "anyOf") || are_parts_void(search, schema, "oneOf");
    search->depth--;
    return found;
}

bool json_schema_is_void(const struct json_schema *schema, struct why *ret_why) {
    struct search search = {.schema = schema, .why = ret_why, .place = "#", .place_len = 1};
    return is_void(&search, schema->source);
}
