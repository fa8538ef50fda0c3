/* restart.h: a daemon that was replaced becomes a standby, in the same process.
 *
 * Why        whatever it knows of rows may be old from the moment it was replaced, and everything
 *            in it is built on them. A new image forgets all of it, and finds its processes by
 *            their folders, as after any start. The process id stays, so whoever supervises it
 *            sees no end.
 * Promise    the new image has the arguments, the environment, the signals and the limits that the
 *            first one was started with. Descriptors are closed (all are close-on-exec), and with
 *            them end the nursery and the zygote; the new image collects them.
 * Limit      RESTARTS_MAX in a row without RESTART_LED_MS of leading between two of them: daemons
 *            that end each other's sessions must not do so for ever.
 * Threads    the main thread.
 */
#ifndef DROVER_MAIN_RESTART_H
#define DROVER_MAIN_RESTART_H

#include "base/base.h"
#include "base/err.h"

enum { RESTARTS_MAX = 5, RESTART_LED_MS = 60 * 1000 };

/* Number of restarts in a row before this image. Takes it out of the environment: before anybody
 * else reads that. */
unsigned restart_count_take(void);

struct restart {
    unsigned count;      /* As restart_count_take said. */
    uint64_t led_ms;     /* How long this image has led. */
    uint64_t files_soft; /* Soft limit of descriptors before it was raised; 0: unknown. */
    unsigned umask;      /* Umask of the person: base/process/umask.h. */
};
/* Does not return when it succeeds. ERR_OVERLOADED: too many in a row. */
MUST_CHECK struct err restart_as_standby(const struct restart *restart);

#endif
