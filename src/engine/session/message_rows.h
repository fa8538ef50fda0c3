/* message_rows.h: the rows of messages and parts, and their events. Only the engine includes it.
 *
 * Promise    messages__write_status is the one place where a status is written: it asserts the
 *            edge. `bytes` of a part is that of its text after each change.
 * Ownership  texts of a row that was read live in the transaction's arena.
 * Threads    inside a store function.
 */
#ifndef DROVER_ENGINE_SESSION_MESSAGE_ROWS_H
#define DROVER_ENGINE_SESSION_MESSAGE_ROWS_H

#include "engine/run/rows.h"
#include "engine/session/messages.h"
#include "engine/session/rows.h"

enum { MESSAGE_LIVE_MAX = MESSAGE_QUEUE_MAX + 2 };

extern const struct resource message_resource, part_resource;
enum message_columns { MESSAGE_PROGRESS = FIELD_SET }; /* Written by messages__write_status. */
#define MESSAGE_SELECT "SELECT m.* FROM messages m WHERE "

/* States of parts that are open (part_state_open), as the index parts_open has them: SQLite uses a
 * partial index only where a query repeats its condition. */
#define PARTS_OPEN_STATES "('ready', 'asking', 'reviewing', 'running', 'pending')"

/* The transaction keeps every error of the functions here, but for messages__get. What is found is
 * false, or empty, after one. */

MUST_CHECK bool messages__find(struct tx *tx, struct bytes message, struct message_row *ret_row);
MUST_CHECK bool messages__find_id(struct tx *tx, int64_t id, struct message_row *ret_row);
/* tx_message_find, or ERR_MESSAGE_NOT_FOUND with this step. */
MUST_CHECK struct err messages__get(struct tx *tx, const struct message_key *key, const char *step,
                                    struct message_row *ret_row, struct session_row *ret_session);
/* By SQL that begins with MESSAGE_SELECT; at most `max`. */
MUST_CHECK struct message_rows messages__many(struct tx *tx, const char *sql,
                                              const struct arg *args, size_t count, size_t max);
/* Messages of a session that are queued or running, oldest first, at most MESSAGE_LIVE_MAX. */
MUST_CHECK struct message_rows messages__live(struct tx *tx, int64_t session);
/* Messages that wait to join this turn, oldest first. */
MUST_CHECK struct message_rows messages__steering(struct tx *tx, int64_t session, int64_t run);
/* Messages that are in the input of the program that answers, and that it has not read. */
MUST_CHECK struct message_rows messages__delivered(struct tx *tx, int64_t run);

/* Writes the row (its id is given here) and its parts (message and number are given here), touches
 * the session, and appends message_added. Texts with data NULL are "", or "{}". */
struct message_insert {
    struct session_row *session; /* changed_ms becomes now. */
    struct message_row *row;
    struct message_part *parts;
    size_t count;
    bool room;  /* The number before it stays free, for a note that may come to stand there. */
    int64_t at; /* That number, of a note; 0: after all others. */
};
void messages__insert(struct tx *tx, const struct message_insert *what);
/* The same without the touch and the event: for copies. */
void messages__insert_quiet(struct tx *tx, const struct message_insert *what);

/* Status, cause, error, active, run, metadata. `row->status` is the status until now. */
void messages__write_status(struct tx *tx, enum message_status status, struct message_row *row);
/* JSON Schema of the answers to a message. Read with the turns that answer it (turn/rows.c). */
void messages__write_schema(struct tx *tx, int64_t id, struct bytes schema);
/* Name of the model that wrote the message `m`. While its turn is stored, the turn has the name. */
#define MESSAGE_MODEL                                                                              \
    "COALESCE(NULLIF((SELECT t.model FROM turns t WHERE t.run = m.run), ''), m.model)"
/* The turn's row is about to be removed: its answer takes the name over. */
void messages__keep_model(struct tx *tx, int64_t run);
/* The texts of a message become this one; images stay. */
void messages__write_text(struct tx *tx, const struct message_row *row, struct bytes text);
/* The same, and message_edited. */
void messages__move(struct tx *tx, const struct session_row *session, enum message_status status,
                    struct message_row *row);
/* message_removed, and the status. */
void messages__remove(struct tx *tx, const struct session_row *session, struct message_row *row);
/* Removes all messages of the session after that one (id; 0: all there are) at once, and voids the
 * summaries of them. The caller appends the event. */
void messages__remove_behind(struct tx *tx, const struct session_row *session, int64_t after);
/* message_added, message_edited: the whole message as it is now, as far as an event holds it. */
void messages__tell_added(struct tx *tx, const struct session_row *session,
                          const struct message_row *row);
void messages__tell_edited(struct tx *tx, const struct session_row *session,
                           const struct message_row *row);
/* cleared: the messages after that one are gone; after data NULL: all are. */
struct messages_cleared {
    struct bytes after, fork; /* fork: ses_…, where they can still be read; "": nowhere. */
};
void messages__tell_cleared(struct tx *tx, const struct session_row *session,
                            const struct messages_cleared *what);
/* queue_changed: the ids of the queued messages, oldest first. */
void messages__tell_queue(struct tx *tx, const struct session_row *session);

/* --- Parts ------------------------------------------------------------------------------------ */

/* number 0: the next free one. ERR_TOO_MANY: the message has MESSAGE_PARTS_MAX. */
void parts__insert(struct tx *tx, struct message_part *part);
/* Writes columns of (message, number). */
enum part_columns {
    PART_WORDS = FIELD_SET,       /* Data and text. */
    PART_DATA = FIELD_SET << 1,   /* Data. */
    PART_MOVED = FIELD_SET << 2,  /* State, cause and run; */
    PART_RESULT = FIELD_SET << 3, /* with the text. */
};
void parts__write(struct tx *tx, enum part_columns columns, const struct message_part *part);
/* The first one after `after`, whole. */
MUST_CHECK bool parts__next(struct tx *tx, int64_t message, int64_t after,
                            struct message_part *ret_part);
/* In order; of their texts and data at most `budget` bytes in all, the rest comes cut (text.len <
 * bytes) or empty (data.len < data_bytes). They stand in the arena. */
struct message_parts {
    struct message_part *parts;
    size_t count;
};
MUST_CHECK struct message_parts parts__read(struct tx *tx, int64_t message, size_t budget);

/* --- As clients see them, piece by piece (json.c) --------------------------------------------- */

/* A text that was cut has its whole length beside it; data that did not fit is null. */
void part_write_json(const struct message_part *part, int64_t ms, struct text *text);
/* Usage of the calls of a turn that have ended; those for summaries and reviews belong to it, too.
 */
struct session_usage messages__usage(struct tx *tx, int64_t run);
/* Up to its parts: neither these nor the last brace. An answer has the model that its turn asks,
 * and the usage of the turn so far. */
void messages__write_open(struct tx *tx, const struct message_row *row, struct text *text);
/* The same with its parts, and after them `more`, texts that are no rows yet, within the budget. */
void messages__write_parts(struct tx *tx, const struct message_row *row, size_t budget,
                           struct message_parts more, struct text *text);
/* Member "queue": the ids of those of a session's live messages that are queued. */
void messages__write_queue(const struct message_rows *live, struct text *text);

#endif
