/* retry_after.h: values of the HTTP headers retry-after and retry-after-ms, and the same in words.
 *
 * Promise    what is not understood is refused, and the output is untouched.
 * Threads    any.
 */
#ifndef DROVER_RULES_PROVIDER_RETRY_AFTER_H
#define DROVER_RULES_PROVIDER_RETRY_AFTER_H

#include "base/base.h"

#define RETRY_AFTER_MAX_MS (UINT64_C(30) * 24 * 3600 * 1000)

/* "12" or "0.25", each whole one of `unit_ms`; at most RETRY_AFTER_MAX_MS. Digits beyond the third
 * after the point are not looked at. */
MUST_CHECK bool retry_after_amount(struct bytes text, uint64_t unit_ms, uint64_t *ret_ms);
/* "Sun, 06 Nov 1994 08:49:37 GMT": the one form that is still sent. The name of the day is not
 * looked at. */
MUST_CHECK bool retry_after_date(struct bytes text, int64_t *ret_wall_ms);

/* "6m0s", "3 days 2 hours", "34.074824224s": the amounts at the beginning of the text together, at
 * most RETRY_AFTER_MAX_MS; 0: it begins with none. */
uint64_t retry_after_amounts(struct bytes text);
/* The amount that a sentence names: "Please try again in 11.054s.", "Please retry in 12 s."; 0:
 * none. */
uint64_t retry_after_sentence(struct bytes sentence);

#endif
