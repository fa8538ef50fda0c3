/* pattern.h: regular expressions from outside, behind limits; PCRE2 in Perl's syntax.
 *
 * Promise    matching ends: by the pattern's own steps, or when `watch` says that it is enough,
 *            whatever pattern and subject are. The subject need not be valid UTF-8. A limit is
 *            never reported as "no match".
 * Ownership  the caller owns patterns and matchers; a matcher borrows its pattern.
 * Threads    a pattern does not change: any. A matcher: one at a time.
 * Failure    ERR_BAD_PATTERN: `why` has the position. ERR_TOO_EXPENSIVE, or what `watch` answers.
 */
#ifndef DROVER_BASE_PATTERN_H
#define DROVER_BASE_PATTERN_H

#include "base/base.h"
#include "base/err.h"

struct pattern;
MUST_CHECK struct err pattern_compile(struct bytes source, struct pattern **ret_pattern,
                                      struct why *why);
void pattern_free(struct pattern *pattern);     /* NULL is allowed. */
void pattern_release(struct pattern **pattern); /* For AUTO. */

/* Asked before each subject, and often within one: ERR_NONE to go on, or why to give up. */
struct pattern_watch {
    enum err_code (*over)(void *ctx);
    void *ctx;
};

struct pattern_matcher;
MUST_CHECK struct err pattern_matcher_new(const struct pattern *pattern,
                                          const struct pattern_watch *watch,
                                          struct pattern_matcher **ret_matcher);
void pattern_matcher_free(struct pattern_matcher *matcher); /* NULL is allowed. */
MUST_CHECK struct err pattern_matches(struct pattern_matcher *matcher, struct bytes subject,
                                      bool *ret_matches);

#endif
