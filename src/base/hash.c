/* hash.c: libmd does the work. OpenSSL is not asked, since it would load at every start. */
#include "base/hash.h"

#include <string.h>

void sha256_start(struct sha256_stream *stream) {
    SHA256Init(&stream->ctx);
}

void sha256_add(struct sha256_stream *stream, const void *bytes, size_t len) {
    assert(bytes != NULL || len == 0);
    if (len > 0) {
        SHA256Update(&stream->ctx, bytes, len);
    }
}

struct sha256 sha256_finish(struct sha256_stream *stream) {
    struct sha256 hash;
    SHA256Final(hash.bytes, &stream->ctx);
    return hash;
}

struct sha256 sha256_of(const void *bytes, size_t len) {
    struct sha256_stream stream;
    sha256_start(&stream);
    sha256_add(&stream, bytes, len);
    return sha256_finish(&stream);
}

void hmac_start(struct hmac_stream *stream, struct bytes key) {
    uint8_t block[sizeof stream->outer_key] = {0};
    static_assert(sizeof(struct sha256) <= sizeof block, "a hashed key fits");
    if (key.len > sizeof block) {
        struct sha256 hash = sha256_of(key.data, key.len);
        memcpy(block, hash.bytes, sizeof hash.bytes);
    } else if (key.len > 0) {
        memcpy(block, key.data, key.len);
    }
    for (size_t i = 0; i < sizeof block; i++) {
        stream->outer_key[i] = block[i] ^ 0x5c;
        block[i] ^= 0x36;
    }
    sha256_start(&stream->inner);
    sha256_add(&stream->inner, block, sizeof block);
}

void hmac_add(struct hmac_stream *stream, struct bytes piece) {
    sha256_add(&stream->inner, piece.data, piece.len);
}

struct sha256 hmac_finish(struct hmac_stream *stream) {
    struct sha256 inner = sha256_finish(&stream->inner);
    struct sha256_stream outer;
    sha256_start(&outer);
    sha256_add(&outer, stream->outer_key, sizeof stream->outer_key);
    sha256_add(&outer, inner.bytes, sizeof inner.bytes);
    return sha256_finish(&outer);
}

struct sha256_hex sha256_hex(const struct sha256 *hash) {
    struct sha256_hex hex;
    hex_write(hash->bytes, sizeof hash->bytes, hex.text);
    return hex;
}

bool sha256_equal(const struct sha256 *a, const struct sha256 *b) {
    /* volatile keeps the compiler from leaving the loop at the first difference. */
    volatile uint8_t differences = 0;
    for (size_t i = 0; i < sizeof a->bytes; i++) {
        differences = (uint8_t)(differences | (a->bytes[i] ^ b->bytes[i]));
    }
    return differences == 0;
}

void hex_write(const uint8_t *bytes, size_t len, char *ret_text) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        ret_text[2 * i] = digits[bytes[i] >> 4];
        ret_text[2 * i + 1] = digits[bytes[i] & 15];
    }
    ret_text[2 * len] = '\0';
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

bool hex_parse(struct bytes text, uint8_t *ret_bytes, size_t len) {
    if (text.len / 2 != len || text.len % 2 != 0) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        int high = hex_digit(text.data[2 * i]);
        int low = hex_digit(text.data[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        ret_bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}
