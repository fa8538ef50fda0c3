/* clock.h: the two clocks of the holder.
 *
 * Why monotonic  A deadline bounds what a command may do. While a laptop sleeps the command does
 *                nothing, so the time that passes then must not be charged to it: CLOCK_MONOTONIC
 *                stands still, CLOCK_BOOTTIME would kill the command at the moment of waking. It is
 *                also the clock of poll(2).
 */
#ifndef DROVER_PROC_HOLDER_CLOCK_H
#define DROVER_PROC_HOLDER_CLOCK_H

#include "base/base.h"

#define CLOCK_NEVER INT64_MAX

int64_t clock_ms(void);      /* For deadlines. */
int64_t clock_wall_ms(void); /* For people: milliseconds since 1970. */

/* A deadline that far away does not overflow. */
int64_t clock_after(int64_t now, int64_t wait_ms);

#endif
