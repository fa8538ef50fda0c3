/* loop_uv.h: the libuv loop behind loop.h, for rooms that really do I/O: sockets, pipes, signals.
 *
 * Why        a header of its own, so that whoever only needs messages, tasks, timers and the pool
 *            does not see libuv, and a test can be the loop.
 * Ownership  the loop's.
 * Threads    the loop's thread.
 */
#ifndef DROVER_LOOP_LOOP_UV_H
#define DROVER_LOOP_LOOP_UV_H

#include <uv.h>

#include "loop/loop.h"

uv_loop_t *loop_uv(struct loop *loop);

#endif
