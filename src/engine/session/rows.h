/* rows.h: the rows of sessions, and their events. Only the engine includes it.
 *
 * Promise    tx_session_change is the one place where a session's own columns are written. Hidden
 *            sessions are found only by the functions that make or remove them.
 * Ownership  texts of a row that was read live in the transaction's arena.
 * Threads    inside a store function.
 * Failure    the transaction keeps every error of these functions: a caller may go straight on, and
 *            return tx_error at its end. MUST_CHECK marks those that fail by themselves, too.
 */
#ifndef DROVER_ENGINE_SESSION_ROWS_H
#define DROVER_ENGINE_SESSION_ROWS_H

#include "engine/base/resource.h"
#include "engine/session/sessions.h"
#include "journal/journal.h"
#include "rules/session/resource.h"
#include "rules/trace/usage.h"

/* Borrows the texts from the row under the cursor. */
void sessions__borrow(const struct rows *rows, enum resource_form form,
                      struct session_row *ret_row);
/* Copies the texts of a row into the arena. */
void sessions__copy(struct tx *tx, struct session_row *row);

/* False: there is none in sight, or an error. */
MUST_CHECK bool sessions__find(struct tx *tx, const struct session_key *key,
                               struct session_row *ret_row);
MUST_CHECK bool sessions__find_id(struct tx *tx, int64_t id, struct session_row *ret_row);
MUST_CHECK bool sessions__find_hidden(struct tx *tx, struct bytes session, int64_t hidden,
                                      struct session_row *ret_row);
/* ERR_NOT_FOUND, with this step: there is none. */
MUST_CHECK struct err sessions__get(struct tx *tx, const struct session_key *key, const char *step,
                                    struct session_row *ret_row);
/* SQL: 1: a run of that key waits at a gate. */
#define QUEUED_SQL(owner, key)                                                                     \
    "COALESCE((SELECT 1 FROM runs WHERE runs.owner = " owner " AND runs.run_key = " key            \
    " AND runs.run_key <> '' AND runs.gate <> '' AND runs.ended_ms IS NULL LIMIT 1), 0)"

/* The end of what was said last, of LAST_CHARS at most. */
#define LAST_CHARS "300"
#define LAST_SQL(session)                                                                          \
    "COALESCE((SELECT CASE WHEN length(p.text) > " LAST_CHARS                                      \
    " THEN substr(p.text, length(p.text) - " LAST_CHARS " + 1) ELSE p.text END"                    \
    " FROM messages m JOIN parts p ON p.message = m.id WHERE m.session = " session                 \
    " AND m.active = 1 AND m.role IN ('user', 'assistant')"                                        \
    " AND m.status NOT IN ('removed', 'rolled_back', 'reserved')"                                  \
    " AND p.kind = 'text' AND p.text <> '' ORDER BY m.id DESC, p.number DESC LIMIT 1), '')"

/* At most one turn of a session has begun and not ended: gate "". The turn of a session that is
 * idle has not begun, so a gate holds it. */
MUST_CHECK struct err sessions__shown(struct tx *tx, enum run_hold hold, bool queued,
                                      struct session_row *io_row);
/* row->id is given here. */
void sessions__insert(struct tx *tx, struct session_row *row);
/* Inserts the messages of what it adopts (adopt.c), and the notice. */
void sessions__adopt(struct tx *tx, const struct session_adopted *what, struct session_row *row);
/* Writes what the session needs of its program. */
void sessions__set_native(struct tx *tx, struct session_row *row);
/* Writes those that are given, and are others. */
void sessions__set_places(struct tx *tx, const struct client_places *given,
                          struct session_row *row);
void sessions__set_hidden(struct tx *tx, const struct session_row *row, int64_t hidden);
/* Writes state and changed_ms, if the state is another. */
void sessions__set_state(struct tx *tx, enum session_state state, struct session_row *row);
/* Texts of a session that is deleted become "" or {}, in the row, too. */
void sessions__empty(struct tx *tx, struct session_row *row);
/* changed_ms becomes now: the session has a new message. */
void sessions__touch(struct tx *tx, struct session_row *row);
/* Of one call. */
struct session_usage sessions__sums_of(const struct usage *usage, const struct usage_cost *cost);
/* Adds to the sums, of the row, too. */
void sessions__add_usage(struct tx *tx, const struct session_usage *usage, struct session_row *row);
/* How full the window of the model is that was asked last. */
struct session_context {
    int64_t used, window;
};
void sessions__set_context(struct tx *tx, const struct session_context *context,
                           struct session_row *row);

/* --- Events ----------------------------------------------------------------------------------- */

/* On session:ID. data: a compact JSON object. */
void sessions__event(struct tx *tx, const struct session_row *row, struct bytes type,
                     struct bytes data);
/* The same for a built text, which may have failed. */
void sessions__event_text(struct tx *tx, const struct session_row *row, struct bytes type,
                          const struct text *data);
/* "session:ses_…", in the arena. */
struct bytes sessions__stream(struct tx *tx, const struct session_row *row);
/* False, and all of it 0: there is none. */
bool sessions__find_stream(struct tx *tx, const struct session_row *row,
                           struct stream_state *ret_state);
/* Appends session_changed (engine/base/follow.h). */
void sessions__tell_changed(struct tx *tx, int64_t id);
/* Takes what the session and its runs had in lists out of a page of the events of its owner and
 * project, which become {"id", "removed": true}. True: call again. */
MUST_CHECK bool sessions__untell(struct tx *tx, const struct session_row *row, int64_t limit);
/* Retention of a session's stream: messages hold the whole, and a follower that comes back later
 * starts with a snapshot. */
enum { SESSION_EVENTS_KEPT_MS = 10 * 60 * 1000, SESSION_EVENTS_KEPT = 1000 };
/* While a turn runs, its events stay: the text of a call that is out stands nowhere else. When it
 * has ended, those beyond the retention are cut. */
void sessions__hold_events(struct tx *tx, const struct session_row *row, enum stream_hold hold);
/* session_created: from then on the session has a stream. */
void sessions__tell_created(struct tx *tx, const struct session_row *row);
/* session_changed, removed: from the lists that it was in. */
void sessions__tell_removed(struct tx *tx, const struct session_row *row);
/* deleted, with which the session's stream ends; and session_changed, removed. */
void sessions__tell_deleted(struct tx *tx, const struct session_row *row);

#endif
