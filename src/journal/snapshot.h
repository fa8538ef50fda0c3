/* snapshot.h: the state of a stream, which a new reader gets before the events.
 *
 * Promise    a snapshot and its seq come from one transaction: whoever takes the snapshot and then
 *            every event after that seq has seen all there is.
 * How        a stream has a state when its name begins with the prefix of a registered kind and the
 *            kind's writer finds it: the snapshot is that state as of the stream's head, and the
 *            tail is what comes after. Any other stream has none: its snapshot is
 *            {"floor","head"}, with seq = floor, and the tail is all that is left of it.
 * Ownership  kinds are static, or live as long as the hub.
 * Threads    inside a store function: a writer runs on any reader thread, in the transaction of the
 *            page that begins with it.
 * Failure    an error of a writer is the page's. What a writer wrote is dropped when it finds
 *            nothing, fails, or has more to say than SNAPSHOT_MAX bytes (ERR_INTERNAL: it knows the
 *            bound).
 */
#ifndef DROVER_JOURNAL_SNAPSHOT_H
#define DROVER_JOURNAL_SNAPSHOT_H

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"
#include "journal/journal.h"

enum { SNAPSHOT_MAX = EVENT_DATA_MAX }; /* Bytes of compact JSON: a frame like any other. */

struct snapshot_of {
    struct bytes owner; /* Of the stream. */
    struct bytes id;    /* Its name after the prefix. */
    struct bytes place; /* As snapshot_kinds says. */
    bool held;          /* The daemon held when the snapshot was asked for. */
};
struct snapshot_kind {
    struct bytes prefix; /* "session:" */
    /* Writes a JSON object, compact, into an empty text of SNAPSHOT_MAX. *ret_found false: the
     * owner has nothing of that name. */
    struct err (*write)(struct tx *tx, const struct snapshot_of *of, bool *ret_found,
                        struct text *text);
};
struct snapshot_kinds {
    const struct snapshot_kind *const *kinds;
    size_t count;
    /* Called on the loop before a snapshot is read: whether the daemon holds. NULL: it never does.
     * A writer cannot ask for itself, since it runs on a reader thread. */
    bool (*held)(void *ctx);
    /* Place of the daemon among others that share the database; no bytes: it is alone. Constant
     * from the first snapshot on, since it is asked for on reader threads. NULL: alone. */
    struct bytes (*place)(void *ctx);
    void *ctx;
};

/* `state` was read in this transaction. `text` is cleared first. *ret_seq: after which event the
 * tail goes on. */
struct snapshot_ask {
    struct bytes owner, name;
    struct stream_state state;
    bool held; /* As snapshots_held said when the snapshot was asked for. */
};
bool snapshots_held(const struct snapshot_kinds *kinds); /* On the loop. */
MUST_CHECK struct err tx_snapshot(struct tx *tx, const struct snapshot_kinds *kinds,
                                  const struct snapshot_ask *ask, struct text *text,
                                  int64_t *ret_seq);

#endif
