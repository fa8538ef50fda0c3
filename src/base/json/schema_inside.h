/* schema_inside.h: what the parts of json_schema know of each other.
 *
 * A schema is not translated: it is checked once, word by word, and walked again for each value.
 * One table (schema_rules.c) says of each word what form its value has, and how it judges.
 */
#ifndef DROVER_BASE_JSON_SCHEMA_INSIDE_H
#define DROVER_BASE_JSON_SCHEMA_INSIDE_H

#include "base/json/schema.h"
#include "base/pattern.h"

/* What the value of a word must look like. */
enum schema_form {
    FORM_NOTE, /* Anything: the word judges nothing. */
    FORM_REFUSED,
    FORM_ANY,
    FORM_TYPES,
    FORM_LIST, /* At least one value. */
    FORM_NAMES,
    FORM_NAMES_MAP,
    FORM_SCHEMA,
    FORM_SCHEMAS, /* At least one. */
    FORM_SCHEMA_MAP,
    FORM_PATTERN_MAP,
    FORM_COUNT,
    FORM_NUMBER,
    FORM_POSITIVE,
    FORM_FLAG,
    FORM_PATTERN,
    FORM_REF,
};

struct schema_check;
#define SCHEMA_JUDGE(name)                                                                         \
    void name(struct schema_check *check, const json_t *schema, const json_t *word,                \
              const json_t *value)
/* One word of `schema` about `value`. */
struct schema_word {
    const char *name;
    enum schema_form form;
    SCHEMA_JUDGE((*judge)); /* NULL: another word does, or nobody. */
};
const struct schema_word *json_schema__word(const char *name); /* NULL: none of that name. */
/* Nearest to a mistyped one, or NULL. */
const char *json_schema__word_near(const char *name);

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
MUST_CHECK bool json_schema__type_find(const char *name, unsigned *ret_bit);
/* The types that a value has, as bits: an integer is a number, too. */
unsigned json_schema__types_of(const json_t *value);

/* Where faults go: to the caller, or to whoever tries alternatives and wants only the first. */
struct schema_sink {
    struct json_faults *faults; /* NULL: only `first`. */
    unsigned count;
    unsigned first_depth;
    struct json_fault first;
};
struct schema_check {
    const struct json_schema *schema;
    struct schema_sink *sink;
    char path[sizeof(((struct json_fault *)0)->path)];
    size_t path_len;
    unsigned path_depth; /* Also of what found no room in `path`. */
    unsigned depth, steps;
    enum err_code stop; /* ERR_NONE: go on. */
    uint64_t watched;   /* What patterns cost. */
    size_t subject_len;
    bool fresh; /* The watch is asked before the match has cost anything. */
    struct pattern_matcher *matchers[JSON_SCHEMA_PATTERNS_MAX]; /* Owned; opened at first use. */
};
void json_schema__judge(struct schema_check *check, const json_t *schema, const json_t *value);
/* Does `value` fit? *ret_first (NULL: not wanted) is the first fault if it does not. */
MUST_CHECK bool json_schema__fits(struct schema_check *check, const json_t *schema,
                                  const json_t *value, struct schema_sink *ret_sink);
void json_schema__fault(struct schema_check *check, const char *format, ...) PRINTF_LIKE(2, 3);
void json_schema__exhaust(struct schema_check *check); /* Steps: the check is over. */
MUST_CHECK bool json_schema__pattern(struct schema_check *check, const char *source,
                                     struct bytes subject);

/* A value as a sentence shows it: short. */
struct schema_shown {
    char text[64];
};
struct schema_shown json_schema__show(const json_t *value);

/* schema_members.c: the words about objects. */
SCHEMA_JUDGE(json_schema__properties);
SCHEMA_JUDGE(json_schema__pattern_properties);
SCHEMA_JUDGE(json_schema__additional);
SCHEMA_JUDGE(json_schema__names);
SCHEMA_JUDGE(json_schema__required);
SCHEMA_JUDGE(json_schema__dependent);
SCHEMA_JUDGE(json_schema__min_properties);
SCHEMA_JUDGE(json_schema__max_properties);

/* One component deeper in the value: schema_enter…, judge, schema_leave. */
struct schema_step {
    size_t path_len;
};
struct schema_step json_schema__enter_key(struct schema_check *check, struct bytes key);
struct schema_step json_schema__enter_item(struct schema_check *check, size_t at);
void json_schema__leave(struct schema_check *check, struct schema_step step);

#endif
