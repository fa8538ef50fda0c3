/* run_token.c: see run_token.h. */
#include "rules/token/run_token.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"

enum { MAC_LEN = 64 };
static const struct bytes prefix = BYTES_INIT("drr_");

static struct sha256 mac_of(const struct run_token_key *key, const struct run_token *token) {
    struct hmac_stream stream;
    hmac_start(&stream, (struct bytes){(const char *)key->bytes, sizeof key->bytes});
    hmac_add(&stream, BYTES("drover run token\n"));
    hmac_add(&stream, bytes_of(token->run.text));
    hmac_add(&stream, BYTES("\n"));
    hmac_add(&stream, bytes_of(token->owner));
    return hmac_finish(&stream);
}

void run_token_write(const struct run_token_key *key, const struct run_token *token,
                     char ret_text[RUN_TOKEN_SIZE]) {
    const struct sha256 mac = mac_of(key, token);
    const struct sha256_hex hex = sha256_hex(&mac);
    const int len = snprintf(ret_text, RUN_TOKEN_SIZE, "%.*s%s.%s.%s", (int)prefix.len, prefix.data,
                             token->run.text, token->owner, hex.text);
    assert(len > 0 && len < RUN_TOKEN_SIZE);
}

bool run_token_is(struct bytes text) {
    return bytes_begin(text, prefix);
}

/* Names may have dots in them, runs have none, and the digits come last. */
bool run_token_read(const struct run_token_key *key, struct bytes text,
                    struct run_token *ret_token) {
    struct run_token token = {.owner = ""};
    struct sha256 given;
    if (!run_token_is(text) || text.len >= RUN_TOKEN_SIZE) {
        return false;
    }
    const struct bytes rest = {text.data + prefix.len, text.len - prefix.len};
    const char *dot = memchr(rest.data, '.', rest.len);
    const size_t run_len = dot == NULL ? 0 : (size_t)(dot - rest.data);
    if (dot == NULL || !id_valid(rest.data, run_len, "run") ||
        rest.len < run_len + 1 + 1 + 1 + MAC_LEN) {
        return false;
    }
    const size_t owner_len = rest.len - run_len - 2 - MAC_LEN;
    const char *digits = rest.data + rest.len - MAC_LEN;
    if (owner_len > TOKEN_OWNER_MAX || digits[-1] != '.' ||
        !hex_parse((struct bytes){digits, MAC_LEN}, given.bytes, sizeof given.bytes)) {
        return false;
    }
    token.run = id_copy((struct bytes){rest.data, run_len});
    memcpy(token.owner, dot + 1, owner_len);
    const struct sha256 mac = mac_of(key, &token);
    if (!sha256_equal(&mac, &given)) {
        return false;
    }
    *ret_token = token;
    return true;
}
