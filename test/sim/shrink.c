/* shrink.c: see shrink.h. */
#include "shrink.h"

#include <stdio.h>

enum { TRIES_MAX = 400 };

struct shrinking {
    struct sim_options *options;
    struct seed_result last;
    unsigned tries;
};

/* True: without operations `from` to `through` it fails, too, and they stay out. */
static bool leave_out(struct shrinking *shrinking, unsigned from, unsigned through) {
    struct sim_options fewer = *shrinking->options;
    bool any = false;
    for (unsigned i = from; i <= through && i <= fewer.ops; i++) {
        any = any || !fewer.without[i];
        fewer.without[i] = true;
    }
    if (!any || shrinking->tries >= TRIES_MAX) {
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
    struct shrinking shrinking = {.options = options, .last = *first};
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
