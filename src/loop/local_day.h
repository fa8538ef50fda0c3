/* local_day.h: days and clocks as people read them, by the time zone of this process (TZ,
 * /etc/localtime).
 *
 * Promise    the end of a day is the first midnight after a moment, or the first hour that exists
 *            where the clock jumps over midnight. Never more than 25 hours ahead but where a zone
 *            leaves out a whole day.
 * Threads    any, while nobody changes the environment.
 * Failure    a moment that the C library cannot convert has a day of 24 hours from then on.
 */
#ifndef DROVER_LOOP_LOCAL_DAY_H
#define DROVER_LOOP_LOCAL_DAY_H

#include "base/base.h"

/* Wall clock, as now_ms; always later than it. */
int64_t local_day_end_ms(int64_t now_ms);

/* The clock of this place at that moment, as if it were UTC. */
int64_t local_clock_ms(int64_t now_ms);

#endif
