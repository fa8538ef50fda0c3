/* job_metrics.h: the figures of commands and of how runs ended, in the words of /metrics.
 *
 * Threads    the loop.
 */
#ifndef DROVER_MAIN_REPORT_JOB_METRICS_H
#define DROVER_MAIN_REPORT_JOB_METRICS_H

#include "base/text.h"
#include "dispatch/base/effects.h"
#include "dispatch/job/dispatch.h"
#include "proc/holder.h"

/* `holders` NULL: there are none any more. */
void job_metrics(const struct dispatch *dispatch, const struct holders *holders,
                 const struct effects *effects, struct text *text);

#endif
