/* failure.c: the table of failure.h, unfolded. */
#include "model/failure.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

static const struct {
    const char *name, *text;
    enum model_retry retry;
} rows[MODEL_CAUSE_COUNT] = {
#define X(cause, word, again, words)                                                               \
    [MODEL_##cause] = {.name = (word), .text = (words), .retry = MODEL_RETRY_##again},
    MODEL_CAUSES(X)
#undef X
};

const char *model_cause_name(enum model_cause cause) {
    assert((unsigned)cause < COUNT_OF(rows));
    return rows[cause].name;
}

const char *model_cause_text(enum model_cause cause) {
    assert((unsigned)cause < COUNT_OF(rows));
    return rows[cause].text;
}

enum model_retry model_cause_retry(enum model_cause cause) {
    assert((unsigned)cause < COUNT_OF(rows));
    return rows[cause].retry;
}

void model_failure_vset(struct model_failure *failure, enum model_cause cause, const char *format,
                        va_list args) {
    failure->cause = cause;
    if (vsnprintf(failure->detail, sizeof failure->detail, format, args) < 0) {
        failure->detail[0] = '\0';
    }
    /* Cut within a character at worst, and what a provider says is anything. */
    utf8_make_plain(failure->detail, strlen(failure->detail));
}

void model_failure_set(struct model_failure *failure, enum model_cause cause, const char *format,
                       ...) {
    va_list args;
    va_start(args, format);
    model_failure_vset(failure, cause, format, args);
    va_end(args);
}
