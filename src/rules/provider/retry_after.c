/* retry_after.c: see retry_after.h. */
#include "rules/provider/retry_after.h"

#include <string.h>
#include <time.h>

enum {
    MINUTE_MS = 60 * 1000,
    AMOUNT_LEN_MAX = 9, /* The product with a day fits into 64 bits. */
    FRACTION_LEN = 4,   /* The point, and thousandths. */
    PARTS_MAX = 4,      /* Days, hours, minutes, seconds. */
};

bool retry_after_date(struct bytes text, int64_t *ret_wall_ms) {
    enum { DAY_NAME_LEN = 5, DATE_LEN = 29 };
    char date[DATE_LEN + 1] = "";
    struct tm parts = {0};
    if (text.len != DATE_LEN) {
        return false;
    }
    memcpy(date, text.data, DATE_LEN);
    const char *end = strptime(date + DAY_NAME_LEN, "%d %b %Y %H:%M:%S GMT", &parts);
    if (end == NULL || *end != '\0') {
        return false;
    }
    *ret_wall_ms = (int64_t)timegm(&parts) * 1000;
    return true;
}

bool retry_after_amount(struct bytes text, uint64_t unit_ms, uint64_t *ret_ms) {
    enum { WHOLE_MAX = 12, SCALE_MAX = 1000 };
    uint64_t value = 0, scale = 1;
    size_t whole = 0;
    bool point = false;
    for (size_t i = 0; i < text.len && scale < SCALE_MAX; i++) {
        char c = text.data[i];
        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if (c < '0' || c > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(c - '0');
        whole += !point;
        scale *= point ? 10 : 1;
    }
    if (whole == 0 || whole > WHOLE_MAX || (point && scale == 1)) {
        return false;
    }
    uint64_t ms = value * unit_ms / scale;
    *ret_ms = ms < RETRY_AFTER_MAX_MS ? ms : RETRY_AFTER_MAX_MS;
    return true;
}

/* The front of the text that has only these characters is removed from it and returned. */
static struct bytes take_front(struct bytes *text, const char *characters) {
    size_t len = 0;
    while (len < text->len && text->data[len] != '\0' &&
           strchr(characters, text->data[len]) != NULL) {
        len++;
    }
    const struct bytes front = {text->data, len};
    *text = (struct bytes){text->data + len, text->len - len};
    return front;
}

static bool unit_find(struct bytes word, uint64_t *ret_ms) {
    static const struct {
        const char *words[4];
        uint64_t ms;
    } units[] = {{{"ms", "milliseconds"}, 1},
                 {{"s", "sec", "second", "seconds"}, 1000},
                 {{"m", "min", "minute", "minutes"}, MINUTE_MS},
                 {{"h", "hr", "hour", "hours"}, 60 * MINUTE_MS},
                 {{"d", "day", "days"}, 24 * 60 * MINUTE_MS}};
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        for (size_t j = 0; j < COUNT_OF(units[i].words) && units[i].words[j] != NULL; j++) {
            if (bytes_equal_nocase(word, bytes_of(units[i].words[j]))) {
                *ret_ms = units[i].ms;
                return true;
            }
        }
    }
    return false;
}

uint64_t retry_after_amounts(struct bytes text) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < PARTS_MAX; i++) {
        uint64_t unit_ms, ms;
        (void)take_front(&text, " ,");
        struct bytes amount = take_front(&text, "0123456789.");
        const char *point = memchr(amount.data, '.', amount.len);
        if (point != NULL && point + FRACTION_LEN < amount.data + amount.len) {
            amount.len = (size_t)(point - amount.data) + FRACTION_LEN;
        }
        (void)take_front(&text, " ");
        const struct bytes unit =
            take_front(&text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
        if (amount.len > AMOUNT_LEN_MAX || !unit_find(unit, &unit_ms) ||
            !retry_after_amount(amount, unit_ms, &ms)) {
            break;
        }
        sum += ms;
    }
    return sum < RETRY_AFTER_MAX_MS ? sum : RETRY_AFTER_MAX_MS;
}

uint64_t retry_after_sentence(struct bytes sentence) {
    static const struct bytes heads[] = {BYTES_INIT("try again in "), BYTES_INIT("retry in ")};
    for (struct bytes rest = sentence; rest.len > 0; rest.data++, rest.len--) {
        for (size_t i = 0; i < COUNT_OF(heads); i++) {
            const size_t len = heads[i].len;
            const uint64_t ms =
                rest.len > len && bytes_equal_nocase((struct bytes){rest.data, len}, heads[i])
                    ? retry_after_amounts((struct bytes){rest.data + len, rest.len - len})
                    : 0;
            if (ms > 0) {
                return ms;
            }
        }
    }
    return 0;
}
