/* privileges.h: gives away what a process could do beyond its user.
 *
 * Compiled into small static programs: no allocation, no state.
 *
 * Promise    afterwards the calling thread, and whatever it starts, has no capability and can't get
 *            any.
 * Failure    -1 with errno; some may be gone.
 */
#ifndef DROVER_PROC_SANDBOX_PRIVILEGES_H
#define DROVER_PROC_SANDBOX_PRIVILEGES_H

#include "base/base.h"

MUST_CHECK int privileges_drop(void);

#endif
