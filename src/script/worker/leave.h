/* leave.h: the end of a worker's process.
 *
 * Promise    nothing runs any more, and nothing is written: what was to be said, was said before.
 */
#ifndef DROVER_SCRIPT_WORKER_LEAVE_H
#define DROVER_SCRIPT_WORKER_LEAVE_H

#include <stdnoreturn.h>

#include "script/protocol.h"

noreturn void leave(enum script_exit code);

#endif
