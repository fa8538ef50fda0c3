/* quantity.c: digits, then a unit from a table. */
#include "cli/base/quantity.h"

#include <inttypes.h>
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

/* The number times the factor of its unit: what stands after the digits, or `absent`. */
static bool quantity_read(struct bytes text, const struct unit *units, struct bytes absent,
                          struct number_bounds bounds, int64_t *ret_value) {
    struct bytes digits = {text.data, 0};
    while (digits.len < text.len && text.data[digits.len] >= '0' && text.data[digits.len] <= '9') {
        digits.len++;
    }
    struct bytes name = {text.data + digits.len, text.len - digits.len};
    name = name.len > 0 ? name : absent;
    int64_t number = 0, value = 0;
    size_t at = 0;
    while (at < COUNT_OF(sizes) && !bytes_is(name, units[at].name)) {
        at++;
    }
    if (at == COUNT_OF(sizes) ||
        !number_parse(digits, (struct number_bounds){0, INT64_MAX}, &number) ||
        __builtin_mul_overflow(number, units[at].factor, &value) || value < bounds.min ||
        value > bounds.max) {
        return false;
    }
    *ret_value = value;
    return true;
}

bool quantity_duration(struct bytes text, struct number_bounds bounds, int64_t *ret_ms) {
    return quantity_read(text, durations, BYTES("s"), bounds, ret_ms);
}

/* "64K", "64KB" and "64KiB" are the same. */
bool quantity_size(struct bytes text, struct number_bounds bounds, int64_t *ret_bytes) {
    size_t digit = text.len < 3 ? 0 : text.len - 3;
    if (text.len >= 3 && text.data[text.len - 2] == 'i' && text.data[text.len - 1] == 'B' &&
        (text.data[digit] < '0' || text.data[digit] > '9')) {
        text.len -= 2;
    } else if (text.len > 0 && text.data[text.len - 1] == 'B') {
        text.len--;
    }
    return quantity_read(text, sizes, BYTES(""), bounds, ret_bytes);
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

struct quantity_text quantity_about(int64_t bytes) {
    static const char *const units[] = {"kB", "MB", "GB", "TB"};
    struct quantity_text size;
    int64_t tenths = (bytes * 10) >> 10;
    size_t unit = 0;
    while (tenths >= 10240 && unit + 1 < COUNT_OF(units)) {
        tenths >>= 10;
        unit++;
    }
    if (tenths >= 1000 || unit == 0) {
        (void)snprintf(size.text, sizeof size.text, "%" PRId64 " %s", (tenths + 5) / 10,
                       units[unit]); /* Fits. */
    } else {
        (void)snprintf(size.text, sizeof size.text, "%" PRId64 ".%" PRId64 " %s", tenths / 10,
                       tenths % 10, units[unit]); /* Fits. */
    }
    return size;
}
