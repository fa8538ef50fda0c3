/* wait.c: see wait.h. */
#include "rules/agent/wait.h"

#include <time.h>

#include "rules/agent/outcome.h"
#include "rules/provider/retry_after.h"

enum {
    MINUTE_MS = 60 * 1000,
    AMOUNT_LEN_MAX = 9, /* The product with a day fits into 64 bits. */
    PARTS_MAX = 4,      /* Days, hours, minutes, seconds. */
    CLOCK_LEN_MAX = 40,
    OWN_FIRST_MS = 500, /* Own waits of Claude Code. */
    OWN_MAX_MS = 32 * 1000,
};

static bool starts_with(struct bytes text, const char *words) {
    const size_t len = strlen(words);
    return text.len >= len && bytes_equal_nocase((struct bytes){text.data, len}, bytes_of(words));
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

/* "6m0s", "3 days 2 hours", "11.054s." */
static uint64_t wait_of_amounts(struct bytes text) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < PARTS_MAX; i++) {
        uint64_t unit_ms, ms;
        (void)take_front(&text, " ,");
        const struct bytes amount = take_front(&text, "0123456789.");
        (void)take_front(&text, " ");
        const struct bytes unit =
            take_front(&text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
        if (amount.len > AMOUNT_LEN_MAX || !unit_find(unit, &unit_ms) ||
            !retry_after_amount(amount, unit_ms, &ms)) {
            break;
        }
        sum += ms;
    }
    return sum;
}

/* "5:39 PM", "Nov 26th, 2026 5:39 PM". The minute is one that was begun. */
static int64_t wait_of_clock(struct bytes text, int64_t local_ms) {
    char clock[CLOCK_LEN_MAX + 1] = "";
    const time_t now = (time_t)(local_ms / 1000);
    struct tm at;
    memcpy(clock, text.data, text.len < CLOCK_LEN_MAX ? text.len : CLOCK_LEN_MAX);
    if (local_ms <= 0 || gmtime_r(&now, &at) == NULL) {
        return 0;
    }
    const char *rest = strptime(clock, "%b %d", &at);
    if (rest == NULL) {
        rest = strptime(clock, "%I:%M %p", &at);
    } else { /* "th": of two letters in each case. */
        rest = strlen(rest) > 2 ? strptime(rest + 2, ", %Y %I:%M %p", &at) : NULL;
    }
    if (rest == NULL) {
        return 0;
    }
    at.tm_sec = 0;
    return (int64_t)timegm(&at) * 1000 + MINUTE_MS - local_ms;
}

int64_t agent_wait_of_words(struct bytes sentence, int64_t local_ms) {
    static const char in[] = "try again in ", at[] = "try again at ";
    int64_t wait_ms = 0;
    for (struct bytes rest = sentence; wait_ms == 0 && rest.len > 0;
         rest = (struct bytes){rest.data + 1, rest.len - 1}) {
        const struct bytes after = {rest.data + sizeof in - 1, rest.len - (sizeof in - 1)};
        if (starts_with(rest, in)) {
            wait_ms = (int64_t)wait_of_amounts(after);
        } else if (starts_with(rest, at)) {
            wait_ms = wait_of_clock(after, local_ms);
        }
    }
    return wait_ms < 0 ? 0 : wait_ms > AGENT_WAIT_NAMED_MS ? AGENT_WAIT_NAMED_MS : wait_ms;
}

int64_t agent_wait_of_retry(int64_t attempt, int64_t delay_ms) {
    int64_t own_ms = OWN_FIRST_MS;
    for (int64_t i = 1; i < attempt && own_ms < OWN_MAX_MS; i++) {
        own_ms *= 2;
    }
    return delay_ms > 0 && (delay_ms < own_ms || delay_ms > own_ms + own_ms / 4) ? delay_ms : 0;
}
