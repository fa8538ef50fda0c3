/* quantity.c: digits, then a unit from a table. */
#include "cli/base/quantity.h"

#include <stdio.h>
#include <string.h>

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit durations[] = {
    {"d", INT64_C(24) * 3600 * 1000}, {"h", 3600 * 1000}, {"m", 60 * 1000}, {"s", 1000}, {"ms", 1},
};
static const struct unit sizes[] = {
    {"T", INT64_C(1) << 40},
    {"G", INT64_C(1) << 30},
    {"M", INT64_C(1) << 20},
    {"K", INT64_C(1) << 10},
    {"", 1},
    {"TB", INT64_C(1) << 40},
    {"GB", INT64_C(1) << 30},
    {"MB", INT64_C(1) << 20},
    {"KB", INT64_C(1) << 10},
    {"TiB", INT64_C(1) << 40},
    {"GiB", INT64_C(1) << 30},
    {"MiB", INT64_C(1) << 20},
    {"KiB", INT64_C(1) << 10},
    {"B", 1},
};

static int64_t factor_find(const struct unit *units, size_t count, struct bytes name) {
    for (size_t i = 0; i < count; i++) {
        if (strlen(units[i].name) == name.len && memcmp(units[i].name, name.data, name.len) == 0) {
            return units[i].factor;
        }
    }
    return 0;
}

static size_t digits_len(struct bytes text) {
    size_t len = 0;
    while (len < text.len && text.data[len] >= '0' && text.data[len] <= '9') {
        len++;
    }
    return len;
}

static bool scaled(struct bytes text, size_t digits, int64_t factor, struct number_bounds bounds,
                   int64_t *ret_value) {
    int64_t number = 0, value = 0;
    struct number_bounds any = {0, INT64_MAX};
    if (factor == 0 || !number_parse((struct bytes){text.data, digits}, any, &number) ||
        __builtin_mul_overflow(number, factor, &value) || value < bounds.min ||
        value > bounds.max) {
        return false;
    }
    *ret_value = value;
    return true;
}

bool quantity_duration(struct bytes text, struct number_bounds bounds, int64_t *ret_ms) {
    size_t digits = digits_len(text);
    struct bytes unit = {text.data + digits, text.len - digits};
    int64_t factor = unit.len == 0 ? 1000 : factor_find(durations, COUNT_OF(durations), unit);
    return scaled(text, digits, factor, bounds, ret_ms);
}

bool quantity_size(struct bytes text, struct number_bounds bounds, int64_t *ret_bytes) {
    size_t digits = digits_len(text);
    struct bytes unit = {text.data + digits, text.len - digits};
    return scaled(text, digits, factor_find(sizes, COUNT_OF(sizes), unit), bounds, ret_bytes);
}

struct quantity_text quantity_text(enum flag_kind kind, int64_t value) {
    struct quantity_text result;
    const struct unit *units = kind == FLAG_DURATION ? durations : sizes;
    const struct unit *unit = units;
    while (unit->factor > 1 && (value == 0 || value % unit->factor != 0)) {
        unit++;
    }
    if (kind == FLAG_INT) {
        (void)snprintf(result.text, sizeof result.text, "%lld",
                       (long long)value); /* 64 bits fit. */
    } else {
        (void)snprintf(result.text, sizeof result.text, "%lld%s", (long long)(value / unit->factor),
                       unit->name); /* 64 bits and two letters fit. */
    }
    return result;
}
