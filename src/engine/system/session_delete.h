/* session_delete.h: the end of a session, and the removal of all that it holds.
 *
 * Threads    inside a store function. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_SYSTEM_SESSION_DELETE_H
#define DROVER_ENGINE_SYSTEM_SESSION_DELETE_H

#include "engine/session/sessions.h"

/* Asks the session's turns to end, then hides the session: from that commit on it does not exist,
 * and its pending notices are settled as gone. The sessions of its subagents go first, one a call.
 * *ret_more: call again. Its rows are removed afterwards by tx_session_purge. ERR_NOT_FOUND. */
struct session_delete {
    struct session_key key;
    bool jobs; /* Jobs that its turns started are asked to end, too. */
    struct run_bounds bounds;
};
MUST_CHECK struct err tx_session_delete(struct tx *tx, const struct session_delete *what,
                                        bool *ret_more);

/* The first of those that were deleted before that time is deleted so, and *ret_more is true. */
MUST_CHECK struct err tx_session_expire(struct tx *tx, int64_t before_ms, int64_t count_max,
                                        bool *ret_more);

/* Turns of a session are asked to end, queued ones included. *ret_more: call again. */
MUST_CHECK struct err tx_session_quiet(struct tx *tx, const struct session_row *row,
                                       const struct run_bounds *bounds, bool *ret_more);

/* Removes a page of what deleted sessions, and forks that a crash cut short, left: their runs and
 * the folders of these, too. The stream, with its last event alone, goes SESSION_STREAM_KEPT_MS
 * later, so that a client that was away for a moment receives the end. Zeroed before the first call
 * of a round. */
struct session_purge {
    int64_t after; /* Id of the last session that this round leaves: its runs are waited for, or
                    * the caller has set this to `at`, since the call for that one failed. */
    int64_t at;    /* Id of the session of the last call, also of one that failed; 0: none. */
    bool more;     /* Call again. */
    bool removed;  /* This round removed rows. */
    bool waits;    /* A run of a deleted session has not ended, or only just: come again soon. */
};
MUST_CHECK struct err tx_session_purge(struct tx *tx, struct session_purge *purge);

#endif
