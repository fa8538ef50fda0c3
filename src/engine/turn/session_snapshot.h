/* session_snapshot.h: the state of session:ID, for a client that just came.
 *
 *   {"session": {…},                  as a list of sessions shows it
 *    "turn": {"run", "number", "state", "gate", "resume_at_ms"} | null   that is going on
 *    "streaming": "text" | "thinking" | "tool" | null
 *    "messages": […], "next": "…",    the newest, at most 50, newest first, the running one as far
 *                                     as it got; `next` as in their list
 *    "queue": ["msg_…", …],           what waits, oldest first
 *    "tools": [{"message", "number", "name", "state", "call", "run"?}, …]}  open; at most 100
 *
 * Promise    at most SNAPSHOT_MAX bytes, however long the texts are: a message that has no room any
 *            more, and all before it, are left to `next`; what is cut says so, as in lists.
 */
#ifndef DROVER_ENGINE_TURN_SESSION_SNAPSHOT_H
#define DROVER_ENGINE_TURN_SESSION_SNAPSHOT_H

#include "journal/snapshot.h"

extern const struct snapshot_kind session_snapshot;

#endif
