/* knock.h: whether anybody listens at a port of this machine.
 *
 * Promise    never blocks: loopback answers a connect at once. Opening libcurl only to be refused
 *            would cost 20 ms and 7 MB.
 * Threads    any.
 */
#ifndef DROVER_LOOP_KNOCK_H
#define DROVER_LOOP_KNOCK_H

#include "base/base.h"

/* false: somebody listens, or it could not be found out. */
MUST_CHECK bool knock_refused(uint16_t port);

#endif
