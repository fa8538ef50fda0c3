/* shrink.c: see shrink.h. */
#include "shrink.h"

#include <stdio.h>
#include <time.h>

/* Enough of both for a seed that fails in less than 0.1 s; a slow one keeps more operations. */
enum { TRIES_MAX = 400, SECONDS_MAX = 40 };

struct shrinking {
    struct sim_options *options;
    struct seed_result last;
    unsigned tries;
    time_t until_s; /* Of the monotonic clock. */
};

static time_t now_s(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* True: without operations `from` to `through` it fails, too, and they stay out. */
static bool leave_out(struct shrinking *shrinking, unsigned from, unsigned through) {
    struct sim_options fewer = *shrinking->options;
    bool any = false;
    for (unsigned i = from; i <= through && i <= fewer.ops; i++) {
        any = any || !fewer.without[i];
        fewer.without[i] = true;
    }
    if (!any || shrinking->tries >= TRIES_MAX || now_s() > shrinking->until_s) {
        return false;
    }
    shrinking->tries++;
    struct seed_result result = seed_run(&fewer);
    if (result.failed) {
        *shrinking->options = fewer;
        shrinking->last = result;
    }
    return result.failed;
}

static bool round_of(struct shrinking *shrinking, unsigned size) {
    bool any = false;
    for (unsigned end = shrinking->options->ops; end > 0; end -= end < size ? end : size) {
        unsigned from = end < size ? 1 : end - size + 1;
        any = leave_out(shrinking, from, end) || any;
    }
    return any;
}

struct seed_result shrink(struct sim_options *options, const struct seed_result *first) {
    struct shrinking shrinking = {
        .options = options, .last = *first, .until_s = now_s() + SECONDS_MAX};
    for (unsigned size = (options->ops + 1) / 2; size > 1; size /= 2) {
        (void)round_of(&shrinking, size);
    }
    while (round_of(&shrinking, 1)) {
    }
    return shrinking.last;
}

void shrink_print(const struct sim_options *options) {
    const char *comma = "";
    for (unsigned i = 1; i <= options->ops; i++) {
        if (!options->without[i]) {
            (void)printf("%s%u", comma, i);
            comma = ",";
        }
    }
}
