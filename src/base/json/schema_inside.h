/* schema_inside.h: what the parts of json_schema know of each other.
 *
 * A schema is not translated: it is checked once, word by word, and walked again for each value.
 * One table (schema_check.c) says of each word what form its value has, and how it judges.
 */
#ifndef DROVER_BASE_JSON_SCHEMA_INSIDE_H
#define DROVER_BASE_JSON_SCHEMA_INSIDE_H

#include "base/json/schema.h"
#include "base/pattern.h"

/* What the value of a word must look like. */
enum schema_form {
    FORM_NOTE, /* Anything: the word judges nothing. */
    FORM_ANY,
    FORM_TYPES,
    FORM_LIST, /* At least one value. */
    FORM_NAMES,
    FORM_NAMES_MAP,
    FORM_SCHEMA,
    FORM_SCHEMAS, /* At least one. */
    FORM_ITEMS,   /* A schema, or in older drafts a list of them. */
    FORM_NAMES_OR_SCHEMA,
    FORM_SCHEMA_MAP,
    FORM_DEPENDENCIES, /* An object of lists of names, or of schemas. */
    FORM_PATTERN_MAP,
    FORM_COUNT,
    FORM_NUMBER,
    FORM_POSITIVE,
    FORM_FLAG,
    FORM_PATTERN,
    FORM_REF,
    FORM_PATTERN_MEMBER, /* A schema whose name is a pattern. */
    FORM_MISSPELT,
};

/* Form of a word. False: there is no such word; *ret_near is the nearest to a mistyped one, or
 * NULL. */
MUST_CHECK bool json_schema__form_find(const char *name, enum schema_form *ret_form,
                                       const char **ret_near);

struct schema_pattern {
    const char *source; /* Where it stands in the schema: that is its name. */
    struct pattern *pattern;
};
struct json_schema {
    json_t *source; /* Owned. */
    unsigned pattern_count;
    struct schema_pattern patterns[JSON_SCHEMA_PATTERNS_MAX]; /* Owned. */
};

/* "#/…" within the schema, or NULL. */
const json_t *json_schema__follow(const struct json_schema *schema, const char *reference);
/* False: the value is not the name of a type. */
MUST_CHECK bool json_schema__type_find(const json_t *name, unsigned *ret_type);
/* Cost of checks so far: the limits of one check hold for all that share it. */
struct schema_effort {
    unsigned steps;
    uint64_t watched; /* By the watch of patterns. */
};
/* Whether a value fits a part of the schema, or that is too expensive to say. */
MUST_CHECK bool json_schema__may_fit(const struct json_schema *schema, const json_t *part,
                                     const json_t *value, struct schema_effort *effort);

#endif
