/* failed_start_notice.h: says that the daemon opened held after failed starts, and at which runs.
 *
 * Promise    one line of the log, and one event `daemon_held` of the stream `system` of the local
 *            user: {"failed_starts":3,"last_runs":["run_…"]}. Where the event cannot be stored, the
 *            line stays.
 * Ownership  options are borrowed until the store has ended.
 * Threads    the loop.
 */
#ifndef DROVER_MAIN_REPORT_FAILED_START_NOTICE_H
#define DROVER_MAIN_REPORT_FAILED_START_NOTICE_H

#include "base/log.h"
#include "dispatch/base/failed_starts.h"
#include "store/store.h"

struct failed_start_notice {
    struct store *store;
    struct log *log;
    const struct failed_starts *starts;
    struct text data; /* Of the event. */
};
/* Where they make this daemon hold; else nothing. */
void failed_start_notice_send(struct failed_start_notice *notice);
void failed_start_notice_done(struct failed_start_notice *notice); /* Zeroed is allowed. */

#endif
