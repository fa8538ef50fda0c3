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
#include "sim.h"

#define KNOWN_OWNER "local"

enum { KNOWN_SESSIONS_MAX = 256, KNOWN_MESSAGES_MAX = 1024, KNOWN_BUDGETS_MAX = 16 };

enum known_session_state { SESSION_ASKED, SESSION_THERE, SESSION_LEAVING, SESSION_GONE };
struct known_session {
    char id[ID_SIZE];
    unsigned op; /* Number of the operation that asked for it. */
    enum known_session_state state;
};

enum known_message_state { MESSAGE_ASKED, MESSAGE_STORED, MESSAGE_LOOSE };
struct known_message {
    struct known_session *session;
    char id[ID_SIZE], run[ID_SIZE];
    char *text; /* Owned. */
    unsigned op;
    enum known_message_state state;
    bool probe; /* Sent after everything was healed: must be answered. */
};

struct known {
    struct known_session sessions[KNOWN_SESSIONS_MAX];
    struct known_message messages[KNOWN_MESSAGES_MAX];
    size_t session_count, message_count;
    char budgets[KNOWN_BUDGETS_MAX][ID_SIZE + 16]; /* Scopes that were set once. */
    size_t budget_count;
};
struct known *known_of(struct sim *sim);

/* NULL: the table is full. */
struct known_session *known_add_session(struct sim *sim, const struct id *id);
struct known_message *known_add_message(struct sim *sim, struct known_session *session,
                                        const char *text);
/* One of those that are there (or are asked for), by choice; NULL: there is none. */
struct known_session *known_pick(struct sim *sim, const char *purpose);
/* All messages of the session may go from here on. */
void known_loosen(struct sim *sim, const struct known_session *session);

/* An id for what this operation makes: the same whichever other operations there are. */
struct id known_id(struct sim *sim, const char *prefix, const char *purpose);
struct bytes known_bytes(const char *text);

#endif
