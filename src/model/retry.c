/* retry.c: hints of the provider, and our own patience where it gives none. */
#include "model/retry.h"

#include <string.h>

#include "base/number.h"
#include "model/model.h"

enum { FIRST_WAIT_MS = 500, LONGEST_WAIT_MS = 20000 };

/* --- Retry-After ------------------------------------------------------------------------------ */

static int64_t days_from_civil(int64_t year, int64_t month, int64_t day) {
    year -= month <= 2;
    int64_t era = year / 400, of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool digits(const char *at, size_t len, int64_t max, int64_t *ret_value) {
    int64_t value = 0;
    for (size_t i = 0; i < len; i++) {
        if (at[i] < '0' || at[i] > '9') {
            return false;
        }
        value = value * 10 + (at[i] - '0');
    }
    *ret_value = value;
    return value <= max;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT": the one form that is still sent. */
static bool parse_date(struct bytes text, int64_t *ret_ms) {
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t day, year, hour, minute, second;
    if (text.len != 29 || memcmp(text.data + 25, " GMT", 4) != 0 ||
        !digits(text.data + 5, 2, 31, &day) || !digits(text.data + 12, 4, 9999, &year) ||
        !digits(text.data + 17, 2, 23, &hour) || !digits(text.data + 20, 2, 59, &minute) ||
        !digits(text.data + 23, 2, 60, &second)) {
        return false;
    }
    for (int month = 0; month < 12; month++) {
        if (memcmp(text.data + 8, months + 3 * (size_t)month, 3) == 0) {
            int64_t days = days_from_civil(year, month + 1, day);
            *ret_ms = (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000;
            return true;
        }
    }
    return false;
}

/* "12" or "0.25": `unit_ms` of each whole one. */
static bool parse_amount(struct bytes text, uint64_t unit_ms, uint64_t *ret_ms) {
    const char *point = memchr(text.data, '.', text.len);
    size_t whole_len = point != NULL ? (size_t)(point - text.data) : text.len;
    int64_t whole = 0, part = 0;
    size_t part_len = text.len - whole_len;
    if (whole_len == 0 || whole_len > 12 || part_len == 1 ||
        !digits(text.data, whole_len, INT64_MAX, &whole)) {
        return false;
    }
    uint64_t scale = 1;
    if (part_len > 1) {
        size_t shown = part_len - 1 < 3 ? part_len - 1 : 3;
        if (!digits(point + 1, shown, INT64_MAX, &part)) {
            return false;
        }
        for (size_t i = 0; i < shown; i++) {
            scale *= 10;
        }
    }
    uint64_t ms = (uint64_t)whole * unit_ms + (uint64_t)part * unit_ms / scale;
    *ret_ms = ms < RETRY_AFTER_MAX_MS ? ms : RETRY_AFTER_MAX_MS;
    return true;
}

static bool parse_after(struct bytes text, int64_t now_ms, uint64_t *ret_ms) {
    int64_t date_ms;
    if (parse_amount(text, 1000, ret_ms)) {
        return true;
    }
    if (!parse_date(text, &date_ms)) {
        return false;
    }
    uint64_t ms = date_ms > now_ms ? (uint64_t)(date_ms - now_ms) : 0;
    *ret_ms = ms < RETRY_AFTER_MAX_MS ? ms : RETRY_AFTER_MAX_MS;
    return true;
}

struct retry_hint retry_hint_of(const struct fetch_answer *answer, int64_t now_ms) {
    struct retry_hint hint = {.timed = false};
    struct bytes value;
    if (fetch_answer_header(answer, "retry-after-ms", &value)) {
        hint.timed = parse_amount(value, 1, &hint.after_ms);
    }
    if (!hint.timed && fetch_answer_header(answer, "retry-after", &value)) {
        hint.timed = parse_after(value, now_ms, &hint.after_ms);
    }
    if (fetch_answer_header(answer, "x-should-retry", &value)) {
        bool yes = bytes_equal_nocase(value, BYTES("true"));
        bool no = bytes_equal_nocase(value, BYTES("false"));
        hint.should = yes ? RETRY_YES : (no ? RETRY_NO : RETRY_UNSAID);
    }
    return hint;
}

/* --- The decision ----------------------------------------------------------------------------- */

bool retry_again(const struct retry_try *attempt, uint64_t *ret_wait_ms) {
    /* An empty answer was paid for, and whoever asked may ask differently. */
    static const bool cured[MODEL_CAUSE_COUNT] = {
        [MODEL_UNREACHABLE] = true,   [MODEL_RATE_LIMITED] = true, [MODEL_PROVIDER_ERROR] = true,
        [MODEL_STREAM_BROKEN] = true, [MODEL_TIMED_OUT] = true,    [MODEL_BAD_RESPONSE] = true,
    };
    const struct retry_hint *hint = &attempt->hint;
    enum model_cause cause = attempt->failure->cause;
    bool asked = hint->should == RETRY_YES && cause != MODEL_QUOTA;
    if (attempt->tries >= MODEL_TRIES_MAX || hint->should == RETRY_NO || !(asked || cured[cause])) {
        return false;
    }
    if (hint->timed) {
        /* Never earlier than it says; later by up to an eighth. */
        *ret_wait_ms = hint->after_ms + hint->after_ms / 8 * attempt->random / UINT32_MAX;
        return hint->after_ms <= MODEL_WAIT_MAX_MS;
    }
    uint64_t wait_ms = (uint64_t)FIRST_WAIT_MS << (2 * (attempt->tries - 1));
    wait_ms = wait_ms < LONGEST_WAIT_MS ? wait_ms : LONGEST_WAIT_MS;
    /* Three quarters to five quarters: so that those who failed together don't come together. */
    *ret_wait_ms = wait_ms * 3 / 4 + wait_ms / 2 * attempt->random / UINT32_MAX;
    return true;
}

uint64_t retry_quota_pause_ms(unsigned trips) {
    const uint64_t minute = 60000;
    assert(trips > 0);
    return trips > 6 ? 60 * minute : minute << (trips - 1);
}
