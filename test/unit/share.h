/* share.h: each step-th of the many cases of a test, from `first` on, is what this run takes.
 *
 * scripts/test says it in DROVER_SHARE, as FIRST/STEP, and takes them all within a few commits
 * (decisions/035). Where nothing is said, a test takes all of its cases. */
#ifndef DROVER_TEST_UNIT_SHARE_H
#define DROVER_TEST_UNIT_SHARE_H

#include <stdio.h>
#include <stdlib.h>

struct share {
    unsigned first, step;
};

static inline struct share share_taken(void) {
    struct share share = {.first = 0, .step = 1};
    const char *text = getenv("DROVER_SHARE");
    if (text != NULL &&
        (sscanf(text, "%u/%u", &share.first, &share.step) != 2 || share.step == 0)) {
        (void)fprintf(stderr, "DROVER_SHARE is FIRST/STEP\n");
        abort();
    }
    return share;
}

#endif
