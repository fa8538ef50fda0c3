/* wait.c: see wait.h. */
#include "rules/agent/wait.h"

#include <time.h>

#include "rules/agent/outcome.h"
#include "rules/provider/retry_after.h"

enum {
    MINUTE_MS = 60 * 1000,
    CLOCK_LEN_MAX = 40,
    OWN_FIRST_MS = 500, /* Own waits of Claude Code. */
    OWN_MAX_MS = 32 * 1000,
};

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
    static const char at[] = "try again at ";
    int64_t wait_ms = (int64_t)retry_after_sentence(sentence);
    for (struct bytes rest = sentence; wait_ms == 0 && rest.len > 0;
         rest = (struct bytes){rest.data + 1, rest.len - 1}) {
        const size_t len = rest.len < sizeof at - 1 ? rest.len : sizeof at - 1;
        if (bytes_equal_nocase((struct bytes){rest.data, len}, BYTES(at))) {
            wait_ms = wait_of_clock((struct bytes){rest.data + len, rest.len - len}, local_ms);
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
