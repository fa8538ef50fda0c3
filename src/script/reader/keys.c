/* keys.c: the keys of an object of any kind: what stands between the commas of one level. */
#include <string.h>

#include "script/reader/literal.h"

static struct bytes key_text(const struct tokens *tokens, uint32_t at) {
    struct bytes text = token_text(tokens, at);
    if (tokens->list[at].kind == TOKEN_STRING) {
        return (struct bytes){text.data + 1, text.len - 2};
    }
    return tokens->list[at].kind == TOKEN_NAME ? text : (struct bytes){text.data, 0};
}

/* `async name()`, `get name()`, `*name()`: the name is the last word before the bracket. */
static uint32_t name_of(const struct tokens *tokens, uint32_t at) {
    while ((tokens->list[at].kind == TOKEN_NAME || token_is(tokens, at, "*")) &&
           (tokens->list[at + 1].kind == TOKEN_NAME || tokens->list[at + 1].kind == TOKEN_STRING ||
            token_is(tokens, at + 1, "*"))) {
        at++;
    }
    return at;
}

/* The comma or the closing bracket of the level behind `at`. */
static uint32_t end_of(const struct tokens *tokens, uint32_t at) {
    while (at < tokens->count && !token_is(tokens, at, ",") && !token_is(tokens, at, "}")) {
        at = token_behind(tokens, at);
    }
    return at;
}

void literal_each_key(const struct tokens *tokens, uint32_t object,
                      void (*found)(void *ctx, struct bytes key, uint32_t value), void *ctx) {
    uint32_t end = tokens->list[object].mate;
    if (end == TOKEN_NOWHERE) {
        return;
    }
    for (uint32_t at = object + 1; at < end; at = end_of(tokens, at) + 1) {
        uint32_t name = name_of(tokens, at);
        found(ctx, key_text(tokens, name), token_is(tokens, name + 1, ":") ? name + 2 : name);
    }
}

struct looking {
    struct bytes key;
    uint32_t value;
};

static void look(void *ctx, struct bytes key, uint32_t value) {
    struct looking *looking = ctx;
    if (bytes_equal(key, looking->key)) {
        looking->value = value;
    }
}

uint32_t literal_value_of(const struct tokens *tokens, uint32_t object, const char *key) {
    struct looking looking = {{key, strlen(key)}, TOKEN_NOWHERE};
    literal_each_key(tokens, object, look, &looking);
    return looking.value;
}
