/* words.c: see words.h. */
#include "proc/holder/words.h"

#include <string.h>

enum { DIGITS_MAX = 20 };

void words_init(struct words *words, char *buffer, size_t size) {
    assert(size > 0);
    *words = (struct words){.at = buffer, .size = size};
    buffer[0] = '\0';
}

void words_add_bytes(struct words *words, struct bytes bytes) {
    if (words->failed || bytes.len >= words->size - words->len) {
        words->failed = true;
        return;
    }
    memcpy(words->at + words->len, bytes.data, bytes.len);
    words->len += bytes.len;
    words->at[words->len] = '\0';
}

void words_add(struct words *words, const char *text) {
    words_add_bytes(words, bytes_of(text));
}

void words_add_digits(struct words *words, uint64_t number, unsigned digits) {
    char text[DIGITS_MAX];
    size_t at = DIGITS_MAX;
    do {
        text[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (at > 0 && (number > 0 || DIGITS_MAX - at < digits));
    words_add_bytes(words, (struct bytes){text + at, DIGITS_MAX - at});
}

void words_add_number(struct words *words, int64_t number) {
    if (number < 0) {
        words_add(words, "-");
    }
    words_add_digits(words, number < 0 ? 0 - (uint64_t)number : (uint64_t)number, 1);
}
