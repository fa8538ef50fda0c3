/* rows.h: the rows of sessions, and their events. Only the engine includes it.
 *
 * Promise    sessions__write is the one place where a session's own columns are written. Hidden
 *            sessions are found only by the functions that make or remove them.
 * Ownership  texts of a row that was read live in the transaction's arena.
 * Threads    inside a store function.
 * Failure    the transaction keeps every error of these functions: a caller may go straight on, and
 *            return tx_error at its end. MUST_CHECK marks those that fail by themselves, too.
 */
#ifndef DROVER_ENGINE_SESSION_ROWS_H
#define DROVER_ENGINE_SESSION_ROWS_H

#include "engine/session/sessions.h"
#include "journal/journal.h"
#include "rules/trace/usage.h"

/* The columns in the order of sessions__borrow; the long ones come last, for lists without them. */
#define SESSION_COLUMNS_LIGHT                                                                      \
    "s.id, s.session, s.owner, s.project, s.parent, COALESCE(p.session, ''), s.depth, s.version,"  \
    " s.state, s.archived_ms, s.made_ms, s.changed_ms, s.calls, s.fresh, s.cache_read,"            \
    " s.cache_write, s.output, s.reasoning, s.cost_micros, s.cost_unknown, s.context_used,"        \
    " s.context_window, s.title, s.title_by, s.model, s.agent, s.root, s.forked_from, s.metadata"
enum { SESSION_COLUMNS_LIGHT_COUNT = 29 };
#define SESSION_COLUMNS SESSION_COLUMNS_LIGHT ", s.settings, s.instructions"
#define SESSION_FROM " FROM sessions s LEFT JOIN sessions p ON p.id = s.parent"

/* Borrows the texts from the row under the cursor. */
void sessions__borrow(const struct rows *rows, enum session_form form, struct session_row *ret_row);
/* Copies the texts of a row into the arena. */
void sessions__copy(struct tx *tx, struct session_row *row);

MUST_CHECK struct err sessions__find(struct tx *tx, const struct session_key *key, bool *ret_found,
                                     struct session_row *ret_row);
/* ERR_NOT_FOUND, with this step: there is none. */
MUST_CHECK struct err sessions__get(struct tx *tx, const struct session_key *key, const char *step,
                                    struct session_row *ret_row);
MUST_CHECK struct err sessions__find_id(struct tx *tx, int64_t id, bool *ret_found,
                                        struct session_row *ret_row);
MUST_CHECK struct err sessions__find_hidden(struct tx *tx, struct bytes session, int64_t hidden,
                                            bool *ret_found, struct session_row *ret_row);
/* hidden: 0, or the epoch of the daemon that makes it. row->id is given here. */
void sessions__insert(struct tx *tx, int64_t hidden, struct session_row *row);
void sessions__set_hidden(struct tx *tx, const struct session_row *row, int64_t hidden);
/* Title, model, agent, root, instructions, settings, metadata, archived_ms, version; changed_ms
 * becomes now. */
void sessions__write(struct tx *tx, struct session_row *row);
/* Writes state and changed_ms, and an event of the project, if the state is another. */
struct err sessions__set_state(struct tx *tx, enum session_state state, struct session_row *row);
/* Texts of a session that is deleted become "" or {}, in the row, too. */
void sessions__empty(struct tx *tx, struct session_row *row);
/* changed_ms becomes now: the session has a new message. */
struct err sessions__touch(struct tx *tx, struct session_row *row);
/* Of one call. */
struct session_usage sessions__sums_of(const struct usage *usage, const struct usage_cost *cost);
void sessions__add_sums(const struct session_usage *usage, struct session_usage *sum);
/* Adds to the sums, of the row, too. */
struct err sessions__add_usage(struct tx *tx, const struct session_usage *usage,
                               struct session_row *row);
/* How full the window of the model is that was asked last. */
struct session_context {
    int64_t used, window;
};
struct err sessions__set_context(struct tx *tx, const struct session_context *context,
                                 struct session_row *row);

/* --- Events ----------------------------------------------------------------------------------- */

/* On session:ID. data: a compact JSON object. */
struct err sessions__event(struct tx *tx, const struct session_row *row, struct bytes type,
                           struct bytes data);
/* The same for a built text, which may have failed. */
struct err sessions__event_text(struct tx *tx, const struct session_row *row, struct bytes type,
                                const struct text *data);
enum { SESSION_STREAM_MAX = 64 };
/* "session:ses_…", in `ret_name`. */
struct bytes sessions__stream(const struct session_row *row, char ret_name[SESSION_STREAM_MAX]);
/* On project:NAME: {"session","title","state","archived","changed_ms","parent"}. */
struct err sessions__tell_project(struct tx *tx, const struct session_row *row, struct bytes type);
/* Takes the session's title out of a page of the project's events, which become {"session","title":
 * "","deleted":true}. *ret_some: call again. */
MUST_CHECK struct err sessions__untell_project(struct tx *tx, const struct session_row *row,
                                               int64_t limit, bool *ret_some);
/* Retention of a session's stream: messages hold the whole, and a follower that comes back later
 * starts with a snapshot. */
enum { SESSION_EVENTS_KEPT_MS = 10 * 60 * 1000, SESSION_EVENTS_KEPT = 1000 };
/* While a turn runs, its events stay: the text of a call that is out stands nowhere else. When it
 * has ended, those beyond the retention are cut. */
MUST_CHECK struct err sessions__hold_events(struct tx *tx, const struct session_row *row);
MUST_CHECK struct err sessions__release_events(struct tx *tx, const struct session_row *row);
/* session_created, on both: from then on the session has a stream. */
struct err sessions__tell_created(struct tx *tx, const struct session_row *row);
/* deleted, with which the session's stream ends, and session_deleted. */
void sessions__tell_deleted(struct tx *tx, const struct session_row *row);

#endif
