/* schema.h: JSON Schema 2020-12, as far as models and workflows use it.
 *
 * Known      type (one or several), enum, const, properties, required, additionalProperties,
 *            unevaluatedProperties, patternProperties, propertyNames, dependentRequired,
 *            dependentSchemas, minProperties, maxProperties, items, prefixItems, contains with
 *            minContains and maxContains, uniqueItems, minItems, maxItems, minLength, maxLength,
 *            pattern, minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf, anyOf,
 *            oneOf, allOf, not, if/then/else, $ref into the same document, $defs. Of older drafts
 *            and of OpenAPI: definitions, dependencies, a list as items, additionalItems, nullable.
 *            Whatever else the standard knows, such as titles and formats, is a note: models and
 *            scripts write such words for others. A word that looks misspelt is refused.
 * Promise    compiling and checking end, whatever they are given, and alike on every machine: they
 *            count steps, not time. A pattern over its limit is "too expensive", never "no match".
 * Ownership  the compiled schema is the caller's; it holds copies. Faults are values.
 * Threads    any; a compiled schema does not change and may be used by several at once.
 * Failure    compile: ERR_BAD_FIELD, `why` tells the place in the schema ("#/properties/a/type").
 *            check: ERR_BAD_FIELD and at least one fault; ERR_TOO_EXPENSIVE and one fault.
 */
#ifndef DROVER_BASE_JSON_SCHEMA_H
#define DROVER_BASE_JSON_SCHEMA_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"

enum {
    JSON_SCHEMA_NODES_MAX = 4096, /* Schemas within one schema. */
    JSON_SCHEMA_PATTERNS_MAX = 64,
    JSON_SCHEMA_DEPTH_MAX = 160,     /* References followed included. */
    JSON_SCHEMA_STEPS_MAX = 4000000, /* Of one check. */
    JSON_SCHEMA_FAULTS_MAX = 6,
};

/* Where ("/items/0/name", "" for the whole) and what: a sentence that says what would be right. */
struct json_fault {
    char path[160], text[240];
};
struct json_faults {
    unsigned count; /* Kept; the first ones that were found. */
    bool more;
    struct json_fault items[JSON_SCHEMA_FAULTS_MAX];
};

struct json_schema;
MUST_CHECK struct err json_schema_compile(const json_t *json, struct json_schema **ret_schema,
                                          struct why *why);
void json_schema_free(struct json_schema *schema);     /* NULL is allowed. */
void json_schema_release(struct json_schema **schema); /* For AUTO. */
/* Does it contradict itself, also by schemas that hold together (allOf, $ref), so that no value
 * fits? Then *ret_why has the place and the words. It says yes only when it is sure. */
MUST_CHECK bool json_schema_is_void(const struct json_schema *schema, struct why *ret_why);
const json_t *json_schema_source(const struct json_schema *schema); /* Borrowed from it. */
/* Whether it has a property of this name for the value as a whole, in whatever part of it (allOf,
 * anyOf, $ref and so on). It says no only when it is sure. */
MUST_CHECK bool json_schema_has_property(const struct json_schema *schema, struct bytes name);

MUST_CHECK struct err json_schema_check(const struct json_schema *schema, const json_t *value,
                                        struct json_faults *ret_faults);

/* One line for each: "/items/0/name: must be a string, not an integer". */
void json_faults_write(const struct json_faults *faults, struct text *text);
/* The same in one line: "; " between them, and nothing after the last. */
void json_faults_join(const struct json_faults *faults, struct text *text);

#endif
