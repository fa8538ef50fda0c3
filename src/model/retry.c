/* retry.c: hints of the provider, and our own patience where it gives none. */
#include "model/retry.h"

#include <string.h>
#include <time.h>

#include "model/model.h"

enum { FIRST_WAIT_MS = 500, LONGEST_WAIT_MS = 20000 };

/* --- Retry-After ------------------------------------------------------------------------------ */

/* "Sun, 06 Nov 1994 08:49:37 GMT": the one form that is still sent. The name of the day is not
 * looked at. */
static bool parse_date(struct bytes text, int64_t *ret_ms) {
    enum { DAY_NAME_LEN = 5, DATE_LEN = 29 };
    char date[DATE_LEN + 1] = "";
    struct tm parts = {0};
    if (text.len != DATE_LEN) {
        return false;
    }
    memcpy(date, text.data, DATE_LEN);
    const char *end = strptime(date + DAY_NAME_LEN, "%d %b %Y %H:%M:%S GMT", &parts);
    *ret_ms = (int64_t)timegm(&parts) * 1000;
    return end != NULL && *end == '\0';
}

/* "12" or "0.25": `unit_ms` of each whole one. Digits after the third behind the point are not
 * looked at. */
static bool parse_amount(struct bytes text, uint64_t unit_ms, uint64_t *ret_ms) {
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
