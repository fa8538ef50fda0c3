/* schema_compile.c: is this a schema that we can keep? Every word is looked at once.
 *
 * What a reference leads to is a schema, too, wherever it stands: such places are looked at when
 * all others are done.
 */
#include <string.h>

#include "base/json/schema_inside.h"
#include "base/memory.h"

enum { PLACE_MAX = 512, REFERENCES_MAX = 512 };

struct compile {
    struct json_schema *schema;
    struct why *why;
    unsigned nodes, depth;
    char place[PLACE_MAX]; /* "#/properties/a"; cut where it is longer. */
    size_t place_len;
    size_t reference_count;
    const json_t *references[REFERENCES_MAX]; /* Borrowed: each target once. */
    struct err err;
};

static bool refuse(struct compile *compile, const char *format, ...) PRINTF_LIKE(2, 3);
static bool refuse(struct compile *compile, const char *format, ...) {
    char words[200];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(words, sizeof words, format, args); /* Cut is fine. */
    va_end(args);
    why_set(compile->why, "%.*s: %s", (int)compile->place_len, compile->place, words);
    compile->err = err_make(ERR_BAD_FIELD, "schema: compile");
    return false;
}

static size_t enter(struct compile *compile, const char *name) {
    size_t before = compile->place_len, left = sizeof compile->place - before;
    int len = snprintf(compile->place + before, left, "/%s", name);
    compile->place_len = before + (len > 0 && (size_t)len < left ? (size_t)len : left - 1);
    return before;
}

static size_t enter_item(struct compile *compile, size_t at) {
    char number[24];
    (void)snprintf(number, sizeof number, "%zu", at);
    return enter(compile, number);
}

static void leave(struct compile *compile, size_t before) {
    compile->place_len = before;
    compile->place[before] = '\0';
}

static bool compile_schema(struct compile *compile, const json_t *schema);

/* --- Forms ------------------------------------------------------------------------------------ */

static bool types_form(struct compile *compile, const json_t *word) {
    unsigned bit = 0;
    if (json_is_string(word)) {
        return json_schema__type_find(json_string_value(word), &bit) ||
               refuse(compile,
                      "\"%.40s\" is no type; types are object, array, string, integer, "
                      "number, boolean, null",
                      json_string_value(word));
    }
    if (!json_is_array(word) || json_array_size(word) == 0) {
        return refuse(compile, "a type, or a list of types, is expected");
    }
    for (size_t i = 0; i < json_array_size(word); i++) {
        const json_t *type = json_array_get(word, i);
        if (!json_is_string(type) || !json_schema__type_find(json_string_value(type), &bit)) {
            return refuse(compile, "item %zu of the list is no type", i);
        }
    }
    return true;
}

static bool names_form(struct compile *compile, const json_t *word) {
    if (!json_is_array(word)) {
        return refuse(compile, "a list of names is expected, not %s", json_kind_of(word));
    }
    for (size_t i = 0; i < json_array_size(word); i++) {
        if (!json_is_string(json_array_get(word, i))) {
            return refuse(compile, "item %zu of the list is no name", i);
        }
    }
    return true;
}

static bool schemas_form(struct compile *compile, const json_t *word) {
    if (!json_is_array(word) || json_array_size(word) == 0) {
        return refuse(compile, "a list of at least one schema is expected");
    }
    bool good = true;
    for (size_t i = 0; good && i < json_array_size(word); i++) {
        size_t before = enter_item(compile, i);
        good = compile_schema(compile, json_array_get(word, i));
        leave(compile, before);
    }
    return good;
}

static bool pattern_form(struct compile *compile, const char *source, size_t len) {
    struct json_schema *schema = compile->schema;
    for (unsigned i = 0; i < schema->pattern_count; i++) {
        if (schema->patterns[i].source == source) {
            return true; /* A reference led here before. */
        }
    }
    if (schema->pattern_count == JSON_SCHEMA_PATTERNS_MAX) {
        return refuse(compile, "more than %d patterns", JSON_SCHEMA_PATTERNS_MAX);
    }
    struct schema_pattern *kept = &schema->patterns[schema->pattern_count];
    struct why why = {.text = ""};
    if (err_failed(pattern_compile((struct bytes){source, len}, &kept->pattern, &why))) {
        return refuse(compile, "%s", why.text);
    }
    kept->source = source;
    schema->pattern_count++;
    return true;
}

typedef bool (*compile_member)(struct compile *compile, const char *key, size_t key_len,
                               const json_t *value);

static bool member_schema(struct compile *compile, const char *key, size_t key_len,
                          const json_t *value) {
    return compile_schema(compile, value);
}

static bool member_pattern(struct compile *compile, const char *key, size_t key_len,
                           const json_t *value) {
    return pattern_form(compile, key, key_len) && compile_schema(compile, value);
}

static bool member_names(struct compile *compile, const char *key, size_t key_len,
                         const json_t *value) {
    return names_form(compile, value);
}

static bool map_form(struct compile *compile, const json_t *word, compile_member member) {
    if (!json_is_object(word)) {
        return refuse(compile, "an object is expected, not %s", json_kind_of(word));
    }
    json_t *object = (json_t *)word; /* jansson's iterator takes no const. */
    bool good = true;
    for (void *at = json_object_iter(object); good && at != NULL;
         at = json_object_iter_next(object, at)) {
        size_t before = enter(compile, json_object_iter_key(at));
        good = member(compile, json_object_iter_key(at), json_object_iter_key_len(at),
                      json_object_iter_value(at));
        leave(compile, before);
    }
    return good;
}

static bool reference_form(struct compile *compile, const json_t *word) {
    if (!json_is_string(word)) {
        return refuse(compile, "a reference like \"#/$defs/name\" is expected");
    }
    const json_t *target = json_schema__follow(compile->schema, json_string_value(word));
    if (target == NULL) {
        return refuse(compile, "\"%.80s\" leads to nothing in this schema",
                      json_string_value(word));
    }
    for (size_t i = 0; i < compile->reference_count; i++) {
        if (compile->references[i] == target) {
            return true;
        }
    }
    if (compile->reference_count == REFERENCES_MAX) {
        return refuse(compile, "references to more than %d places", REFERENCES_MAX);
    }
    compile->references[compile->reference_count++] = target;
    return true;
}

static bool number_form(struct compile *compile, const json_t *word, enum schema_form form) {
    if (form == FORM_COUNT) {
        return (json_is_integer(word) && json_integer_value(word) >= 0) ||
               refuse(compile, "a count from 0 is expected");
    }
    if (!json_is_number(word)) {
        return refuse(compile, "a number is expected, not %s", json_kind_of(word));
    }
    return form != FORM_POSITIVE || json_number_value(word) > 0 ||
           refuse(compile, "a number above 0 is expected");
}

static bool structured_form(struct compile *compile, const json_t *word, enum schema_form form) {
    switch (form) {
    case FORM_SCHEMA:
        return compile_schema(compile, word);
    case FORM_SCHEMAS:
        return schemas_form(compile, word);
    case FORM_SCHEMA_MAP:
        return map_form(compile, word, member_schema);
    case FORM_PATTERN_MAP:
        return map_form(compile, word, member_pattern);
    case FORM_NAMES_MAP:
        return map_form(compile, word, member_names);
    case FORM_PATTERN:
        return json_is_string(word)
                   ? pattern_form(compile, json_string_value(word), json_string_length(word))
                   : refuse(compile, "a regular expression is expected");
    default:
        return reference_form(compile, word);
    }
}

static bool form_fits(struct compile *compile, const json_t *word, enum schema_form form) {
    switch (form) {
    case FORM_NOTE:
    case FORM_ANY:
        return true;
    case FORM_REFUSED:
        return refuse(compile, "this word is not supported here");
    case FORM_TYPES:
        return types_form(compile, word);
    case FORM_LIST:
        return (json_is_array(word) && json_array_size(word) > 0) ||
               refuse(compile, "a list of at least one value is expected");
    case FORM_NAMES:
        return names_form(compile, word);
    case FORM_COUNT:
    case FORM_NUMBER:
    case FORM_POSITIVE:
        return number_form(compile, word, form);
    case FORM_FLAG:
        return json_is_boolean(word) || refuse(compile, "true or false is expected");
    default:
        return structured_form(compile, word, form);
    }
}

/* --- Words ------------------------------------------------------------------------------------ */

static bool compile_word(struct compile *compile, const char *name, const json_t *value) {
    const struct schema_word *word = json_schema__word(name);
    if (word != NULL) {
        return form_fits(compile, value, word->form);
    }
    /* What the standard does not know is a note of somebody's, unless it looks misspelt. */
    const char *near = json_schema__word_near(name);
    return near == NULL || strncmp(name, "x-", 2) == 0 ||
           refuse(compile, "this word is not known; did you mean \"%s\"?", near);
}

static bool compile_schema(struct compile *compile, const json_t *schema) {
    if (json_is_boolean(schema)) {
        return true;
    }
    if (!json_is_object(schema)) {
        return refuse(compile, "a schema (an object, true or false) is expected, not %s",
                      json_kind_of(schema));
    }
    if (++compile->nodes > JSON_SCHEMA_NODES_MAX) {
        return refuse(compile, "more than %d schemas in one", JSON_SCHEMA_NODES_MAX);
    }
    if (++compile->depth > JSON_DEPTH_MAX) {
        return refuse(compile, "nested deeper than %d levels", JSON_DEPTH_MAX);
    }
    json_t *object = (json_t *)schema; /* jansson's iterator takes no const. */
    bool good = true;
    for (void *at = json_object_iter(object); good && at != NULL;
         at = json_object_iter_next(object, at)) {
        size_t before = enter(compile, json_object_iter_key(at));
        good = compile_word(compile, json_object_iter_key(at), json_object_iter_value(at));
        leave(compile, before);
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
