/* log_sums.h: checksums of pages that this process has written into the log, or found whole there.
 *
 * Why        a frame's own checksum is a chain of 512 steps, each of which waits for the one before
 *            it: it costs a fifth of a read from the log. Where the checksum here fits, the page is
 *            whole at a quarter of that; where not, the frame's own decides (log_frames.h). So an
 *            entry that is out of date, since another process wrote the frame, costs time only.
 * Limits     frames behind LOG_SUMS_FRAMES, where a log begins anew in normal use, have none.
 * Threads    any.
 */
#ifndef DROVER_STORE_SQLITE_LOG_SUMS_H
#define DROVER_STORE_SQLITE_LOG_SUMS_H

#include <stdatomic.h>

#include "base/base.h"

enum { LOG_SUMS_FRAMES = 4096 };

/* Zeroed: it knows none. */
struct log_sums {
    atomic_uint_fast64_t sums[LOG_SUMS_FRAMES]; /* 0: unknown. */
};
void log_sums_put(struct log_sums *sums, uint64_t frame, const uint8_t *page);
bool log_sums_fit(const struct log_sums *sums, uint64_t frame, const uint8_t *page);

#endif
