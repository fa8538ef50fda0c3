/* log_pace.h: at most one line a second about one condition that meets many requests.
 *
 * Why        a full disk fails each request that writes: a line for each would take the space that
 *            somebody is making at that moment, and hide all other lines.
 * Promise    the first event of a second is written, and the first event that is written later
 *            says how many were not. Pure: the time is an argument.
 * Ownership  embedded; all zero is a new one.
 * Threads    any one thread at a time.
 */
#ifndef DROVER_BASE_LOG_PACE_H
#define DROVER_BASE_LOG_PACE_H

#include "base/base.h"

struct log_pace {
    uint64_t next_ns; /* No line before this moment. */
    uint64_t omitted; /* Number of events since the last line. */
};

/* True: write a line, which says `*ret_omitted`. False: the event was counted. */
MUST_CHECK bool log_pace_take(struct log_pace *pace, uint64_t now_ns, uint64_t *ret_omitted);

#endif
