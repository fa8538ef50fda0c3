/* retry_after.c: see retry_after.h. */
#include "rules/provider/retry_after.h"

#include <time.h>

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
