/* sessions.h: the transactions of sessions: create, find, list, change, delete, fork.
 *
 * Promise    each function is the whole of one change: rows, and the events of it on session:ID and
 *            project:NAME in the same commit. What belongs to another owner does not exist, and
 *            neither does what is being deleted.
 * Ownership  texts of rows that were read live in the transaction's arena.
 * Threads    inside a store function. What a session is stands in rules/session/session.h.
 * Failure    as store.h: after an SQL error only return.
 */
#ifndef DROVER_ENGINE_SESSION_SESSIONS_H
#define DROVER_ENGINE_SESSION_SESSIONS_H

#include "base/text.h"
#include "engine/run/runs.h"
#include "rules/session/given.h"
#include "rules/session/session.h"

enum {
    SESSION_DEPTH_MAX = 3, /* Of subagents. */
    SESSION_SEARCH_MAX = 200,
    SESSION_SEARCH_SESSIONS = 1000,
    SESSION_SEARCH_BYTES = 16 << 20,
    SESSION_PURGE_PAGE = 200, /* Rows that one transaction removes, */
    SESSION_FORK_PAGE = 500,  /* or copies, and a little more, */
    SESSION_FORK_BYTES = 2 << 20,
    SESSION_STREAM_KEPT_MS = 10 * 60 * 1000,
};

struct session_key {
    struct bytes owner, session; /* owner data NULL: anybody's. */
};

struct session_new {
    struct id session;
    struct bytes owner, parent; /* parent: ses_… or "". A subagent's depth is its parent's and 1. */
    struct bytes project, title, model, agent, root, instructions;
    struct bytes settings, metadata; /* JSON objects, compact. */
    struct bytes program;            /* JSON of struct agent_definition. */
    struct bytes path, config_dir;
    struct bytes folder; /* Folder of its project, where none is named; none: default. */
    const struct session_adopted *adopted; /* NULL: it begins empty. */
    bool archived; /* From the first moment, and in no list that is followed. */
    bool main;     /* tx_session_main finds it from now on. */
};
/* Texts that have no data are "", or "{}", or the project of the folder. ERR_NOT_FOUND: no such
 * parent of this owner. */
MUST_CHECK struct err tx_session_create(struct tx *tx, const struct session_new *what,
                                        struct session_row *ret_row);

/* The main session of an agent and a folder, which all runs share that ask for it; *ret_found
 * false: there is none yet. The caller makes one in the same transaction. */
struct session_main {
    struct bytes owner, agent, root;
};
MUST_CHECK struct err tx_session_main(struct tx *tx, const struct session_main *what,
                                      bool *ret_found, struct session_row *ret_row);

/* A session that a program had before, with which a new one goes on (adopt.c). Its messages are
 * shown, and the program is not told them; the notice after them says where they come from. */
enum { SESSION_ADOPTED_PARTS_MAX = 100 }; /* In one message. */
struct session_adopted_message {
    enum message_role role;
    const struct message_part *parts;
    size_t count;
};
struct session_adopted {
    struct bytes native; /* Id of that session: letters, digits and '-'. */
    struct bytes reader; /* State of the reader by which the first turn goes on with it. */
    struct bytes notice;
    uint8_t seed[32]; /* For the ids of messages. */
    const struct session_adopted_message *messages;
    size_t count;
};
/* The session that goes on with it already, of whatever owner; *ret_found false: none does. A
 * session of a program has one writer. */
MUST_CHECK struct err tx_session_native(struct tx *tx, struct bytes native, bool *ret_found,
                                        struct session_row *ret_row);

MUST_CHECK struct err tx_session_find(struct tx *tx, const struct session_key *key, bool *ret_found,
                                      struct session_row *ret_row);
/* The row as clients see it: a session whose turn waits for the end of a hold (run_shown) is
 * WAITING. Nothing is decided by such a row. */
MUST_CHECK struct err tx_session_shown(struct tx *tx, enum run_hold hold,
                                       struct session_row *io_row);

/* --- Lists ------------------------------------------------------------------------------------ */

/* Each session is on one of them. */
enum session_shelf { SHELF_OPEN, SHELF_ARCHIVED, SHELF_DELETED };
/* The session changed last comes first. Where a page goes on: */
struct session_cursor {
    int64_t changed_ms, id; /* Both 0: from the start. */
};
struct session_page {
    struct bytes owner;
    struct bytes parent;  /* ses_…: its subagents; "": those that are nobody's. */
    struct bytes fork_of; /* ses_…: its forks; "": whatever they are. */
    struct bytes project; /* "": of every one. */
    struct bytes agent;   /* "": of every one. */
    enum session_shelf shelf;
    int64_t since_ms; /* Changed then or later; 0: any. */
    struct session_cursor after;
    int64_t limit;
    enum run_hold hold; /* States are as tx_session_shown has them. */
};
/* Rows without instructions and settings. ERR_NOT_FOUND: no such parent, or no such
 * session of forks. */
typedef struct err (*session_fn)(void *ctx, const struct session_row *row);
MUST_CHECK struct err tx_session_each(struct tx *tx, const struct session_page *page,
                                      session_fn each, void *ctx);

/* Those whose title, or the text of one of their messages, holds `text`; upper and lower case are
 * the same for a-z. Work is bounded: a call looks at SESSION_SEARCH_SESSIONS sessions and
 * SESSION_SEARCH_BYTES of texts (of one session at most the newest so many, of one text the first
 * 256 kB), begins no further one when its slice is over, and tells in *ret_after where to go on;
 * both 0: that was all. `each` answers
 * SESSION_FOUND_ENOUGH to end earlier, before that row. */
enum session_found { SESSION_FOUND_TAKEN, SESSION_FOUND_ENOUGH };
struct session_hit {
    struct bytes message; /* msg_…; "": the title. */
    struct bytes text;    /* What stands around it. */
};
typedef enum session_found (*session_found_fn)(void *ctx, const struct session_row *row,
                                               const struct session_hit *hit);
MUST_CHECK struct err tx_session_search(struct tx *tx, const struct session_page *page,
                                        struct bytes text, session_found_fn each, void *ctx,
                                        struct session_cursor *ret_after);

/* --- Changes ---------------------------------------------------------------------------------- */

/* Texts with data NULL stay as they are. Deleted, a session is on a shelf of its own and takes no
 * message, what it is owed waits, and SESSION_DELETED_KEPT_MS later it is removed; `archive` and
 * `remove` of NO bring it back. */
enum session_edge { CHANGE_KEEP, CHANGE_YES, CHANGE_NO };
struct session_change {
    struct session_key key;
    int64_t version; /* 0: whatever it is; else it must still be this one. */
    struct bytes title, model, agent, root, instructions, settings, metadata;
    /* As of struct session_new; "": a model answers, that of the project unless `model` names one.
     * Only for a session without a live turn. */
    struct bytes program;
    struct bytes project;
    enum session_edge archive, remove;
};
/* ERR_NOT_FOUND. ERR_CONFLICT: it was changed since; *ret_row is what it is now. An empty title
 * gives it back to whoever makes titles; a title touches no message. */
MUST_CHECK struct err tx_session_change(struct tx *tx, const struct session_change *change,
                                        struct session_row *ret_row);

/* A title that nobody's hand wrote: only where there is none. *ret_given false: there is. */
MUST_CHECK struct err tx_session_give_title(struct tx *tx, const struct session_key *key,
                                            struct bytes title, bool *ret_given);

/* A session of its own with copies of all messages up to `message`, that one included; "": of all.
 * It is in sight from the last commit of the chain on. Removed, rolled back and queued messages,
 * and those of a running turn, are not copied. The summary that covers most of what is copied, and
 * nothing else, holds for it, too, unless one of those was changed before the chain is done. */
struct session_fork {
    struct session_key key;
    struct bytes message;
    struct id session;  /* The new one's. */
    struct bytes title; /* data NULL: that of the old one. */
    uint8_t seed[32];   /* For the ids of messages. */
    /* Begin with 0; kept by the function between the links of the chain. */
    int64_t done, until;
    int64_t checkpoint, covered; /* ids of the summary, and of the last message that it covers, */
    int64_t question;            /* and of the one that it leaves out; 0: none. */
};
/* *ret_more: call again. ERR_NOT_FOUND; ERR_MESSAGE_NOT_FOUND. */
MUST_CHECK struct err tx_session_fork(struct tx *tx, const struct session_fork *fork,
                                      struct session_fork *ret_fork, bool *ret_more,
                                      struct session_row *ret_row);
/* A chain that failed: what it made goes the way of deleted ones. */
MUST_CHECK struct err tx_session_fork_abandon(struct tx *tx, const struct session_fork *fork);

/* --- As clients see it ------------------------------------------------------------------------ */

/* The row as lists show it, and where the text was found: "match":{"message"?,"text"}, which is the
 * one field of the table. */
extern const struct field_set session_found_fields;
void session_write_found(const struct session_row *row, const struct session_hit *hit,
                         struct text *text);

#endif
