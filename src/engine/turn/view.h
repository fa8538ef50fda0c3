/* view.h: the reply of a turn, for a client that waits for it; and the state of session:ID, for a
 * client that just came.
 *
 *   {"session": {…},                  as a list of sessions shows it
 *    "turn": {"run", "number", "state", "gate", "waits_for"?, "resume_at_ms"} | null
 *                                     the turn that runs, else the first one that is queued
 *    "streaming": "text" | "thinking" | "tool" | null
 *    "messages": […], "next": "…",    the newest, at most 50, newest first, the running one as far
 *                                     as it got; `next` as in their list
 *    "queue": ["msg_…", …],           what waits, oldest first
 *    "tools": [{"message", "number", "name", "state", "call", "run"?}, …]}  open; at most 100
 *
 * Promise    a state has at most SNAPSHOT_MAX bytes, however long the texts are: a message that has
 *            no room any more, and all before it, are left to `next`; what is cut says so, as in
 *            lists.
 * Threads    inside a store function. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_TURN_VIEW_H
#define DROVER_ENGINE_TURN_VIEW_H

#include "engine/session/sessions.h"
#include "journal/snapshot.h"

extern const struct snapshot_kind session_snapshot;

struct turn_reply {
    struct run_row run;
    struct bytes text; /* Text of the last step, in the arena; data NULL: it has not ended. */
    int64_t seq;       /* The head of the session's stream, of the same moment. */
};
/* ERR_NOT_FOUND: there is no such turn of that session (any more). */
MUST_CHECK struct err tx_turn_reply(struct tx *tx, const struct session_key *session,
                                    struct bytes run, struct turn_reply *ret_reply);

#endif
