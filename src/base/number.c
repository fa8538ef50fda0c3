/* number.c: digits, one by one, with checked arithmetic. */
#include "base/number.h"

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
    /* Counts downwards from zero, because the negative half of int64_t reaches one further. */
    int64_t number = 0;
    for (size_t i = 0; i < digits.len; i++) {
        char c = digits.data[i];
        if (c < '0' || c > '9' || __builtin_mul_overflow(number, 10, &number) ||
            __builtin_sub_overflow(number, c - '0', &number)) {
            return false;
        }
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
