/* sleeps.h: suspends of the machine (sleeps.c).
 */
#ifndef DROVER_TEST_SIM_SLEEPS_H
#define DROVER_TEST_SIM_SLEEPS_H

#include "base/base.h"

/* The wall clock was set: where it was set back, nothing that was due needs be due any more. */
void sleeps_clock_set(int64_t step_ms);
/* The daemon asks that webhook, whatever becomes of the connection. */
void sleeps_hook_asked(struct bytes url, const char *delivery, int64_t attempt);

#endif
