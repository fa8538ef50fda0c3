/* id.c: prefix, '_', then 128 bits as 26 digits of base 32: 48 bits of milliseconds, 80 random.
 *
 * 26 digits hold 130 bits, so the first digit is at most '7'. Digits ascend in ASCII, hence text
 * order is time order.
 */
#include "base/id.h"

#include <string.h>

enum { DIGITS = 26, PREFIX_MAX = 4 };

/* Crockford's alphabet: no i, l, o, u, which people misread. */
static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

struct id id_make(const char *prefix, int64_t now_ms, const uint8_t random[10]) {
    size_t prefix_len = strlen(prefix);
    assert(prefix_len > 0);
    assert(prefix_len <= PREFIX_MAX);

    /* The clock is outside: a mad one gives ids that sort badly, never a crash. */
    const int64_t ms_max = (INT64_C(1) << 48) - 1;
    uint64_t ms = now_ms < 0 ? 0 : (uint64_t)(now_ms > ms_max ? ms_max : now_ms);
    uint64_t high = ms << 16 | (uint64_t)random[0] << 8 | random[1];
    uint64_t low = 0;
    for (int i = 2; i < 10; i++) {
        low = low << 8 | random[i];
    }

    struct id id = {0};
    memcpy(id.text, prefix, prefix_len);
    id.text[prefix_len] = '_';
    char *digits = id.text + prefix_len + 1;
    for (int i = DIGITS - 1; i >= 0; i--) {
        digits[i] = alphabet[low & 31];
        low = low >> 5 | high << 59;
        high >>= 5;
    }
    return id;
}

struct uuid uuid_make(const uint8_t random[16]) {
    static const char digits[] = "0123456789abcdef";
    struct uuid uuid = {""};
    size_t at = 0;
    for (size_t i = 0; i < 16; i++) {
        const unsigned byte = i == 6   ? (random[i] & 0x0fU) | 0x40U
                              : i == 8 ? (random[i] & 0x3fU) | 0x80U
                                       : random[i];
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            uuid.text[at++] = '-';
        }
        uuid.text[at++] = digits[byte >> 4];
        uuid.text[at++] = digits[byte & 15];
    }
    return uuid;
}

bool id_valid(const char *text, size_t len, const char *prefix) {
    size_t prefix_len = strlen(prefix);
    if (len != prefix_len + 1 + DIGITS || memcmp(text, prefix, prefix_len) != 0 ||
        text[prefix_len] != '_' || text[prefix_len + 1] > '7') {
        return false;
    }
    for (size_t i = prefix_len + 1; i < len; i++) {
        if (text[i] == '\0' || strchr(alphabet, text[i]) == NULL) {
            return false;
        }
    }
    return true;
}

bool id_name_valid(struct bytes name, size_t len_max) {
    if (name.len == 0 || name.len > len_max) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        bool alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!alnum && (i == 0 || (c != '_' && c != '.' && c != '-'))) {
            return false;
        }
    }
    return true;
}
