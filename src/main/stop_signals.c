/* stop_signals.c: see stop_signals.h. */
#include "main/stop_signals.h"

#include <signal.h>

static void handle_came(uv_signal_t *handle, int number) {
    const struct stop_signals *signals = handle->data;
    signals->came(signals->ctx, number);
}

void stop_signals_open(struct stop_signals *signals, struct loop *loop,
                       void (*came)(void *ctx, int number), void *ctx) {
    static const int numbers[STOP_SIGNALS] = {SIGTERM, SIGINT};
    *signals = (struct stop_signals){.open = true, .came = came, .ctx = ctx};
    for (size_t i = 0; i < STOP_SIGNALS; i++) {
        int rc = uv_signal_init(loop_uv(loop), &signals->handles[i]);
        assert(rc == 0);
        signals->handles[i].data = signals;
        rc = uv_signal_start(&signals->handles[i], handle_came, numbers[i]);
        assert(rc == 0);
    }
}

void stop_signals_close(struct stop_signals *signals) {
    for (size_t i = 0; signals->open && i < STOP_SIGNALS; i++) {
        uv_close((uv_handle_t *)&signals->handles[i], NULL /* nothing to release */);
    }
    signals->open = false;
}
