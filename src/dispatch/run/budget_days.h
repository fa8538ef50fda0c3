/* budget_days.h: runs that wait for the end of a day of a budget go on.
 *
 * Promise    at a local midnight, where the clock was set at most an hour later, after a suspend at
 *            once, and after a start at once.
 * Cost       one wake-up an hour.
 * Threads    the loop.
 */
#ifndef DROVER_DISPATCH_RUN_BUDGET_DAYS_H
#define DROVER_DISPATCH_RUN_BUDGET_DAYS_H

#include "dispatch/job/dispatch.h"

extern const struct dispatch_part budget_days_part;

#endif
