/* known.h: the model of conversations: what was acknowledged to clients, and what they asked for.
 *
 *   session   ASKED ──acknowledged──> THERE ──delete asked──> LEAVING ──acknowledged──> GONE
 *   message   ASKED ──acknowledged──> STORED ──its place is cut──> LOOSE
 *
 * Promise    knows nothing of how the engine decides. ASKED and LEAVING may be either way: no
 *            answer came (yet). LOOSE: an operation was asked that may remove the message or
 *            what it says.
 * Ownership  lives in the simulation's memory: a crash changes nothing of it.
 */
#ifndef DROVER_TEST_SIM_KNOWN_H
#define DROVER_TEST_SIM_KNOWN_H

#include "base/base.h"
#include "base/id.h"
#include "rules/turn/turn.h"
#include "sim.h"

#define KNOWN_OWNER "local"

enum {
    KNOWN_SESSIONS_MAX = 256,
    KNOWN_MESSAGES_MAX = 1024,
    KNOWN_ANSWERS_MAX = 256,
    KNOWN_BUDGETS_MAX = 16
};

enum known_session_state { SESSION_ASKED, SESSION_THERE, SESSION_LEAVING, SESSION_GONE };
struct known_session {
    char id[ID_SIZE];
    unsigned op; /* Number of the operation that asked for it. */
    enum known_session_state state;
    uint64_t since_ns;    /* When that state was acknowledged. */
    bool archives;        /* A client asked to put it away, or to bring it back. */
    unsigned changes;     /* Number of operations on its history that have no answer yet. */
    bool ruled;           /* Nothing may write file1.txt in it. */
    char chosen[ID_SIZE]; /* Answer that was chosen last, and is shown for certain; "": unknown. */
};

enum known_message_state { MESSAGE_ASKED, MESSAGE_STORED, MESSAGE_LOOSE };
/* Whether a client took it out of the history, for good. */
enum known_removal { REMOVAL_NONE, REMOVAL_ASKED, REMOVAL_ACKNOWLEDGED };
struct known_message {
    struct known_session *session;
    char id[ID_SIZE], run[ID_SIZE];
    char *text;               /* Owned. */
    const char *schema;       /* Of its answer, a literal; NULL: words. */
    bool unsent;              /* It waits for its image: nobody sends it. */
    char attachment[ID_SIZE]; /* An image that goes with it; "": none. */
    char *edited;        /* Owned: the text that it may have instead; NULL: none was asked for. */
    size_t replaced;     /* Bytes of the longest text that an edit replaced. */
    unsigned op, marker; /* marker: its text begins with "op#MARKER. ". */
    enum known_message_state state;
    enum known_removal removal;
    unsigned removal_op;         /* That asked for it. */
    bool probe;                  /* Sent after everything was healed: must be answered. */
    enum turn_decision decision; /* Acknowledged by the daemon. */
    char running[ID_SIZE];       /* Run of the turn that the decision is about; "": none. */
    int64_t step; /* First step of that turn with which the message must join; 0: unknown yet. */
};

/* An answer that a client has seen, and another one was asked for beside it: it stays. */
struct known_answer {
    struct known_session *session;
    char id[ID_SIZE];
    bool loose;
};

struct known {
    struct known_session sessions[KNOWN_SESSIONS_MAX];
    struct known_message messages[KNOWN_MESSAGES_MAX];
    struct known_answer answers[KNOWN_ANSWERS_MAX];
    size_t session_count, message_count, answer_count;
    char budgets[KNOWN_BUDGETS_MAX][ID_SIZE + 16]; /* Scopes that were set once. */
    size_t budget_count;
};
struct known *known_of(struct sim *sim);

/* NULL: the table is full. */
struct known_session *known_add_session(struct sim *sim, const struct id *id);
struct known_message *known_add_message(struct sim *sim, struct known_session *session,
                                        const char *text);
/* An answer came: THERE, or GONE. */
void known_session_is(struct sim *sim, struct known_session *session,
                      enum known_session_state state);
/* One of those that are there (or are asked for), by choice; NULL: there is none. */
struct known_session *known_pick(struct sim *sim, const char *purpose);
/* Beyond its table it is forgotten. */
void known_add_answer(struct sim *sim, struct known_session *session, const char *id);
/* All messages of the session may go from here on. */
void known_loosen(struct sim *sim, const struct known_session *session);
/* The message of that id; NULL: it is none that was acknowledged. */
struct known_message *known_find_message(struct sim *sim, const char *id);
/* This operation asked to take the message out of the history; known_removed: its outcome. */
void known_remove(struct known_message *message, unsigned op);
void known_removed(struct sim *sim, unsigned op, bool done);
/* Another text is asked for; known_edited: the outcome. */
void known_edit(struct known_message *message, const char *text);
void known_edited(struct known_message *message, bool done);

/* An id for what this operation makes: the same whichever other operations there are. */
struct id known_id(struct sim *sim, const char *prefix, const char *purpose);
struct bytes known_bytes(const char *text);

#endif
