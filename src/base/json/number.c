/* number.c: integers exact in 64 bits, everything else a double; neither is ever bent to fit.
 */
#include "base/json/reader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"

/* Reals shorter than this are terminated on the stack. */
enum { REAL_SHORT = 64 };

static bool is_digit(const struct json_reader *reader) {
    return reader->at < reader->input.len && reader->input.data[reader->at] >= '0' &&
           reader->input.data[reader->at] <= '9';
}

static bool is_one_of(const struct json_reader *reader, char a, char b) {
    return reader->at < reader->input.len &&
           (reader->input.data[reader->at] == a || reader->input.data[reader->at] == b);
}

static bool skip_digits(struct json_reader *reader, const char *where) {
    if (!is_digit(reader)) {
        return json__refuse(reader, reader->at, "a digit is expected %s", where);
    }
    while (is_digit(reader)) {
        reader->at++;
    }
    return true;
}

/* Steps over a number as RFC 8259 spells it. */
static bool skip_number(struct json_reader *reader, bool *ret_real) {
    *ret_real = false;
    if (is_one_of(reader, '-', '-')) {
        reader->at++;
    }
    bool zero = is_one_of(reader, '0', '0');
    size_t digits = reader->at;
    if (!skip_digits(reader, "after the minus")) {
        return false;
    }
    if (zero && reader->at - digits > 1) {
        return json__refuse(reader, digits, "a number must not start with a needless 0");
    }
    if (is_one_of(reader, '.', '.')) {
        *ret_real = true;
        reader->at++;
        if (!skip_digits(reader, "after the decimal point")) {
            return false;
        }
    }
    if (is_one_of(reader, 'e', 'E')) {
        *ret_real = true;
        reader->at++;
        if (is_one_of(reader, '+', '-')) {
            reader->at++;
        }
        return skip_digits(reader, "in the exponent");
    }
    return true;
}

static bool make_real(struct json_reader *reader, struct bytes spelt, json_t **ret_json);

static bool make_integer(struct json_reader *reader, struct bytes spelt, json_t **ret_json) {
    static const struct number_bounds any = {INT64_MIN, INT64_MAX};
    int64_t number = 0;
    bool minus_zero = spelt.len == 2 && memcmp(spelt.data, "-0", 2) == 0;
    if (!minus_zero && !number_parse(spelt, any, &number)) {
        if (reader->wide) {
            return make_real(reader, spelt, ret_json);
        }
        return json__refuse(reader, reader->at - spelt.len,
                            "this integer does not fit in 64 bits; send it as a string");
    }
    *ret_json = json_integer(number);
    return *ret_json != NULL || json__exhaust(reader);
}

/* strtod wants a terminator, which the input hasn't got. The grammar was checked before, and no
 * locale is ever set: it reads the whole of it. */
static double real_of(struct bytes spelt, char *buffer) {
    memcpy(buffer, spelt.data, spelt.len);
    buffer[spelt.len] = '\0';
    return strtod(buffer, /* end */ NULL);
}

static bool make_real(struct json_reader *reader, struct bytes spelt, json_t **ret_json) {
    char shorter[REAL_SHORT];
    char *buffer = shorter;
    if (spelt.len >= sizeof shorter) {
        if (!json__scratch(reader)) {
            return false;
        }
        buffer = reader->scratch + reader->scratch_len;
    }
    double number = real_of(spelt, buffer);
    if (!isfinite(number)) {
        return json__refuse(reader, reader->at - spelt.len,
                            "this number is too large for a 64-bit floating-point number");
    }
    *ret_json = json_real(number);
    return *ret_json != NULL || json__exhaust(reader);
}

bool json__read_number(struct json_reader *reader, json_t **ret_json) {
    size_t start = reader->at;
    bool real;
    if (!skip_number(reader, &real)) {
        return false;
    }
    struct bytes spelt = {reader->input.data + start, reader->at - start};
    return real ? make_real(reader, spelt, ret_json) : make_integer(reader, spelt, ret_json);
}
