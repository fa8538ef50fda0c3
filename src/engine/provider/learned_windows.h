/* learned_windows.h: windows that providers have shown to be smaller than was known.
 *
 * Promise    a refusal of a prompt as too long is not forgotten by a restart, and not kept for
 *            ever: a window holds until its time is over, or until its connection is changed.
 * Ownership  what `each` is handed is borrowed for the call.
 * Threads    inside a store function. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_PROVIDER_LEARNED_WINDOWS_H
#define DROVER_ENGINE_PROVIDER_LEARNED_WINDOWS_H

#include "base/base.h"
#include "base/err.h"
#include "store/store.h"

enum {
    LEARNED_WINDOWS_MAX = 256, /* Those that end first make room. */
    LEARNED_WINDOW_MS = 24 * 60 * 60 * 1000,
};

struct learned_window {
    struct bytes model; /* "connection/model" */
    int64_t window;     /* Tokens. */
    int64_t until_ms;
};

MUST_CHECK struct err tx_window_learn(struct tx *tx, const struct learned_window *window);
/* Those whose time is not over; the newest first, at most LEARNED_WINDOWS_MAX. */
MUST_CHECK struct err tx_window_each(
    struct tx *tx, struct err (*each)(void *ctx, const struct learned_window *window), void *ctx);
/* Of all models of a connection. */
MUST_CHECK struct err tx_window_forget(struct tx *tx, struct bytes connection);

#endif
