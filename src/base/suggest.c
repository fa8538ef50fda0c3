/* suggest.c: optimal string alignment distance over short words. */
#include "base/suggest.h"

#include <string.h>

enum { WORD_MAX = 40 };

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Insert, delete, replace, or swap two neighbours: one step each. */
static size_t distance(const char *a, const char *b) {
    size_t a_len = strlen(a), b_len = strlen(b);
    if (a_len > WORD_MAX || b_len > WORD_MAX) {
        return SIZE_MAX;
    }
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= b_len; j++) {
        before[j] = j;
        last[j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
            now[j] = least(least(last[j] + 1, now[j - 1] + 1), last[j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                now[j] = least(now[j], before[j - 2] + 1);
            }
        }
        size_t *oldest = before;
        before = last;
        last = now;
        now = oldest;
    }
    return last[b_len];
}

void suggest_begin(struct suggest *suggest, const char *typed) {
    *suggest = (struct suggest){.typed = typed, .distance = SIZE_MAX};
}

void suggest_offer(struct suggest *suggest, const char *word) {
    size_t steps = distance(suggest->typed, word);
    if (steps < suggest->distance) {
        suggest->distance = steps;
        suggest->best = word;
    }
}

const char *suggest_best(const struct suggest *suggest) {
    size_t len = suggest->best == NULL ? 0 : strlen(suggest->best);
    size_t bound = len <= 3 ? 1 : len <= 6 ? 2 : len / 3;
    return suggest->distance <= bound ? suggest->best : NULL;
}
