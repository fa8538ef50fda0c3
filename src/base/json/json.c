/* json.c: from bytes to jansson's values, by a reader of our own.
 *
 * jansson's own reader lost on four counts: an allocation that fails in its lexer ends the program
 * by an assertion (or cuts a number short, silently), a NUL byte behind the value passes for the
 * end of the text, it refuses lone surrogates, and it recurses 2,048 deep. Its values have none of
 * these faults. The fuzz target holds this reader against jansson's.
 */
#include "base/json/json.h"

#include <string.h>

#include "base/json/reader.h"
#include "base/json/wide.h"
#include "base/memory.h"
#include "base/utf8.h"

enum { KEY_SHOWN_MAX = 64 };

void json_setup(void) {
    json_set_alloc_funcs(mem_try, mem_free);
    /* Hashes of keys get a random start, so that nobody can choose keys that collide. Here and not
     * at the first object, because that may be born in two threads at once. */
    json_object_seed(0);
}

void json_release(json_t **json) {
    json_decref(*json);
    *json = NULL;
}

static bool read_value(struct json_reader *reader, json_t **ret_json);

/* The next byte that is no blank, or -1 at the end. */
static int skip_blanks(struct json_reader *reader) {
    while (reader->at < reader->input.len) {
        char c = reader->input.data[reader->at];
        if (c != ' ' && c != '\n' && c != '\t' && c != '\r') {
            return (unsigned char)c;
        }
        reader->at++;
    }
    return -1;
}

static bool refuse_here(struct json_reader *reader, const char *expected) {
    if (reader->at == reader->input.len) {
        return json__refuse(reader, reader->at, "the text ends where %s is expected", expected);
    }
    return json__refuse(reader, reader->at, "%s is expected here", expected);
}

static bool enter(struct json_reader *reader) {
    if (reader->depth == reader->depth_max) {
        return json__refuse(reader, reader->at, "nested deeper than %u levels", reader->depth_max);
    }
    reader->depth++;
    reader->at++;
    return true;
}

static void leave(struct json_reader *reader) {
    reader->depth--;
    reader->at++;
}

/* Between two items: true with *ret_more when a comma was stepped over, or when `end` is there. */
static bool read_comma(struct json_reader *reader, char end, bool *ret_more) {
    int next = skip_blanks(reader);
    if (next == end) {
        *ret_more = false;
        return true;
    }
    if (next != ',') {
        return refuse_here(reader, end == ']' ? "',' or ']'" : "',' or '}'");
    }
    reader->at++;
    *ret_more = true;
    return true;
}

static bool read_items(struct json_reader *reader, json_t *array) {
    bool more = skip_blanks(reader) != ']';
    while (more) {
        json_t *item = NULL;
        if (!read_value(reader, &item)) {
            return false;
        }
        if (json_array_append_new(array, item) != 0) {
            return json__exhaust(reader);
        }
        if (!read_comma(reader, ']', &more)) {
            return false;
        }
    }
    return true;
}

static bool read_array(struct json_reader *reader, json_t **ret_json) {
    if (!enter(reader)) {
        return false;
    }
    AUTO(json_release) json_t *array = json_array();
    if (array == NULL) {
        return json__exhaust(reader);
    }
    if (!read_items(reader, array)) {
        return false;
    }
    leave(reader);
    *ret_json = array;
    array = NULL;
    return true;
}

static bool read_key(struct json_reader *reader, const json_t *object, struct bytes *ret_key) {
    if (skip_blanks(reader) != '"') {
        return refuse_here(reader, "a key in double quotes");
    }
    size_t start = reader->at;
    struct bytes key = {0};
    if (!json__read_chars(reader, &key)) {
        return false;
    }
    if (memchr(key.data, '\0', key.len) != NULL) {
        return json__refuse(reader, start, "a key must not hold the character \\u0000");
    }
    if (json_object_getn(object, key.data, key.len) != NULL) {
        return json__refuse(reader, start, "the key \"%.*s\" is a duplicate",
                            (int)utf8_cut(key, KEY_SHOWN_MAX), key.data);
    }
    *ret_key = key;
    return true;
}

static bool read_member(struct json_reader *reader, json_t *object) {
    struct bytes key = {0};
    if (!read_key(reader, object, &key)) {
        return false;
    }
    if (skip_blanks(reader) != ':') {
        return refuse_here(reader, "':'");
    }
    reader->at++;
    json_t *value = NULL;
    if (!read_value(reader, &value)) {
        return false;
    }
    /* All bytes were checked to be UTF-8 before. */
    if (json_object_setn_new_nocheck(object, key.data, key.len, value) != 0) {
        return json__exhaust(reader);
    }
    return true;
}

static bool read_members(struct json_reader *reader, json_t *object) {
    bool more = skip_blanks(reader) != '}';
    while (more) {
        if (!read_member(reader, object) || !read_comma(reader, '}', &more)) {
            return false;
        }
    }
    return true;
}

static bool read_object(struct json_reader *reader, json_t **ret_json) {
    if (!enter(reader)) {
        return false;
    }
    AUTO(json_release) json_t *object = json_object();
    if (object == NULL) {
        return json__exhaust(reader);
    }
    if (!read_members(reader, object)) {
        return false;
    }
    leave(reader);
    *ret_json = object;
    object = NULL;
    return true;
}

static bool read_string(struct json_reader *reader, json_t **ret_json) {
    struct bytes chars = {0};
    if (!json__read_chars(reader, &chars)) {
        return false;
    }
    *ret_json = json_stringn_nocheck(chars.data, chars.len);
    return *ret_json != NULL || json__exhaust(reader);
}

static bool read_word(struct json_reader *reader, struct bytes word, json_t *json,
                      json_t **ret_json) {
    if (reader->input.len - reader->at < word.len ||
        memcmp(reader->input.data + reader->at, word.data, word.len) != 0) {
        return refuse_here(reader, "a JSON value");
    }
    reader->at += word.len;
    *ret_json = json; /* These three are constants of jansson. */
    return true;
}

static bool read_value(struct json_reader *reader, json_t **ret_json) {
    int first = skip_blanks(reader);
    if (++reader->values > reader->values_max) {
        return json__refuse(reader, reader->at, "more than %u values", reader->values_max);
    }
    switch (first) {
    case '{':
        return read_object(reader, ret_json);
    case '[':
        return read_array(reader, ret_json);
    case '"':
        return read_string(reader, ret_json);
    case 't':
        return read_word(reader, BYTES("true"), json_true(), ret_json);
    case 'f':
        return read_word(reader, BYTES("false"), json_false(), ret_json);
    case 'n':
        return read_word(reader, BYTES("null"), json_null(), ret_json);
    default:
        if (first == '-' || (first >= '0' && first <= '9')) {
            return json__read_number(reader, ret_json);
        }
        return refuse_here(reader, "a JSON value");
    }
}

static bool read_whole(struct json_reader *reader, json_t **ret_json) {
    AUTO(json_release) json_t *json = NULL;
    if (!json__check_bytes(reader) || !read_value(reader, &json)) {
        return false;
    }
    if (skip_blanks(reader) != -1) {
        return json__refuse(reader, reader->at,
                            "only one JSON value is expected, and more text follows it");
    }
    *ret_json = json;
    json = NULL;
    return true;
}

static struct err parse(struct json_reader *reader, json_t **ret_json) {
    assert(reader->input.data != NULL || reader->input.len == 0);
    bool read = read_whole(reader, ret_json);
    assert(read != err_failed(reader->err));
    mem_free(reader->scratch);
    return reader->err;
}

struct err json_parse(const char *bytes, size_t len, unsigned depth_max, json_t **ret_json,
                      struct why *why) {
    struct json_reader reader = {
        .input = {bytes, len}, .depth_max = depth_max, .values_max = JSON_VALUES_MAX, .why = why};
    return parse(&reader, ret_json);
}

/* Number of values that drover adds around one from outside; generous, since it only bounds. */
enum { VALUES_WRAPPED = 10000 };

struct err json_parse_wrapped(struct bytes bytes, json_t **ret_json, struct why *why) {
    struct json_reader reader = {.input = bytes,
                                 .depth_max = JSON_DEPTH_WRAPPED,
                                 .values_max = JSON_VALUES_MAX + VALUES_WRAPPED,
                                 .why = why};
    return parse(&reader, ret_json);
}

struct err json_parse_wide(const char *bytes, size_t len, unsigned depth_max, json_t **ret_json,
                           struct why *why) {
    struct json_reader reader = {.input = {bytes, len},
                                 .depth_max = depth_max,
                                 .values_max = JSON_VALUES_MAX,
                                 .why = why,
                                 .wide = true};
    return parse(&reader, ret_json);
}
