/* hash.h: SHA-256, HMAC with it, and hexadecimal.
 *
 * Threads    any; a stream belongs to one thread at a time.
 * Failure    none: nothing here allocates.
 */
#ifndef DROVER_BASE_HASH_H
#define DROVER_BASE_HASH_H

#include <sha2.h>

#include "base/base.h"

struct sha256 {
    uint8_t bytes[32];
};
struct sha256_hex {
    char text[65]; /* Lower case, terminated. */
};

struct sha256 sha256_of(const void *bytes, size_t len);

/* In pieces. Embedded: start, any number of adds, finish once. */
struct sha256_stream {
    SHA2_CTX ctx;
};
void sha256_start(struct sha256_stream *stream);
void sha256_add(struct sha256_stream *stream, const void *bytes, size_t len);
struct sha256 sha256_finish(struct sha256_stream *stream);

/* HMAC-SHA-256 (RFC 2104), in pieces like the above. The key may be of any length. */
struct hmac_stream {
    struct sha256_stream inner;
    uint8_t outer_key[64];
};
void hmac_start(struct hmac_stream *stream, struct bytes key);
void hmac_add(struct hmac_stream *stream, struct bytes piece);
struct sha256 hmac_finish(struct hmac_stream *stream);

struct sha256_hex sha256_hex(const struct sha256 *hash);

/* Takes the same time wherever they differ: for comparing secrets. */
MUST_CHECK bool sha256_equal(const struct sha256 *a, const struct sha256 *b);

/* Writes 2 * len characters and a terminator. */
void hex_write(const uint8_t *bytes, size_t len, char *ret_text);
/* Value of a hexadecimal digit of either case; -1: it is none. */
MUST_CHECK int hex_digit(char c);
/* `text` must be exactly 2 * len hexadecimal digits of either case; else false and *ret_bytes may
 * not be read. */
MUST_CHECK bool hex_parse(struct bytes text, uint8_t *ret_bytes, size_t len);

#endif
