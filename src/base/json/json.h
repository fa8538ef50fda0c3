/* json.h: jansson behind our limits.
 *
 * Promise    what json_parse accepts is UTF-8, no deeper than depth_max, of at most JSON_VALUES_MAX
 *            values, without duplicate keys, its integers exact in 64 bits (a larger one is
 *            refused, never rounded); a lone surrogate escape becomes U+FFFD. A refusal tells the
 *            line and the column.
 * Ownership  *ret_json is owned: json_decref, or AUTO(json_release).
 * Threads    any; a value belongs to one thread at a time.
 * Failure    ERR_BAD_JSON, ERR_OUT_OF_MEMORY; writing: ERR_TEXT_TOO_LONG at the bound of the text.
 *            Outputs are untouched, and `why` (may be NULL) says what is wrong and where. Only the
 *            text handed to json_write may hold a part.
 */
#ifndef DROVER_BASE_JSON_JSON_H
#define DROVER_BASE_JSON_JSON_H

#include <jansson.h>

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"

/* A value costs up to 150 bytes, and a text of two bytes may be one: so they are counted, too. */
enum { JSON_DEPTH_MAX = 64, JSON_VALUES_MAX = 200000 };

/* Depth of what drover itself writes around a value from outside: an event around arguments. */
enum { JSON_DEPTH_WRAPPED = JSON_DEPTH_MAX + 16 };

void json_setup(void); /* Once, first thing in main: routes jansson's memory through mem_try. */
void json_release(json_t **json); /* For AUTO. */

MUST_CHECK struct err json_parse(const char *bytes, size_t len, unsigned depth_max,
                                 json_t **ret_json, struct why *why);

/* json_parse for JSON that drover wrote, in a row or in an answer: it may hold a value from outside
 * that reaches json_parse's limits, and members of ours around it. */
MUST_CHECK struct err json_parse_wrapped(struct bytes bytes, json_t **ret_json, struct why *why);

/* json_parse for what an engine of JavaScript wrote, as that would read it: of a key that stands
 * twice the last one counts, and an integer beyond 64 bits is the nearest real.
 * There it was a double, which JSON.stringify writes without an exponent up to 1e21. From clients
 * such an integer is refused, since nobody knows whether they can do without its last digits. */
MUST_CHECK struct err json_parse_wide(const char *bytes, size_t len, unsigned depth_max,
                                      json_t **ret_json, struct why *why);

/* Whether the bytes are a whole JSON value in UTF-8, nested at most 4 * JSON_DEPTH_MAX deep: safe
 * to stand within other JSON. Costs one walk and no memory; keys are not compared, and no number is
 * too large. */
MUST_CHECK bool json_is_valid(struct bytes json);
/* The first value in a text that begins with one of the brackets in `first` ("{[") and is closed;
 * brackets within strings do not count. What is between the brackets need not be JSON. */
MUST_CHECK bool json_brackets_find(struct bytes text, const char *first, struct bytes *ret_part);
/* Appends stored JSON: its own bytes if json_is_valid, else null. A row may be damaged, and one bad
 * value must not make the whole answer unreadable. */
void json_add_stored(struct text *text, struct bytes json);

/* Compact, keys in the order they came; a real by the fewest digits that read back the same. */
MUST_CHECK struct err json_write(const json_t *json, struct text *text);
/* A member of an object, as text_add_member; NULL: null. What cannot be written fails the text. */
void json_add_member(struct text *text, const char *name, const json_t *json);
/* The same over several lines, for people: two blanks for each level. */
MUST_CHECK struct err json_write_indented(const json_t *json, struct text *text);
/* The same with keys in the order of their bytes: equal values give equal bytes. */
MUST_CHECK struct err json_write_canonical(const json_t *json, struct text *text);
/* Numbers are equal by value (1 and 1.0), objects whatever the order of their keys. */
MUST_CHECK bool json_same(const json_t *a, const json_t *b);
/* A long double holds every 64-bit integer and every double as it is. */
static inline long double json_number_exact(const json_t *number) {
    return json_is_integer(number) ? (long double)json_integer_value(number)
                                   : (long double)json_real_value(number);
}
/* "a string", "an integer", …: what a value is, for sentences about it. */
const char *json_kind_of(const json_t *value);

/* Members of an object that was checked before, or that drover wrote: one that is missing, or is of
 * another kind, is `absent`. Borrowed from the object, which may be NULL. */
static inline const char *json_str(const json_t *object, const char *name, const char *absent) {
    const json_t *value = json_object_get(object, name);
    return json_is_string(value) ? json_string_value(value) : absent;
}
static inline struct bytes json_text(const json_t *value) { /* The same of a value itself. */
    return json_is_string(value)
               ? (struct bytes){json_string_value(value), json_string_length(value)}
               : BYTES("");
}
static inline struct bytes json_bytes(const json_t *object, const char *name) {
    return json_text(json_object_get(object, name));
}
static inline int64_t json_int(const json_t *object, const char *name, int64_t absent) {
    const json_t *value = json_object_get(object, name);
    return json_is_integer(value) ? json_integer_value(value) : absent;
}

/* Whether an array has that text. */
static inline bool json_has_text(const json_t *array, struct bytes text) {
    size_t at = 0;
    while (at < json_array_size(array) &&
           !(json_is_string(json_array_get(array, at)) &&
             bytes_equal(json_text(json_array_get(array, at)), text))) {
        at++;
    }
    return at < json_array_size(array);
}

/* Members of an object in their order; none where it is NULL, or no object. Borrowed; the object
 * must not change meanwhile.
 *
 *     for (struct json_member at = json_first(object); at.value != NULL; at = json_next(at)) { … }
 */
struct json_member {
    struct bytes key; /* Terminated. */
    json_t *value;    /* NULL: there is no further member. */
    void *place;
    json_t *object;
};
static inline struct json_member json_member_at(json_t *object, void *place) {
    struct json_member member = {.object = object, .place = place};
    if (place != NULL) {
        member.key = (struct bytes){json_object_iter_key(place), json_object_iter_key_len(place)};
        member.value = json_object_iter_value(place);
    }
    return member;
}
static inline struct json_member json_first(const json_t *object) {
    json_t *walked =
        (json_t *)object; /* jansson's iterator takes no const, though it only reads. */
    return json_member_at(walked, json_object_iter(walked));
}
static inline struct json_member json_next(struct json_member member) {
    return json_member_at(member.object, json_object_iter_next(member.object, member.place));
}

/* One field of an object that came from outside. The table is the whole truth: a key that is not in
 * it is refused by name, a wrong type and a missing required field too. Absent: *into untouched. */
enum json_kind { JSON_KIND_TEXT, JSON_KIND_INT, JSON_KIND_BOOL, JSON_KIND_ANY, JSON_KIND_TEXTS };
struct json_field {
    const char *name;
    enum json_kind kind;
    bool required;
    /* TEXT: length in bytes; INT: value; TEXTS: count. max 0: no upper bound; min 0 too: none. */
    int64_t min, max;
    const char **text; /* TEXT: borrowed from the object; holds no NUL. */
    int64_t *number;   /* INT. */
    bool *flag;        /* BOOL. */
    json_t **value;    /* ANY and TEXTS: borrowed from the object. */
};
MUST_CHECK struct err json_read_fields(const json_t *object, const struct json_field *fields,
                                       size_t count, struct why *why);

#endif
