/* base64.c: three bytes are four digits. */
#include "base/base64.h"

#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The four digits of up to three bytes. */
static void group_write(char four[4], const uint8_t *at, size_t left) {
    uint32_t group = (uint32_t)at[0] << 16;
    group |= left > 1 ? (uint32_t)at[1] << 8 : 0;
    group |= left > 2 ? (uint32_t)at[2] : 0;
    four[0] = digits[group >> 18];
    four[1] = digits[(group >> 12) & 63];
    four[2] = left > 1 ? digits[(group >> 6) & 63] : '=';
    four[3] = left > 2 ? digits[group & 63] : '=';
}

void base64_add(struct text *text, struct bytes bytes) {
    for (size_t i = 0; i < bytes.len; i += 3) {
        char four[4];
        group_write(four, (const uint8_t *)bytes.data + i, bytes.len - i);
        text_add(text, four, sizeof four);
    }
}

size_t base64_size(size_t len) {
    assert(len < SIZE_MAX / 2);
    return (len + 2) / 3 * 4;
}

void base64_write(char *ret_digits, struct bytes bytes) {
    for (size_t i = 0; i < bytes.len; i += 3) {
        group_write(ret_digits + i / 3 * 4, (const uint8_t *)bytes.data + i, bytes.len - i);
    }
}

bool base64_add_decoded(struct text *bytes, struct bytes encoded) {
    if (encoded.len % 4 != 0) {
        return false;
    }
    for (size_t i = 0; i < encoded.len; i += 4) {
        const char *four = encoded.data + i;
        bool last = i + 4 == encoded.len;
        unsigned pads = last ? (unsigned)(four[3] == '=') + (four[3] == '=' && four[2] == '=') : 0;
        uint32_t group = 0;
        for (unsigned digit = 0; digit < 4; digit++) {
            const char *found = four[digit] == '\0' ? NULL : strchr(digits, four[digit]);
            if (digit < 4 - pads && found == NULL) {
                return false;
            }
            group = group << 6 | (digit < 4 - pads ? (uint32_t)(found - digits) : 0);
        }
        char three[] = {(char)(group >> 16), (char)(group >> 8 & 255), (char)(group & 255)};
        text_add(bytes, three, 3 - pads);
    }
    return true;
}
