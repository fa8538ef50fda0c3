/* messages.h: the transactions of messages: what a session's history is made of.
 *
 * Promise    history is stored once, as messages and their parts; whoever needs a prompt reads it
 *            from there. Each change appends its event to session:ID in the same commit.
 * Bounds     a message is shown with at most a budget of bytes of texts and data; what is cut says
 *            so, and tx_part_text reads it by range. No page reads more texts than it shows.
 * Ownership  texts of rows that were read live in the transaction's arena.
 * Threads    inside a store function.
 */
#ifndef DROVER_ENGINE_SESSION_MESSAGES_H
#define DROVER_ENGINE_SESSION_MESSAGES_H

#include "engine/session/sessions.h"

enum {
    MESSAGE_PARTS_MAX = 2000,
    MESSAGE_TEXT_MAX = 1 << 20, /* Bytes of the text, */
    MESSAGE_DATA_MAX = 1 << 20, /* and of the data of a part. */
    MESSAGE_METADATA_MAX = 16 << 10,
    MESSAGE_ERROR_MAX = 1000,
    MESSAGE_CLIENT_ID_MAX = 100,
    MESSAGE_QUEUE_MAX = 100,        /* Queued messages of one session. */
    MESSAGE_BYTES_LIST = 256 << 10, /* Of texts and data of one message in a list, */
    MESSAGE_BYTES_WHOLE = 1 << 20,  /* shown alone, */
    MESSAGE_BYTES_EVENT = 32 << 10, /* and in an event. */
};

struct message_key {
    struct bytes owner, message; /* owner data NULL: anybody's. */
};
/* Also the session that it belongs to. Removed ones are not found. */
MUST_CHECK struct err tx_message_find(struct tx *tx, const struct message_key *key, bool *ret_found,
                                      struct message_row *ret_row, struct session_row *ret_session);

/* By the client's own id. *ret_found false: it has sent none of that id to this session. A removed
 * one is found, too: its id is used up. */
MUST_CHECK struct err tx_message_find_client(struct tx *tx, int64_t session, struct bytes client_id,
                                             bool *ret_found, struct message_row *ret_row);

enum message_order { MESSAGES_NEWEST, MESSAGES_OLDEST };
struct message_page {
    int64_t session;
    enum message_order order;
    int64_t after; /* id; 0: from the start. */
    int64_t limit;
};
/* Without parts; those that were removed are left out. The rows stand in the arena. */
struct message_rows {
    struct message_row *rows;
    size_t count;
};
MUST_CHECK struct err tx_message_page(struct tx *tx, const struct message_page *page,
                                      struct message_rows *ret_rows);

/* Where a page begins that has a message in its middle: the rows before that one are half of the
 * page at most, and as JSON (MESSAGE_BYTES_LIST) half of its bytes. */
struct message_around {
    int64_t session, message; /* ids; the message is one that lists show. */
    enum message_order order;
    int64_t limit;
    size_t bytes; /* Limit of a page. */
};
struct message_position {
    int64_t first;  /* id of the first row of the page. */
    int64_t before; /* Number of messages before that row, in the order of the list, */
    int64_t total;  /* and of all; neither is counted beyond MESSAGE_COUNT_MAX. */
};
enum { MESSAGE_COUNT_MAX = 10000 };
MUST_CHECK struct err tx_message_around(struct tx *tx, const struct message_around *around,
                                        struct message_position *ret_position);

/* The text of a user's message becomes another one; nothing else changes. ERR_MESSAGE_NOT_FOUND,
 * ERR_NOT_A_USER_MESSAGE; ERR_TURN_IN_PROGRESS unless it is still queued: *ret_session, whose turn
 * tx_session_turn tells. */
struct message_edit {
    struct message_key key;
    struct bytes text;
};
MUST_CHECK struct err tx_message_edit(struct tx *tx, const struct message_edit *edit,
                                      struct message_row *ret_row, struct session_row *ret_session);

/* A queued message leaves the queue, and its turn ends unbegun. ERR_MESSAGE_NOT_FOUND;
 * ERR_CONFLICT: it is not queued (any more). */
MUST_CHECK struct err tx_message_unqueue(struct tx *tx, const struct message_key *key,
                                         const struct run_bounds *bounds,
                                         struct message_row *ret_row);

/* The run of the turn that runs, else of the first that waits; *ret_run "": none. */
MUST_CHECK struct err tx_session_turn(struct tx *tx, int64_t session, struct bytes *ret_run);

/* A range of a part's text, by bytes, cut at whole characters. *ret_found false: no such part. */
struct part_range {
    int64_t message, number;
    int64_t offset, limit;
};
struct part_text {
    struct bytes text;
    int64_t offset, bytes; /* Where it begins, and the length of the whole. */
};
MUST_CHECK struct err tx_part_text(struct tx *tx, const struct part_range *range, bool *ret_found,
                                   struct part_text *ret_text);

/* Whether a text of the message holds `text`, as tx_session_search looks for it: in the first
 * 256 kB of each. *ret_around, in the arena: what stands around the first place, else untouched. */
MUST_CHECK struct err tx_message_search(struct tx *tx, int64_t message, struct bytes text,
                                        bool *ret_found, struct bytes *ret_around);

/* A message with its parts, as clients see it; at most `budget` bytes of their texts and data. */
MUST_CHECK struct err tx_message_write_json(struct tx *tx, const struct message_row *row,
                                            size_t budget, struct text *text);
/* The same, shown alone: MESSAGE_BYTES_WHOLE, with `session`. */
MUST_CHECK struct err tx_message_write_alone(struct tx *tx, const struct message_row *row,
                                             struct bytes session, struct text *text);
/* The same with `match`: {"text": around}. */
MUST_CHECK struct err tx_message_write_found(struct tx *tx, const struct message_row *row,
                                             size_t budget, struct bytes around, struct text *text);
/* The same where even the list of its parts is too long: "parts":[],"cut":true. */
void message_write_head(const struct message_row *row, struct text *text);

/* --- Export ----------------------------------------------------------------------------------- */

enum {
    SESSION_EXPORT_PAGE = 256 << 10,
    SESSION_EXPORT_TEXT_MAX = 16 << 20, /* Bytes that a page's text must be able to hold. */
};
enum session_export_format { SESSION_EXPORT_JSON, SESSION_EXPORT_MARKDOWN };

/* Where an export is: begin with zeros. */
struct session_export_place {
    bool begun;
    int64_t message; /* id of the one being written, or written last; 0: none. */
    int64_t part;    /* Number of its part that was written last; 0: none. */
    bool open;       /* The message is still being written. */
    bool done;       /* The whole session was written. */
};
struct session_export {
    struct session_key key;
    enum session_export_format format;
    enum run_hold hold; /* The session's state is as tx_session_shown has it. */
    struct session_export_place place;
};
/* Adds the next page of a whole session to `text`. Nothing is cut: a page ends after a part, and
 * has at most SESSION_EXPORT_PAGE bytes and one part more. A page shows the session as it is when
 * the page is read, with messages that came meanwhile. ERR_NOT_FOUND. */
MUST_CHECK struct err tx_session_export(struct tx *tx, const struct session_export *what,
                                        struct text *text, struct session_export_place *ret_place);

#endif
