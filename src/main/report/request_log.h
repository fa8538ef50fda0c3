/* request_log.h: log lines about requests that failed on our side.
 *
 * Promise    a line for each; where the disk is the reason, one a second for each of its errors,
 *            since a disk fails each request that writes.
 * Ownership  embedded; log and world are borrowed.
 * Threads    the loop.
 */
#ifndef DROVER_MAIN_REPORT_REQUEST_LOG_H
#define DROVER_MAIN_REPORT_REQUEST_LOG_H

#include "base/log.h"
#include "base/log_pace.h"
#include "http/http.h"
#include "loop/world.h"

enum { REQUEST_LOG_PACES = 3 };

struct request_log {
    struct log *log;
    const struct world *world;
    struct log_pace disk_paces[REQUEST_LOG_PACES];
};
void request_log_failed(struct request_log *self, const struct exchange *exchange, struct err err,
                        const struct why *why);

#endif
