/* shrink.c: see shrink.h. */
#include "shrink.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Enough of both for a seed that fails in less than 0.1 s; a slow one keeps more operations. */
enum { TRIES_MAX = 400, SECONDS_MAX = 40 };

/* --- Which check failed ----------------------------------------------------------------------- */

/* Words of a sentence that name the check; those that follow are mostly states and texts. */
enum { WORDS_MAX = 4 };

/* The sentence of sim_fail, or the expression of an assert that failed. */
static const char *failure_find(const char *text) {
    const char *assertion = strstr(text, "Assertion `");
    const char *place = strstr(text, "broken at step ");
    const char *sentence = place == NULL ? NULL : strstr(place, ": ");
    return assertion != NULL ? assertion : sentence != NULL ? sentence + 2 : text;
}

struct word {
    const char *text;
    size_t len;
};

/* The next word of the line without a digit; len 0: there is none. */
static struct word word_next(const char **at) {
    static const char ends[] = " \n";
    struct word word = {.len = 0};
    while (word.len == 0 && **at != '\0' && **at != '\n') {
        word.text = *at + strspn(*at, " ");
        word.len = strcspn(word.text, ends);
        *at = word.text + word.len;
        bool named = strcspn(word.text, "0123456789") < word.len;
        word.len = named ? 0 : word.len;
    }
    return word;
}

bool shrink_is_same(const struct seed_result *a, const struct seed_result *b) {
    const char *of_a = failure_find(a->text), *of_b = failure_find(b->text);
    bool same = a->signal == b->signal;
    for (unsigned i = 0; i < WORDS_MAX && same; i++) {
        struct word one = word_next(&of_a), other = word_next(&of_b);
        same = one.len == other.len && (one.len == 0 || memcmp(one.text, other.text, one.len) == 0);
    }
    return same;
}

/* --- Fewer operations ------------------------------------------------------------------------- */

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

/* True: without operations `from` to `through` the same check fails, and they stay out. */
static bool operations_leave_out(struct shrinking *shrinking, unsigned from, unsigned through) {
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
    bool same = result.failed && shrink_is_same(&shrinking->last, &result);
    if (same) {
        *shrinking->options = fewer;
        shrinking->last = result;
    }
    return same;
}

static bool round_of(struct shrinking *shrinking, unsigned size) {
    bool any = false;
    for (unsigned end = shrinking->options->ops; end > 0; end -= end < size ? end : size) {
        unsigned from = end < size ? 1 : end - size + 1;
        any = operations_leave_out(shrinking, from, end) || any;
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
