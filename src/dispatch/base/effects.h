/* effects.h: the work that dispatchers repeat until it succeeds, and which of it is stuck.
 *
 *   ──effect_begin──> under way ──effect_done──> not listed
 *                        │  ^
 *                 failed v  │ tried again
 *                      pausing ──given up: effects_abandon──> not listed
 *
 * Promise    every retry loop of the dispatchers has an entry here from its first try until it
 *            succeeded or was given up. An entry that makes no progress for EFFECTS_STUCK_MS makes
 *            the daemon not ready, and the oldest one is named with its last error. What waits for
 *            something with a name (a provider, a budget, a person, a process) is never listed.
 * Limits     an error that other tries may cure (a full disk, a server that is away) is tried
 *            again as long as the daemon lives, and shown. Any other error is the row's own: after
 *            EFFECT_TRIES_MAX tries its owner gives up, and ends the run where it can (P10). A text
 *            that is longer than its limit is given up at once.
 * Ownership  an effect is embedded in its owner, zeroed at first. effect_done before it goes.
 * Threads    the loop.
 */
#ifndef DROVER_DISPATCH_BASE_EFFECTS_H
#define DROVER_DISPATCH_BASE_EFFECTS_H

#include "base/base.h"
#include "base/err.h"
#include "base/link.h"
#include "dispatch/base/failed_starts.h"
#include "loop/world.h"

enum { EFFECTS_STUCK_MS = 60000, EFFECT_TRIES_MAX = 8 };

struct effects;
struct effect {
    struct effects *effects; /* Borrowed; NULL: not listed. All of it is private. */
    struct link link;
    const char *what; /* Static. */
    uint64_t since_ns;
    struct err err; /* Of the last try. */
};

/* `world` is borrowed: its monotonic clock decides what is stuck. */
struct effects *effects_new(const struct world *world);
/* After whoever uses it. NULL is allowed. */
void effects_free(struct effects *effects);

/* Register of the runs at hand, for a start after a crash. Borrowed until effects_free. */
void effects_set_starts(struct effects *effects, struct failed_starts *starts);
/* A step of that run begins in this thread; any thread. `effects` NULL: nothing. */
void effects_at(struct effects *effects, struct bytes run);

/* `what` says what is done, as in "store the end of a command". Listed already: it stays, with the
 * time of its first try. `effects` NULL: a dispatcher without a register; nothing. */
void effect_begin(struct effects *effects, struct effect *effect, const char *what);
void effect_failed(struct effect *effect, struct err err);
void effect_done(struct effect *effect); /* Not listed is allowed. */

/* True: after so many failed tries, the owner gives up. */
MUST_CHECK bool effect_is_hopeless(unsigned tries, struct err err);
/* The same with another limit of tries. */
MUST_CHECK bool effect_is_hopeless_after(unsigned tries, unsigned tries_max, struct err err);
/* The effect is not tried again, and its run could not be ended; effect_done is included. */
void effects_abandon(struct effects *effects, struct effect *effect);

/* True: an entry makes no progress; `why` says which, since when, and what to do. */
MUST_CHECK bool effects_stuck(const struct effects *effects, struct why *ret_why);
struct effects_stats {
    uint64_t listed, stuck, abandoned;
};
void effects_get_stats(const struct effects *effects, struct effects_stats *ret_stats);

#endif
