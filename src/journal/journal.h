/* journal.h: streams of events, appended inside the transaction that changes the state.
 *
 * Promise    seq of a stream runs 1, 2, 3 … without gap or reuse. An event is seen by nobody before
 *            it is durable. Events below `floor` are pruned; a reader from below gets a snapshot.
 * Threads    tx_… functions: inside a store function. Everything of the hub: the loop.
 *            A stream may end: after its last event comes nothing, and readers are notified.
 * Failure    outputs are untouched. What is too long or badly named is refused before any SQL.
 *
 * A stream is named by (owner, name); `stream` is its number inside the database.
 */
#ifndef DROVER_JOURNAL_JOURNAL_H
#define DROVER_JOURNAL_JOURNAL_H

#include "base/base.h"
#include "base/err.h"
#include "store/store.h"

enum {
    STREAM_NAME_MAX = 200,      /* Bytes. */
    STREAM_OWNER_MAX = 64,      /* Bytes. */
    EVENT_TYPE_MAX = 64,        /* [a-z][a-z0-9_.-]{0,63}; snapshot, done, closing are ours. */
    EVENT_DATA_MAX = 256 << 10, /* Bytes of compact JSON. */
    JOURNAL_PAGE_EVENTS = 256,  /* A read transaction lives for one page … */
    JOURNAL_PAGE_BYTES = 1 << 20,
    JOURNAL_NOTE = 0,        /* The kind under which store notes reach the hub. */
    JOURNAL_PRUNE_MAX = 256, /* Events that one transaction cuts. */
};

/* 1 to 200 of A-Z a-z 0-9 . _ : @ ~ - but neither "." nor "..", which clients take out of a URL. */
MUST_CHECK bool stream_name_valid(struct bytes name);
/* session:, run:, project:, owner:, log:, system and system:admin: written by the daemon alone. */
MUST_CHECK bool stream_name_reserved(struct bytes name);
/* system:admin is read by admins alone. ERR_FORBIDDEN. */
MUST_CHECK struct err stream_check_reader(struct bytes name, unsigned scopes, struct why *why);
MUST_CHECK bool event_type_valid(struct bytes type); /* Of the form, and not one of ours. */

struct append {
    struct bytes owner, stream, type, data; /* Borrowed during the call. `data` is compact JSON. */
    bool last;                              /* The stream ends with it. */
};
struct appended {
    int64_t stream, seq, at_ms;
};
/* Three statements (look, raise or make the stream, insert), one row written in streams and one in
 * events, and one note. The stream is made by its first append. ERR_BAD_FIELD for a name, an owner,
 * a type or data (a line break) that cannot be right, ERR_BODY_TOO_LARGE for too much, ERR_CONFLICT
 * for a stream that has ended. */
MUST_CHECK struct err tx_append(struct tx *tx, const struct append *append,
                                struct appended *ret_appended);
/* Several events of one stream, in this order: the same statements, but the stream is looked up and
 * raised once for all of them. At least one; only the last may end the stream. All or none. */
MUST_CHECK struct err tx_append_all(struct tx *tx, const struct append *appends, size_t count,
                                    struct appended *ret_last);

/* PREFIX and NAME as one, in the arena. */
struct bytes tx_stream_name(struct tx *tx, const char *prefix, struct bytes name);

struct stream_state {
    int64_t stream, head, floor; /* Events with floor < seq <= head exist. */
    bool ended;                  /* Nothing comes after head. */
};
/* *ret_value is the answer of a store function, unless the transaction has an error: that then. */
MUST_CHECK struct err journal__told(const struct tx *tx, bool value, bool *ret_value);
/* *ret_found false: no such stream, ret_state untouched. */
MUST_CHECK struct err tx_stream_find(struct tx *tx, struct bytes owner, struct bytes name,
                                     bool *ret_found, struct stream_state *ret_state);

/* One event as read back; borrowed until the next step. */
struct event {
    int64_t seq, at_ms;
    struct bytes type, data;
};
/* The same with bounds of the caller, for the hub. */
struct journal__page {
    int64_t stream, after;
    int64_t events_max;
    size_t bytes_max; /* Of types and data; the first event is given in any case. */
};
MUST_CHECK struct err journal__read(struct tx *tx, const struct journal__page *page,
                                    struct err (*each)(void *ctx, const struct event *event),
                                    void *ctx);
/* Calls `each` for events with seq > after, in order, at most `limit` (and JOURNAL_PAGE_EVENTS) and
 * JOURNAL_PAGE_BYTES (but at least one when there is one). An error of `each` ends it. */
MUST_CHECK struct err tx_events(struct tx *tx, int64_t stream, int64_t after, int64_t limit,
                                struct err (*each)(void *ctx, const struct event *event),
                                void *ctx);

/* Row of a list of streams. */
struct stream_row {
    struct bytes name; /* Borrowed during the call. */
    int64_t head, floor, made_ms;
    int64_t keep_events, keep_ms; /* 0: kept for ever. */
};
typedef struct err (*stream_row_fn)(void *ctx, const struct stream_row *row);
struct stream_page {
    struct bytes owner, after; /* Names above `after`; empty: from the first. */
    int64_t limit;
};
MUST_CHECK struct err tx_stream_each(struct tx *tx, const struct stream_page *page,
                                     stream_row_fn each, void *ctx);
struct stream_name {
    struct bytes owner, name;
};
/* Calls `show` with the row. *ret_found false: there is none. */
MUST_CHECK struct err tx_stream_show(struct tx *tx, const struct stream_name *stream,
                                     bool *ret_found, stream_row_fn show, void *ctx);

/* Cuts a prefix: events up to `through` go, floor rises; at most `count_max` events a call (one
 * small transaction, JOURNAL_PRUNE_MAX is a good number). *ret_more: call again. */
MUST_CHECK struct err tx_prune(struct tx *tx, int64_t stream, int64_t through, int64_t count_max,
                               bool *ret_more);

/* Removes a stream with all its events, at most `count_max` of them a call; *ret_more: call again.
 * One that does not exist is fine. */
MUST_CHECK struct err tx_stream_remove(struct tx *tx, const struct stream_name *stream,
                                       int64_t count_max, bool *ret_more);

/* Retention of a stream: the latest `events`, and what is younger than `ms`. 0: no such
 * bound. Both 0 (as every stream is born): everything, for ever. */
struct retention {
    int64_t events, ms;
};
MUST_CHECK struct err tx_stream_keep(struct tx *tx, struct bytes owner, struct bytes name,
                                     struct retention keep, bool *ret_found);

/* Events from here on stay, whatever the retention says, until it is released: somebody reads
 * it again. Held a second time: from there on. A stream that does not exist is fine. */
enum stream_hold { STREAM_HOLD, STREAM_RELEASE };
MUST_CHECK struct err tx_stream_hold(struct tx *tx, const struct stream_name *stream,
                                     enum stream_hold hold);

/* The same for what a client sets: absent values stay as they are, and 0 means for ever. */
struct stream_keep {
    bool has_events, has_ms;
    int64_t events, ms;
};
MUST_CHECK struct err tx_stream_set_keep(struct tx *tx, const struct stream_name *stream,
                                         const struct stream_keep *keep, bool *ret_found);

/* Cuts what the stream's own retention no longer keeps at tx_now_ms, as tx_prune does. */
MUST_CHECK struct err tx_prune_kept(struct tx *tx, int64_t stream, bool *ret_more);

#endif
