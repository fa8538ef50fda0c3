#include "http/stream/handshake.h"

#include <sha1.h>

#include "base/base64.h"

bool handshake_key_valid(struct bytes key) {
    enum { DIGITS = 22 };
    if (key.len != DIGITS + 2 || key.data[DIGITS] != '=' || key.data[DIGITS + 1] != '=') {
        return false;
    }
    for (size_t i = 0; i < DIGITS; i++) {
        char c = key.data[i];
        if (!(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
            c != '+' && c != '/') {
            return false;
        }
    }
    return true;
}

void handshake_accept(struct bytes key, char ret_accept[HANDSHAKE_ACCEPT_SIZE]) {
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    uint8_t hash[SHA1_DIGEST_LENGTH];
    SHA1_CTX ctx;
    SHA1Init(&ctx);
    SHA1Update(&ctx, (const uint8_t *)key.data, key.len);
    SHA1Update(&ctx, (const uint8_t *)guid, sizeof guid - 1);
    SHA1Final(hash, &ctx);
    base64_write(ret_accept, (struct bytes){(const char *)hash, sizeof hash});
    ret_accept[HANDSHAKE_ACCEPT_SIZE - 1] = '\0';
}
