/* deltas.h: the text that models send, stored while they send it.
 *
 *   idle ──piece──> collecting ──DELTAS_WAIT_MS──> writing ──done──> collecting | idle
 *                                                     └──failed──> pausing ──> writing, the same
 *
 * Promise    a source has its own writes, one at a time: a write that fails is tried again without
 *            any other source waiting for it. While it syncs, and until DELTAS_WAIT_MS after its
 *            begin, the next pieces of that source collect and are merged. A piece is an event of
 *            the session's stream before anybody sees it; pieces of one turn stay in order, and
 *            none is lost while the store refuses (a full disk). Text that is dropped: that of a
 *            message or session which was cleared or deleted, and text that the store refuses for
 *            good (effects.h); the message itself still gets it with the end of the call.
 * Bounds     an answer of a model is bounded where it is read (model/wire/answer.h), and no more
 *            than that is held of a turn while the store refuses. One store function takes at most
 *            250 events or 1 MB.
 * Ownership  a source is embedded in its turn. deltas_drop before it goes.
 * Threads    the loop.
 */
#ifndef DROVER_DISPATCH_TURN_DELTAS_H
#define DROVER_DISPATCH_TURN_DELTAS_H

#include "base/base.h"
#include "base/err.h"
#include "base/id.h"
#include "base/link.h"
#include "base/text.h"
#include "dispatch/base/ask.h"
#include "engine/run/runs.h"
#include "loop/loop.h"
#include "rules/trace/usage.h"
#include "store/store.h"

enum {
    DELTAS_WAIT_MS = 10,
    DELTAS_HELD_MAX = 64 << 20,
    DELTAS_EVENT_MAX = 32 << 10, /* Bytes of text in one event. */
};

enum delta_channel {
    DELTA_TEXT,
    DELTA_THINKING,
    DELTA_WITHDRAWN,
    DELTA_METER,
    DELTA_PROVIDER,
    DELTA_CHANNELS
};

/* Where the pieces of one step of a turn belong. Borrowed until deltas_drop. */
struct delta_place {
    struct bytes owner, stream, run, message;
    int64_t step;
};

struct deltas;
struct delta_source {
    struct link link; /* Private, as all of it. */
    struct deltas *deltas;
    struct delta_place place;
    struct text text;            /* Pieces that wait, each as "channel length text". */
    size_t last;                 /* Where the last of them begins. */
    bool waits;                  /* deltas_provider said so, and deltas_resumed has not. */
    struct delta_write *writing; /* Borrowed; NULL: none. */
    void (*flushed)(struct delta_source *source);
};

/* Asks the store as that asker does, with figures of its own. */
struct deltas *deltas_open(const struct asker *asker);
/* Writes nothing more; what is on its way may still be answered until store_close. */
void deltas_stop(struct deltas *deltas);
void deltas_close(struct deltas *deltas); /* After store_close. NULL: fine. */

void deltas_begin(struct deltas *deltas, struct delta_source *source,
                  const struct delta_place *place);
void deltas_add(struct delta_source *source, enum delta_channel channel, struct bytes piece);
/* All output of this call so far is void: an event `output_discarded` says so, in its place among
 * the pieces. `members`: JSON of what it tells beside run, message and step, or "". */
void deltas_withdraw(struct delta_source *source, struct bytes members);
/* What the call has used until here, reported in its place among the pieces. */
struct delta_meter {
    struct usage usage;
    struct usage_cost cost;
    int64_t window;
};
void deltas_meter(struct delta_source *source, const struct delta_meter *meter);
/* The call waits for its provider, reported in its place among the pieces, as is the end of the
 * wait. No wait, or no source begun: deltas_resumed does nothing. */
void deltas_provider(struct delta_source *source, const struct provider_wait *wait);
void deltas_resumed(struct delta_source *source);
/* `flushed` comes when all that was added is durable: at once, inside the call, if it is. */
void deltas_flush(struct delta_source *source, void (*flushed)(struct delta_source *source));
/* Forgets what waits. Zeroed or dropped: fine. */
void deltas_drop(struct delta_source *source);

struct deltas_stats {
    uint64_t pieces, events, commits, retries;
};
void deltas_get_stats(const struct deltas *deltas, struct deltas_stats *ret_stats);

#endif
