/* schema_void.c: schemas that contradict themselves, so that no value fits.
 *
 * Looked at is a set of schemas that one value has to fit all at once: a schema, the parts of its
 * allOf and the target of its $ref, and so on within them. Only what is certain counts: no type
 * that all allow, bounds that cross, a required member that may not be there, listed values of
 * which none fits them all, alternatives that are each impossible beside the rest. A schema without
 * room in the set, or nested too deep, is passed over: then nothing is said.
 */
#include <stdio.h>
#include <string.h>

#include "base/json/schema.h"
#include "base/json/schema_inside.h"

enum {
    VOID_DEPTH_MAX = 64,
    VOID_STEPS_MAX = JSON_SCHEMA_NODES_MAX,
    VALUES_MAX = 20000, /* Listed values that are held against a schema. */
    PARTS_MAX = 24,     /* Schemas in one set. */
};

struct search {
    const struct json_schema *schema;
    struct why *why;
    unsigned depth, steps, values;
    struct schema_effort effort; /* All values are held against schemas with one. */
    char place[160];
    size_t place_len;
};

/* Schemas that hold together. */
struct together {
    const json_t *parts[PARTS_MAX];
    size_t count;
    size_t fresh; /* Alternatives of the parts before this one were looked at. */
};

static bool is_void(struct search *search, struct together *together);

/* The innermost reason is the one that helps. */
static bool say(struct search *search, const char *reason) {
    (void)snprintf(search->why->text, sizeof search->why->text, "%s: nothing fits: %s",
                   search->place, reason);
    return true;
}

static bool is_void_at(struct search *search, const char *word, const char *name,
                       struct together *together) {
    size_t before = search->place_len, room = sizeof search->place - before;
    int added = snprintf(search->place + before, room, "/%s%s%s", word, *name ? "/" : "", name);
    if (added > 0) {
        search->place_len += (size_t)added < room ? (size_t)added : room - 1;
    }
    bool found = is_void(search, together);
    search->place_len = before;
    search->place[before] = '\0';
    return found;
}

static void together_add(struct together *together, const json_t *schema) {
    if (together->count < PARTS_MAX && schema != NULL) {
        together->parts[together->count++] = schema;
    }
}

/* Null fits it, whatever else it says. */
static bool is_nullable(const json_t *schema) {
    return json_is_true(json_object_get(schema, "nullable"));
}

/* --- Types ------------------------------------------------------------------------------------ */

enum { ALL_TYPES = 0x7f };
static const char *const type_names[] = {"object", "array",   "string", "integer",
                                         "number", "boolean", "null"};

/* Types that a schema allows, as bits in the order of the names; a number may be an integer. */
static unsigned types_of(const json_t *schema) {
    const json_t *type = json_object_get(schema, "type");
    unsigned types = type == NULL ? ALL_TYPES : 0;
    size_t count = json_is_array(type) ? json_array_size(type) : type != NULL;
    for (size_t i = 0; i < count; i++) {
        const char *name = json_string_value(json_is_array(type) ? json_array_get(type, i) : type);
        for (size_t k = 0; k < COUNT_OF(type_names); k++) {
            types |= name != NULL && strcmp(name, type_names[k]) == 0 ? 1U << k : 0;
        }
        types |= name != NULL && strcmp(name, "number") == 0 ? 1U << 3 : 0;
    }
    return types | (is_nullable(schema) ? 1U << 6 : 0);
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

enum edge { EDGE_LOW, EDGE_HIGH };

/* The bound of that name that leaves least. False: no schema has one. */
static bool bound_find(const struct together *together, const char *name, enum edge edge,
                       long double *ret_bound) {
    bool found = false;
    for (size_t i = 0; i < together->count; i++) {
        const json_t *value = json_object_get(together->parts[i], name);
        if (!json_is_number(value)) {
            continue;
        }
        long double bound = json_number_exact(value);
        bool closer = edge == EDGE_LOW ? bound > *ret_bound : bound < *ret_bound;
        *ret_bound = !found || closer ? bound : *ret_bound;
        found = true;
    }
    return found;
}

static bool are_crossed(struct search *search, const struct together *together, const char *type) {
    for (size_t i = 0; i < COUNT_OF(bounds); i++) {
        long double low = 0, high = 0;
        if (strcmp(bounds[i].type, type) == 0 &&
            bound_find(together, bounds[i].low, EDGE_LOW, &low) &&
            bound_find(together, bounds[i].high, EDGE_HIGH, &high) &&
            (low > high || (low == high && bounds[i].open))) {
            return say(search, bounds[i].reason);
        }
    }
    return false;
}

/* --- By type ---------------------------------------------------------------------------------- */

/* All schemas that apply to a member, by its name or as one of the others. */
static bool is_member_void(struct search *search, const struct together *together,
                           const char *name) {
    struct together member = {.count = 0};
    for (size_t i = 0; i < together->count; i++) {
        const json_t *schema = together->parts[i];
        const json_t *own = json_object_get(json_object_get(schema, "properties"), name);
        const json_t *others = json_object_get(schema, "additionalProperties");
        bool matched = json_object_get(schema, "patternProperties") != NULL; /* Perhaps. */
        if (own == NULL && !matched && json_is_false(others)) {
            char reason[120];
            (void)snprintf(reason, sizeof reason,
                           "\"%.40s\" is required, and no such member is allowed", name);
            return say(search, reason);
        }
        together_add(&member, own != NULL ? own : matched ? NULL : others);
    }
    return member.count > 0 && is_void_at(search, "properties", name, &member);
}

static bool is_object_void(struct search *search, const struct together *together) {
    for (size_t k = 0; k < together->count; k++) {
        const json_t *required = json_object_get(together->parts[k], "required");
        for (size_t i = 0; i < json_array_size(required); i++) {
            const char *name = json_string_value(json_array_get(required, i));
            if (name != NULL && is_member_void(search, together, name)) {
                return true;
            }
        }
    }
    return false;
}

static bool is_array_void(struct search *search, const struct together *together) {
    struct together item = {.count = 0};
    long double least = 0;
    if (!bound_find(together, "minItems", EDGE_LOW, &least) || least <= 0) {
        return false;
    }
    for (size_t i = 0; i < together->count; i++) {
        const json_t *items = json_object_get(together->parts[i], "items");
        bool first = json_object_get(together->parts[i], "prefixItems") == NULL;
        together_add(&item, first && !json_is_array(items) ? items : NULL);
    }
    return item.count > 0 && is_void_at(search, "items", "", &item);
}

static bool is_type_void(struct search *search, const struct together *together, const char *type) {
    return (strcmp(type, "object") == 0 && is_object_void(search, together)) ||
           (strcmp(type, "array") == 0 && is_array_void(search, together)) ||
           are_crossed(search, together, strcmp(type, "integer") == 0 ? "number" : type);
}

static bool are_types_void(struct search *search, const struct together *together) {
    unsigned types = ALL_TYPES;
    for (size_t i = 0; i < together->count; i++) {
        types &= types_of(together->parts[i]);
    }
    if (types == 0) {
        return say(search, "its parts allow no type together");
    }
    if ((types & (1U << 6)) != 0) {
        return false; /* Null has no bounds. */
    }
    for (size_t k = 0; k < COUNT_OF(type_names); k++) {
        if ((types & (1U << k)) != 0 && !is_type_void(search, together, type_names[k])) {
            return false;
        }
    }
    return true;
}

/* --- By values, and by other schemas ---------------------------------------------------------- */

static bool may_fit_all(struct search *search, const struct together *together,
                        const json_t *value) {
    for (size_t i = 0; i < together->count && search->values < VALUES_MAX; i++) {
        search->values++;
        if (!json_schema__may_fit(search->schema, together->parts[i], value, &search->effort)) {
            return false;
        }
    }
    return true;
}

static bool are_values_void(struct search *search, const struct together *together) {
    for (size_t k = 0; k < together->count; k++) {
        const json_t *only = json_object_get(together->parts[k], "const");
        const json_t *list = json_object_get(together->parts[k], "enum");
        bool nullable = is_nullable(together->parts[k]);
        if (only != NULL && !nullable && !may_fit_all(search, together, only)) {
            return say(search, "its const does not fit the rest");
        }
        bool any = list == NULL || nullable;
        for (size_t i = 0; i < json_array_size(list) && !any; i++) {
            any = may_fit_all(search, together, json_array_get(list, i));
        }
        if (!any) {
            return say(search, "none of the values of enum fits the rest");
        }
    }
    return false;
}

/* Whether each alternative is impossible, beside all others that have to fit. */
static bool are_alternatives_void(struct search *search, const struct together *together,
                                  const json_t *parts, const char *word) {
    size_t count = json_array_size(parts), closed = 0;
    for (size_t i = 0; i < count && closed == i; i++) {
        struct together with = *together;
        with.fresh = with.count;
        together_add(&with, json_array_get(parts, i));
        closed += with.count > with.fresh && is_void_at(search, word, "", &with);
    }
    return count > 0 && closed == count;
}

/* Adds the parts of allOf and what a $ref leads to. True: one of them is false, or void alone. */
static bool together_spread(struct search *search, struct together *together) {
    for (size_t i = together->fresh; i < together->count; i++) {
        const json_t *schema = together->parts[i];
        const char *reference = json_string_value(json_object_get(schema, "$ref"));
        const json_t *all = json_object_get(schema, "allOf");
        if (json_is_false(schema)) {
            return say(search, "it is false");
        }
        if (is_nullable(schema)) {
            continue;
        }
        if (reference != NULL) {
            struct together alone = {.count = 0};
            together_add(&alone, json_schema__follow(search->schema, reference));
            if (is_void_at(search, "$ref", "", &alone)) {
                return true;
            }
            together_add(together, alone.parts[0]);
        }
        for (size_t k = 0; k < json_array_size(all); k++) {
            struct together alone = {.parts = {json_array_get(all, k)}, .count = 1};
            if (is_void_at(search, "allOf", "", &alone)) {
                return true;
            }
            together_add(together, alone.parts[0]);
        }
    }
    return false;
}

static bool is_void(struct search *search, struct together *together) {
    if (search->depth == VOID_DEPTH_MAX || ++search->steps > VOID_STEPS_MAX) {
        return false;
    }
    search->depth++;
    bool found = together_spread(search, together) || are_types_void(search, together) ||
                 are_values_void(search, together);
    for (size_t i = together->fresh; i < together->count && !found; i++) {
        const json_t *schema = together->parts[i];
        found =
            !is_nullable(schema) &&
            (are_alternatives_void(search, together, json_object_get(schema, "anyOf"), "anyOf") ||
             are_alternatives_void(search, together, json_object_get(schema, "oneOf"), "oneOf"));
    }
    search->depth--;
    return found;
}

bool json_schema_is_void(const struct json_schema *schema, struct why *ret_why) {
    struct search search = {.schema = schema, .why = ret_why, .place = "#", .place_len = 1};
    struct together together = {.parts = {schema->source}, .count = 1};
    return is_void(&search, &together);
}
