/* logs_pattern.h: a user's regular expression, behind limits.
 *
 * Promise    matching ends: by the pattern's own steps, or at the deadline, or when it is
 *            cancelled, whatever pattern and subject are. The subject need not be valid UTF-8.
 * Ownership  the caller owns *ret_pattern and ends it with log_pattern_free.
 * Threads    one at a time.
 * Failure    ERR_BAD_PATTERN: `why` has the position. ERR_TOO_EXPENSIVE, ERR_INTERRUPTED.
 */
#ifndef DROVER_API_LOGS_PATTERN_H
#define DROVER_API_LOGS_PATTERN_H

#include <stdatomic.h>

#include "base/base.h"
#include "base/err.h"
#include "loop/world.h"

struct pattern_limits {
    const struct world *world;
    uint64_t deadline_ns;         /* Of world_mono_ns. */
    const atomic_bool *cancelled; /* NULL: never. */
};

struct log_pattern;
MUST_CHECK struct err log_pattern_new(struct bytes source, const struct pattern_limits *limits,
                                      struct log_pattern **ret_pattern, struct why *why);
void log_pattern_free(struct log_pattern *pattern);     /* NULL is allowed. */
void log_pattern_release(struct log_pattern **pattern); /* For AUTO. */
MUST_CHECK struct err log_pattern_match(struct log_pattern *pattern, struct bytes subject,
                                        bool *ret_matches);

#endif
