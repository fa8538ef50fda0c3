/* schema_compile.c: the life of a schema, and whether it can be kept: every word is looked at once.
 *
 * What a reference leads to is a schema, too, wherever it stands: such places are looked at when
 * all others are done.
 */
#include <string.h>

#include "base/json/schema_inside.h"
#include "base/memory.h"
#include "base/number.h"

enum { PLACE_MAX = 512, REFERENCES_MAX = 512 };

/* --- References ------------------------------------------------------------------------------- */

/* --- Properties of the whole ------------------------------------------------------------------ */

enum { PARTS_STEPS_MAX = 1000, PARTS_DEPTH_MAX = 16 };

struct property_search {
    const struct json_schema *schema;
    struct bytes name;
    unsigned steps, depth;
};

static bool part_has(struct property_search *search, const json_t *part);

static bool parts_have(struct property_search *search, const json_t *parts) {
    bool found = false;
    for (size_t i = 0; i < json_array_size(parts) && !found; i++) {
        found = part_has(search, json_array_get(parts, i));
    }
    return found;
}

static bool part_has(struct property_search *search, const json_t *part) {
    const char *reference = json_string_value(json_object_get(part, "$ref"));
    if (part == NULL || search->steps == PARTS_STEPS_MAX || search->depth == PARTS_DEPTH_MAX) {
        return part != NULL; /* In doubt. */
    }
    const json_t *properties = json_object_get(part, "properties");
    search->steps++;
    search->depth++;
    bool found =
        json_object_getn(properties, search->name.data, search->name.len) != NULL ||
        parts_have(search, json_object_get(part, "allOf")) ||
        parts_have(search, json_object_get(part, "anyOf")) ||
        parts_have(search, json_object_get(part, "oneOf")) ||
        part_has(search, json_object_get(part, "then")) ||
        part_has(search, json_object_get(part, "else")) ||
        (reference != NULL && part_has(search, json_schema__follow(search->schema, reference)));
    search->depth--;
    return found;
}

bool json_schema_has_property(const struct json_schema *schema, struct bytes name) {
    struct property_search search = {.schema = schema, .name = name};
    return part_has(&search, schema->source);
}

/* --- Life ------------------------------------------------------------------------------------- */

void json_schema_free(struct json_schema *schema) {
    if (schema == NULL) {
        return;
    }
    for (unsigned i = 0; i < schema->pattern_count; i++) {
        pattern_free(schema->patterns[i].pattern);
    }
    json_decref(schema->source);
    mem_free(schema);
}

void json_schema_release(struct json_schema **schema) {
    json_schema_free(*schema);
    *schema = NULL;
}

const json_t *json_schema_source(const struct json_schema *schema) {
    return schema->source;
}

/* --- Compiling -------------------------------------------------------------------------------- */

struct compile {
    struct json_schema *schema;
    struct why *why;
    unsigned nodes, depth;
    char place[PLACE_MAX]; /* "#/properties/a"; cut where it is longer. */
    size_t place_len;
    size_t reference_count;
    const json_t *references[REFERENCES_MAX]; /* Borrowed: each target once. */
    struct bytes key;                         /* Name of the member that is checked: a pattern. */
    const char *near;                         /* Word that a misspelt one may mean. */
    struct err err;
};

static bool compile_refuse(struct compile *compile, const char *format, ...) PRINTF_LIKE(2, 3);
static bool compile_refuse(struct compile *compile, const char *format, ...) {
    char words[200];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(words, sizeof words, format, args); /* Cut is fine. */
    va_end(args);
    why_set(compile->why, "%.*s: %s", (int)compile->place_len, compile->place, words);
    compile->err = err_make(ERR_BAD_FIELD, "schema: compile");
    return false;
}

static bool compile_schema(struct compile *compile, const json_t *schema);

/* --- Forms ------------------------------------------------------------------------------------ */

static bool types_form(struct compile *compile, const json_t *word) {
    unsigned type = 0;
    if (json_is_string(word)) {
        return json_schema__type_find(word, &type) ||
               compile_refuse(compile,
                              "\"%.40s\" is no type; types are object, array, string, integer, "
                              "number, boolean, null",
                              json_string_value(word));
    }
    if (json_array_size(word) == 0) {
        return compile_refuse(compile, "a type, or a list of types, is expected");
    }
    for (size_t i = 0; i < json_array_size(word); i++) {
        if (!json_schema__type_find(json_array_get(word, i), &type)) {
            return compile_refuse(compile, "item %zu of the list is no type", i);
        }
    }
    return true;
}

static bool names_form(struct compile *compile, const json_t *word) {
    if (!json_is_array(word)) {
        return compile_refuse(compile, "a list of names is expected, not %s", json_kind_of(word));
    }
    for (size_t i = 0; i < json_array_size(word); i++) {
        if (!json_is_string(json_array_get(word, i))) {
            return compile_refuse(compile, "item %zu of the list is no name", i);
        }
    }
    return true;
}

static bool pattern_form(struct compile *compile, struct bytes source) {
    struct json_schema *schema = compile->schema;
    for (unsigned i = 0; i < schema->pattern_count; i++) {
        if (schema->patterns[i].source == source.data) {
            return true; /* A reference led here before. */
        }
    }
    if (schema->pattern_count == JSON_SCHEMA_PATTERNS_MAX) {
        return compile_refuse(compile, "more than %d patterns", JSON_SCHEMA_PATTERNS_MAX);
    }
    struct schema_pattern *kept = &schema->patterns[schema->pattern_count];
    struct why why = {.text = ""};
    if (err_failed(pattern_compile(source, &kept->pattern, &why))) {
        return compile_refuse(compile, "%s", why.text);
    }
    kept->source = source.data;
    schema->pattern_count++;
    return true;
}

static bool reference_form(struct compile *compile, const json_t *word) {
    if (!json_is_string(word)) {
        return compile_refuse(compile, "a reference like \"#/$defs/name\" is expected");
    }
    const json_t *target = json_schema__follow(compile->schema, json_string_value(word));
    if (target == NULL) {
        return compile_refuse(compile, "\"%.80s\" leads to nothing in this schema",
                              json_string_value(word));
    }
    for (size_t i = 0; i < compile->reference_count; i++) {
        if (compile->references[i] == target) {
            return true;
        }
    }
    if (compile->reference_count == REFERENCES_MAX) {
        return compile_refuse(compile, "references to more than %d places", REFERENCES_MAX);
    }
    compile->references[compile->reference_count++] = target;
    return true;
}

static bool form_fits(struct compile *compile, const json_t *word, enum schema_form form);

/* The same, a component deeper in the schema. */
static bool form_fits_at(struct compile *compile, const char *name, const json_t *word,
                         enum schema_form form) {
    size_t before = compile->place_len, left = sizeof compile->place - before;
    int len = snprintf(compile->place + before, left, "/%s", name);
    compile->place_len = before + (len > 0 && (size_t)len < left ? (size_t)len : left - 1);
    bool good = form_fits(compile, word, form);
    compile->place_len = before;
    compile->place[before] = '\0';
    return good;
}

static bool schemas_form(struct compile *compile, const json_t *word) {
    bool good = json_array_size(word) > 0 ||
                compile_refuse(compile, "a list of at least one schema is expected");
    for (size_t i = 0; good && i < json_array_size(word); i++) {
        char number[24];
        (void)snprintf(number, sizeof number, "%zu", i); /* Fits. */
        good = form_fits_at(compile, number, json_array_get(word, i), FORM_SCHEMA);
    }
    return good;
}

static bool map_form(struct compile *compile, const json_t *word, enum schema_form inner) {
    bool good = json_is_object(word) ||
                compile_refuse(compile, "an object is expected, not %s", json_kind_of(word));
    for (struct json_member at = json_first(word); good && at.value != NULL; at = json_next(at)) {
        compile->key = at.key;
        good = form_fits_at(compile, at.key.data, at.value, inner);
    }
    return good;
}

/* Forms that say nothing of what is inside. */
static bool plain_form(struct compile *compile, const json_t *word, enum schema_form form) {
    const char *expected = NULL;
    switch (form) {
    case FORM_MISSPELT:
        return compile_refuse(compile, "this word is unknown; did you mean \"%s\"?", compile->near);
    case FORM_LIST:
        expected = json_array_size(word) > 0 ? NULL : "a list of at least one value";
        break;
    case FORM_COUNT:
        expected = json_is_integer(word) && json_integer_value(word) >= 0 ? NULL : "a count from 0";
        break;
    case FORM_NUMBER:
    case FORM_POSITIVE:
        if (!json_is_number(word)) {
            return compile_refuse(compile, "a number is expected, not %s", json_kind_of(word));
        }
        expected = form == FORM_NUMBER || json_number_value(word) > 0 ? NULL : "a number above 0";
        break;
    case FORM_FLAG:
        expected = json_is_boolean(word) ? NULL : "true or false";
        break;
    default: /* FORM_NOTE and FORM_ANY: anything. */
        break;
    }
    return expected == NULL || compile_refuse(compile, "%s is expected", expected);
}

static bool form_fits(struct compile *compile, const json_t *word, enum schema_form form) {
    struct bytes source = {json_string_value(word), json_string_length(word)};
    switch (form) {
    case FORM_TYPES:
        return types_form(compile, word);
    case FORM_NAMES:
        return names_form(compile, word);
    case FORM_SCHEMA:
        return compile_schema(compile, word);
    case FORM_SCHEMAS:
        return schemas_form(compile, word);
    case FORM_ITEMS:
        return json_is_array(word) ? schemas_form(compile, word) : compile_schema(compile, word);
    case FORM_NAMES_OR_SCHEMA:
        return json_is_array(word) ? names_form(compile, word) : compile_schema(compile, word);
    case FORM_DEPENDENCIES:
        return map_form(compile, word, FORM_NAMES_OR_SCHEMA);
    case FORM_SCHEMA_MAP:
        return map_form(compile, word, FORM_SCHEMA);
    case FORM_PATTERN_MAP:
        return map_form(compile, word, FORM_PATTERN_MEMBER);
    case FORM_NAMES_MAP:
        return map_form(compile, word, FORM_NAMES);
    case FORM_PATTERN_MEMBER:
        return pattern_form(compile, compile->key) && compile_schema(compile, word);
    case FORM_PATTERN:
        return json_is_string(word) ? pattern_form(compile, source)
                                    : compile_refuse(compile, "a regular expression is expected");
    case FORM_REF:
        return reference_form(compile, word);
    default:
        return plain_form(compile, word, form);
    }
}

static bool compile_schema(struct compile *compile, const json_t *schema) {
    if (json_is_boolean(schema)) {
        return true;
    }
    if (!json_is_object(schema)) {
        return compile_refuse(compile, "a schema (an object, true or false) is expected, not %s",
                              json_kind_of(schema));
    }
    if (++compile->nodes > JSON_SCHEMA_NODES_MAX) {
        return compile_refuse(compile, "more than %d schemas in one", JSON_SCHEMA_NODES_MAX);
    }
    if (++compile->depth > JSON_DEPTH_MAX) {
        return compile_refuse(compile, "nested deeper than %d levels", JSON_DEPTH_MAX);
    }
    bool good = true;
    for (struct json_member at = json_first(schema); good && at.value != NULL; at = json_next(at)) {
        enum schema_form form = FORM_NOTE;
        /* A word that the standard does not know is somebody's note, unless it looks misspelt. */
        compile->near = NULL;
        if (!json_schema__form_find(at.key.data, &form, &compile->near) && compile->near != NULL &&
            !bytes_begin(at.key, BYTES("x-"))) {
            form = FORM_MISSPELT;
        }
        good = form_fits_at(compile, at.key.data, at.value, form);
    }
    compile->depth--;
    return good;
}

struct err json_schema_compile(const json_t *json, struct json_schema **ret_schema,
                               struct why *why) {
    AUTO(json_schema_release) struct json_schema *schema = mem_new(sizeof *schema);
    AUTO(mem_release) struct compile *compile = mem_new(sizeof *compile);
    schema->source = json_deep_copy(json);
    if (schema->source == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "schema: copy");
    }
    *compile = (struct compile){.schema = schema, .why = why, .place = "#", .place_len = 1};
    bool good = compile_schema(compile, schema->source);
    /* The list grows while it is walked: a target may have references of its own. */
    for (size_t i = 0; good && i < compile->reference_count; i++) {
        good = compile_schema(compile, compile->references[i]);
    }
    if (!good) {
        return compile->err;
    }
    *ret_schema = schema;
    schema = NULL;
    return ERR_OK;
}
