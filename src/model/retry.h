/* retry.h: whether a try that failed is worth another, and when. Pure.
 *
 * Threads    any.
 */
#ifndef DROVER_MODEL_RETRY_H
#define DROVER_MODEL_RETRY_H

#include "base/base.h"
#include "loop/fetch.h"
#include "model/failure.h"

/* What the header of an answer says about trying again. */
struct retry_hint {
    bool timed; /* `after_ms` was said. */
    uint64_t after_ms;
    enum { RETRY_UNSAID, RETRY_YES, RETRY_NO } should; /* x-should-retry. */
};
/* retry-after-ms, else retry-after: seconds (a fraction is fine) or an HTTP date, seen from
 * now_ms. At most RETRY_AFTER_MAX_MS; what is not understood was not said. */
#define RETRY_AFTER_MAX_MS (UINT64_C(30) * 24 * 3600 * 1000)
struct retry_hint retry_hint_of(const struct fetch_answer *answer, int64_t now_ms);

struct retry_try {
    const struct model_failure *failure;
    struct retry_hint hint;
    unsigned tries;  /* Made so far, this one included. */
    uint32_t random; /* For the jitter. */
};
/* false: it is the end; else the wait before the next try. */
MUST_CHECK bool retry_again(const struct retry_try *attempt, uint64_t *ret_wait_ms);

/* How long nobody asks a provider whose quota is used up, when it names no time itself: a minute,
 * doubled each time in a row, an hour at most. */
uint64_t retry_quota_pause_ms(unsigned trips);

#endif
