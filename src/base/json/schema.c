/* schema.c: the life of a schema, and what its parts share. */
#include "base/json/schema.h"

#include <string.h>

#include "base/json/schema_inside.h"
#include "base/memory.h"
#include "base/number.h"

static const char *const type_names[] = {"object", "array",   "string", "integer",
                                         "number", "boolean", "null"};
enum { OBJECT, ARRAY, STRING, INTEGER, NUMBER, BOOLEAN, NOTHING };

bool json_schema__type_find(const char *name, unsigned *ret_bit) {
    for (unsigned i = 0; i < COUNT_OF(type_names); i++) {
        if (strcmp(type_names[i], name) == 0) {
            *ret_bit = 1U << i;
            return true;
        }
    }
    return false;
}

/* 1.0 is an integer, as the standard has it. */
static bool is_whole(double number) {
    return number >= -9007199254740992.0 && number <= 9007199254740992.0 &&
           number == (double)(int64_t)number;
}

unsigned json_schema__types_of(const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return 1U << OBJECT;
    case JSON_ARRAY:
        return 1U << ARRAY;
    case JSON_STRING:
        return 1U << STRING;
    case JSON_INTEGER:
        return 1U << INTEGER | 1U << NUMBER;
    case JSON_REAL:
        return 1U << NUMBER | (is_whole(json_real_value(value)) ? 1U << INTEGER : 0);
    case JSON_TRUE:
    case JSON_FALSE:
        return 1U << BOOLEAN;
    case JSON_NULL:
        break;
    }
    return 1U << NOTHING;
}

/* --- References ------------------------------------------------------------------------------- */

/* One component of a pointer, its escapes undone, into `buffer`. */
static bool unescape(struct bytes part, char *buffer, size_t size) {
    size_t len = 0;
    for (size_t i = 0; i < part.len; i++) {
        char c = part.data[i];
        if (c == '~' && i + 1 < part.len && (part.data[i + 1] == '0' || part.data[i + 1] == '1')) {
            c = part.data[++i] == '0' ? '~' : '/';
        }
        if (len + 1 == size) {
            return false;
        }
        buffer[len++] = c;
    }
    buffer[len] = '\0';
    return true;
}

static const json_t *follow_part(const json_t *at, struct bytes part) {
    char key[256];
    if (!unescape(part, key, sizeof key)) {
        return NULL;
    }
    if (json_is_object(at)) {
        return json_object_get(at, key);
    }
    struct number_bounds bounds = {0, INT32_MAX};
    int64_t number = 0;
    if (json_is_array(at) && number_parse(bytes_of(key), bounds, &number)) {
        return json_array_get(at, (size_t)number);
    }
    return NULL;
}

const json_t *json_schema__follow(const struct json_schema *schema, const char *reference) {
    if (reference[0] != '#' || (reference[1] != '\0' && reference[1] != '/')) {
        return NULL;
    }
    const json_t *at = schema->source;
    const char *rest = reference + 1;
    while (at != NULL && *rest == '/') {
        rest++;
        size_t len = strcspn(rest, "/");
        at = follow_part(at, (struct bytes){rest, len});
        rest += len;
    }
    return at;
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

static void add_fault(const struct json_fault *fault, struct text *text) {
    text_addf(text, "%s%s%s", fault->path, fault->path[0] == '\0' ? "" : ": ", fault->text);
}

void json_faults_write(const struct json_faults *faults, struct text *text) {
    for (unsigned i = 0; i < faults->count; i++) {
        add_fault(&faults->items[i], text);
        text_add_char(text, '\n');
    }
    text_add_str(text, faults->more ? "and more\n" : "");
}

void json_faults_join(const struct json_faults *faults, struct text *text) {
    for (unsigned i = 0; i < faults->count; i++) {
        text_add_str(text, i > 0 ? "; " : "");
        add_fault(&faults->items[i], text);
    }
    text_add_str(text, faults->more ? "; and more" : "");
}
