/* valid.c: is this JSON? One walk over the bytes, without building a value.
 *
 * Rows hold JSON that was parsed before it was stored, and answers paste it as it is. That is fast,
 * and wrong for a row that a failing disk, a person with SQL or an older bug has changed: one bad
 * byte would make the whole answer unreadable. So each paste looks first. Parsing into values would
 * cost ten times as much and needs memory; this walk needs a bit for each open bracket.
 *
 * The grammar is that of json.c but for three checks which do not matter to who reads the result:
 * duplicate keys, the size of numbers, the number of values.
 */
#include "base/json/json.h"

#include <string.h>

#include "base/utf8.h"

enum { NEST_MAX = 4 * JSON_DEPTH_MAX, WORD_BITS = 64 };

struct walk {
    struct bytes input; /* Borrowed. */
    size_t at;          /* Offset of the next byte. */
    unsigned depth;
    uint64_t objects[NEST_MAX / WORD_BITS]; /* Bit n: bracket n is an object's. */
};

static int walk_peek(const struct walk *walk) {
    return walk->at < walk->input.len ? (unsigned char)walk->input.data[walk->at] : -1;
}

static bool walk_take(struct walk *walk, char c) {
    bool there = walk_peek(walk) == (unsigned char)c;
    walk->at += there ? 1 : 0;
    return there;
}

static void walk_blanks(struct walk *walk) {
    for (int c = walk_peek(walk); c == ' ' || c == '\n' || c == '\t' || c == '\r';
         c = walk_peek(walk)) {
        walk->at++;
    }
}

static bool walk_word(struct walk *walk, const char *word) {
    size_t len = strlen(word);
    bool there =
        walk->input.len - walk->at >= len && memcmp(walk->input.data + walk->at, word, len) == 0;
    walk->at += there ? len : 0;
    return there;
}

static bool is_hex(int c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool walk_escape(struct walk *walk) {
    int c = walk_peek(walk);
    walk->at += c >= 0 ? 1 : 0;
    if (c != 'u') {
        return c > 0 && strchr("\"\\/bfnrt", c) != NULL;
    }
    for (int i = 0; i < 4; i++) {
        if (!is_hex(walk_peek(walk))) {
            return false;
        }
        walk->at++;
    }
    return true;
}

static bool walk_string(struct walk *walk) {
    if (!walk_take(walk, '"')) {
        return false;
    }
    for (;;) {
        walk->at += utf8_unescaped_len(walk->input.data + walk->at, walk->input.len - walk->at);
        if (walk_take(walk, '"')) {
            return true;
        }
        if (!walk_take(walk, '\\') || !walk_escape(walk)) {
            return false; /* A raw control character, a byte that is no UTF-8, or the end. */
        }
    }
}

static bool walk_digits(struct walk *walk) {
    size_t start = walk->at;
    while (walk_peek(walk) >= '0' && walk_peek(walk) <= '9') {
        walk->at++;
    }
    return walk->at > start;
}

static bool walk_number(struct walk *walk) {
    (void)walk_take(walk, '-'); /* It may be there. */
    if (!walk_take(walk, '0') && !walk_digits(walk)) {
        return false;
    }
    if (walk_take(walk, '.') && !walk_digits(walk)) {
        return false;
    }
    if (walk_take(walk, 'e') || walk_take(walk, 'E')) {
        if (!walk_take(walk, '+')) {
            (void)walk_take(walk, '-'); /* It may be there. */
        }
        return walk_digits(walk);
    }
    return true;
}

static bool in_object(const struct walk *walk) {
    unsigned at = walk->depth - 1;
    return (walk->objects[at / WORD_BITS] >> at % WORD_BITS & 1) != 0;
}

static bool walk_open(struct walk *walk, bool object) {
    if (walk->depth == NEST_MAX) {
        return false;
    }
    uint64_t bit = UINT64_C(1) << walk->depth % WORD_BITS;
    uint64_t *word = &walk->objects[walk->depth / WORD_BITS];
    *word = object ? *word | bit : *word & ~bit;
    walk->depth++;
    walk->at++;
    walk_blanks(walk);
    return true;
}

static bool walk_key(struct walk *walk) {
    if (!walk_string(walk)) {
        return false;
    }
    walk_blanks(walk);
    bool colon = walk_take(walk, ':');
    walk_blanks(walk);
    return colon;
}

/* A value that is no bracket. */
static bool walk_scalar(struct walk *walk) {
    switch (walk_peek(walk)) {
    case '"':
        return walk_string(walk);
    case 't':
        return walk_word(walk, "true");
    case 'f':
        return walk_word(walk, "false");
    case 'n':
        return walk_word(walk, "null");
    default:
        return walk_number(walk);
    }
}

/* Closes the arrays and objects that end with a value, and steps over the comma to the next value.
 * *ret_more false: the outermost value has ended. */
static bool walk_on(struct walk *walk, bool *ret_more) {
    walk_blanks(walk);
    while (walk->depth > 0 && walk_take(walk, in_object(walk) ? '}' : ']')) {
        walk->depth--;
        walk_blanks(walk);
    }
    *ret_more = walk->depth > 0;
    if (!*ret_more) {
        return true;
    }
    if (!walk_take(walk, ',')) {
        return false;
    }
    walk_blanks(walk);
    return !in_object(walk) || walk_key(walk);
}

/* To the first value that is no bracket with something in it, down through those that are. An empty
 * bracket is left open: walk_on closes it. */
static bool walk_value(struct walk *walk) {
    for (int c = walk_peek(walk); c == '{' || c == '['; c = walk_peek(walk)) {
        bool object = c == '{';
        if (!walk_open(walk, object)) {
            return false;
        }
        if (walk_peek(walk) == (object ? '}' : ']')) {
            return true;
        }
        if (object && !walk_key(walk)) {
            return false;
        }
    }
    return walk_scalar(walk);
}

bool json_is_valid(struct bytes json) {
    struct walk walk = {.input = json};
    walk_blanks(&walk);
    bool more = true;
    while (more) {
        if (!walk_value(&walk) || !walk_on(&walk, &more)) {
            return false;
        }
    }
    return walk.at == json.len;
}

void json_add_stored(struct text *text, struct bytes json) {
    if (json_is_valid(json)) {
        text_add(text, json.data, json.len);
    } else {
        text_add(text, "null", 4);
    }
}
