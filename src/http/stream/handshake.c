#include "http/stream/handshake.h"

#include <sha1.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum { KEY_LEN = 24 };

static bool is_digit(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
}

bool handshake_key_valid(struct bytes key) {
    if (key.len != KEY_LEN || key.data[KEY_LEN - 1] != '=' || key.data[KEY_LEN - 2] != '=') {
        return false;
    }
    for (size_t i = 0; i < KEY_LEN - 2; i++) {
        if (!is_digit(key.data[i])) {
            return false;
        }
    }
    return true;
}

void handshake_accept(struct bytes key, char ret_accept[HANDSHAKE_ACCEPT_SIZE]) {
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    uint8_t hash[21] = {0}; /* One more, so that the last group of three is whole. */
    SHA1_CTX ctx;
    SHA1Init(&ctx);
    SHA1Update(&ctx, (const uint8_t *)key.data, key.len);
    SHA1Update(&ctx, (const uint8_t *)guid, sizeof guid - 1);
    SHA1Final(hash, &ctx);
    char *out = ret_accept;
    for (size_t i = 0; i < 21; i += 3) {
        unsigned group = (unsigned)hash[i] << 16 | (unsigned)hash[i + 1] << 8 | hash[i + 2];
        for (int shift = 18; shift >= 0; shift -= 6) {
            *out++ = digits[group >> shift & 63];
        }
    }
    out[-1] = '=';
    *out = '\0';
}
