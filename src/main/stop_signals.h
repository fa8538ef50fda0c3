/* stop_signals.h: SIGTERM and SIGINT, which ask a daemon to end, heard on a loop.
 *
 * Promise    a signal that comes while the loop does not run is heard when it runs. Several loops
 *            may listen at once; each hears every signal.
 * Ownership  embedded, zeroed; `ctx` is borrowed until the handles are closed.
 * Threads    that of the loop.
 */
#ifndef DROVER_MAIN_STOP_SIGNALS_H
#define DROVER_MAIN_STOP_SIGNALS_H

#include "base/base.h"
#include "loop/loop.h"
#include "loop/loop_uv.h"

enum { STOP_SIGNALS = 2 };

struct stop_signals {
    uv_signal_t handles[STOP_SIGNALS];
    bool open;
    void (*came)(void *ctx, int number);
    void *ctx;
};
void stop_signals_open(struct stop_signals *signals, struct loop *loop,
                       void (*came)(void *ctx, int number), void *ctx);
void stop_signals_close(struct stop_signals *signals); /* Never opened is allowed. */

#endif
