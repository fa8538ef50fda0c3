/* quantity.c: digits, then a unit from a table. */
#include "cli/base/quantity.h"

#include <stdio.h>
#include <string.h>

struct unit {
    const char *name;
    int64_t factor;
};

/* The largest first; the last one divides everything. */
static const struct unit durations[] = {
    {"d", INT64_C(24) * 3600 * 1000}, {"h", 3600 * 1000}, {"m", 60 * 1000}, {"s", 1000}, {"ms", 1},
};
static const struct unit sizes[] = {
    {"T", INT64_C(1) << 40}, {"G", INT64_C(1) << 30}, {"M", 1 << 20}, {"K", 1 << 10}, {"", 1},
};
static_assert(COUNT_OF(durations) == COUNT_OF(sizes), "quantity_read knows one length");

static size_t digits_len(struct bytes text) {
    size_t len = 0;
    while (len < text.len && text.data[len] >= '0' && text.data[len] <= '9') {
        len++;
    }
    return len;
}

/* The number times the factor of the unit with that name. */
static bool quantity_read(struct bytes digits, const struct unit *units, struct bytes name,
                          struct number_bounds bounds, int64_t *ret_value) {
    struct number_bounds any = {0, INT64_MAX};
    int64_t number = 0, value = 0;
    size_t at = 0;
    while (at < COUNT_OF(sizes) && !bytes_is(name, units[at].name)) {
        at++;
    }
    if (at == COUNT_OF(sizes) || !number_parse(digits, any, &number) ||
        __builtin_mul_overflow(number, units[at].factor, &value) || value < bounds.min ||
        value > bounds.max) {
        return false;
    }
    *ret_value = value;
    return true;
}

bool quantity_duration(struct bytes text, struct number_bounds bounds, int64_t *ret_ms) {
    struct bytes digits = {text.data, digits_len(text)};
    struct bytes name = {text.data + digits.len, text.len - digits.len};
    return quantity_read(digits, durations, name.len == 0 ? BYTES("s") : name, bounds, ret_ms);
}

/* "64K", "64KB" and "64KiB" are the same. */
bool quantity_size(struct bytes text, struct number_bounds bounds, int64_t *ret_bytes) {
    struct bytes digits = {text.data, digits_len(text)};
    struct bytes name = {text.data + digits.len, text.len - digits.len};
    if (name.len == 3 && name.data[1] == 'i' && name.data[2] == 'B') {
        name.len = 1;
    } else if (name.len > 0 && name.data[name.len - 1] == 'B') {
        name.len--;
    }
    return quantity_read(digits, sizes, name, bounds, ret_bytes);
}

struct quantity_text quantity_text(enum flag_kind kind, int64_t value) {
    struct quantity_text result;
    const struct unit *unit = kind == FLAG_DURATION ? durations : sizes;
    while (unit->factor > 1 && (kind == FLAG_INT || value == 0 || value % unit->factor != 0)) {
        unit++;
    }
    (void)snprintf(result.text, sizeof result.text, "%lld%s", (long long)(value / unit->factor),
                   unit->name); /* 64 bits and two letters fit. */
    return result;
}
