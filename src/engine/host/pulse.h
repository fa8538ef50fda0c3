/* pulse.h: a daemon on a database server that has nothing to do learns whether it still may.
 *
 * Another daemon takes over when our session with the server ends, and we see that only when we
 * write. Without writes, whoever follows a stream here would wait beside the new daemon for ever.
 *
 * Promise    every PULSE_MS without a commit, a group that asks nothing of its own is run (groups
 *            whose functions were all refused commit nothing, and are no sign of life): the store
 *            tells `lost` when we were replaced. A server that is away or silent is not that: the
 *            group counts as one that did not happen, whatever became of its COMMIT, and the next
 *            pulse tries again; store_reachable says meanwhile how it stands.
 *            A loop that is not that of the store will do until that one runs: answers come later
 *            then, and pulses go on without them.
 * Ownership  embedded: start/stop; the loop and the store live longer, and the pulse as long as its
 *            loop is the store's.
 * Threads    the loop.
 */
#ifndef DROVER_ENGINE_HOST_PULSE_H
#define DROVER_ENGINE_HOST_PULSE_H

#include "base/base.h"
#include "loop/loop.h"
#include "store/store.h"

enum { PULSE_MS = 3000 };

struct pulse {
    struct loop *loop;   /* Borrowed. */
    struct store *store; /* Borrowed. */
    struct timer timer;
    uint64_t commits; /* How many there were when we last looked. */
    bool away;        /* A write was not answered yet. */
    bool stopped;
};

void pulse_start(struct pulse *pulse, struct loop *loop, struct store *store);
void pulse_move(struct pulse *pulse, struct loop *loop); /* From now on, it is the timer's. */
void pulse_stop(struct pulse *pulse);                    /* Never started (zeroed) is allowed. */

#endif
