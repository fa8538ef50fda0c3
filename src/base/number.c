/* number.c: digits, one by one, with checked arithmetic. */
#include "base/number.h"

/* Counts downwards from zero, because the negative half of int64_t reaches one further. */
static bool digits_parse(struct bytes digits, int64_t *ret_negative) {
    int64_t negative = 0;
    for (size_t i = 0; i < digits.len; i++) {
        char c = digits.data[i];
        if (c < '0' || c > '9') {
            return false;
        }
        if (__builtin_mul_overflow(negative, 10, &negative) ||
            __builtin_sub_overflow(negative, c - '0', &negative)) {
            return false;
        }
    }
    *ret_negative = negative;
    return true;
}

bool number_parse(struct bytes text, struct number_bounds bounds, int64_t *ret_number) {
    bool minus = text.len > 0 && text.data[0] == '-';
    size_t skip = minus ? 1 : 0;
    if (text.len == skip) {
        return false;
    }
    struct bytes digits = {text.data + skip, text.len - skip};
    if (digits.data[0] == '0' && (digits.len > 1 || minus)) {
        return false;
    }
    int64_t number;
    if (!digits_parse(digits, &number)) {
        return false;
    }
    if (!minus && __builtin_sub_overflow(0, number, &number)) {
        return false;
    }
    if (number < bounds.min || number > bounds.max) {
        return false;
    }
    *ret_number = number;
    return true;
}
