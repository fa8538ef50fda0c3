/* chat_ops.h: what the operations on conversations share: an errand to the store.
 *
 *   operation ──errand_send──> store function ──commit──> done ──> the model learns of it
 *                    ^──────────────── more ────────────────┘
 *
 * Promise    an errand does what a handler of the API does (src/api), by the same chain of commits,
 *            and tells the model only of what that handler would have answered with 2xx. A crash in
 *            between forgets the errand: nobody was answered.
 * Ownership  of the life: errand_new … its `done`, or the crash.
 */
#ifndef DROVER_TEST_SIM_CHAT_OPS_H
#define DROVER_TEST_SIM_CHAT_OPS_H

#include "boards.h"
#include "dispatch/provider/connections.h"
#include "engine/approval/approvals.h"
#include "engine/base/idempotency.h"
#include "engine/budget/budget.h"
#include "engine/system/session_delete.h"
#include "engine/turn/turns.h"
#include "known.h"
#include "mails.h"
#include "store/store.h"

/* check_policies.c: the turn of a session that has begun and not ended. */
enum policy_turn { POLICY_TURN_ANSWERS, POLICY_TURN_COMPACTS, POLICY_TURN_FOLLOWS_UP };
struct policy_case {
    char running[ID_SIZE]; /* Run of that turn; "": the session has none. */
    enum policy_turn turn;
    bool asked;                  /* The turn was asked to end. */
    enum turn_decision decision; /* On the message that came. */
    bool repeated;               /* The message had come before, and was decided on then. */
};
MUST_CHECK struct err policies_find(struct tx *tx, struct bytes session,
                                    struct policy_case *ret_case);
/* The decision on a message was acknowledged. */
void policies_decided(struct sim *sim, struct known_message *message, enum turn_policy policy,
                      const struct policy_case *found);

enum errand_way { ERRAND_WRITE, ERRAND_READ };

struct errand {
    struct sim *sim;
    unsigned op;
    uint64_t begun_ns;
    const char *name;
    enum errand_way way;
    struct err (*run)(struct tx *tx, struct errand *errand);
    void (*done)(struct errand *errand, struct err result); /* May be NULL. Not while `more`. */
    /* Between two links of a chain, since a store function may run twice. May be NULL. */
    void (*advance)(struct errand *errand);
    bool more;    /* `run` asks for another commit. */
    bool later;   /* `advance` has begun something that sends it again. */
    bool changes; /* It was counted in session->changes. */
    struct why why;
    struct known_session *session;
    struct known_message *message;
    char id[ID_SIZE], run_id[ID_SIZE];
    /* Of a message: the turn that ran when the message came, and the decision. */
    struct policy_case policy;
    struct default_model model;
    struct text text; /* What is served, or what is sent. */
    /* A request with an Idempotency-Key: `run` writes the answer, or an older one is read. */
    struct idempotency once;
    struct text answer;
    bool replayed;
    union {
        struct session_new make;
        struct session_change change;
        struct session_delete remove;
        struct session_fork fork;
        struct turn_message say;
        struct turn_clear clear;
        struct turn_resend resend;
        struct turn_message again;
        struct message_edit edit;
        struct turn_message compact;
        struct run_new job;
        struct approval_answer answer;
        struct approval_asking ask;
        struct budget_set budget;
        struct board_asking board;
        struct mail_asking mail;
    } what;
    union {
        struct session_fork fork;
        struct turn_resent resent;
        struct turn_cleared cleared;
    } next;
};
/* session NULL: of none. */
struct errand *errand_new(struct sim *sim, const char *name, struct known_session *session);
void errand_send(struct errand *errand);
/* The same of one that is not under way: nobody is answered. */
void errand_drop(struct errand *errand);
/* What is shown of the session may be another history from here on, until an answer comes. */
void errand_change(struct errand *errand);
/* That answer says for certain which history it is: none that was asked meanwhile is under way. */
bool errand_decides(const struct errand *errand);
struct session_key errand_key(const struct errand *errand);
struct run_bounds errand_bounds(const struct errand *errand);

/* Refusals that an API may answer at any time; others of an operation break an invariant. */
bool errand_refused(const struct errand *errand, struct err result);

/* ops_turns.c: words of a person, with the mark of that operation. */
void turns_words(struct sim *sim, unsigned op, struct text *text);
/* A new message of the operation; NULL: the model is full. */
struct known_message *turns_new(struct sim *sim, struct known_session *session);
void turns_say(struct sim *sim, struct known_message *message, enum turn_policy policy);
/* One more message to the session; NULL: the model is full. */
struct known_message *turns_probe(struct sim *sim, struct known_session *session);
/* The same of a session or a message that is named. The caller may change what is resent, and sends
 * that. In `what`: ids of the run and the answer. */
void sessions_clear(struct sim *sim, struct known_session *session);
/* A further session in the project, in which each tool is allowed; NULL: the model is full. */
struct known_session *sessions_add_writer(struct sim *sim);
/* Brings back those that a client deleted. True: there were some. */
bool sessions_restore_all(struct sim *sim);
void sessions_fork(struct sim *sim, const struct known_session *from, struct known_session *to);
struct errand *turns_resend(struct sim *sim, struct known_message *message);
void branches_again(struct sim *sim, struct known_session *session, const char *answer,
                    const struct turn_message *what);
void branches_choose(struct sim *sim, struct known_session *session, const char *answer);
/* ops_approvals.c: answers one of the open questions; false: there is none. */
bool asked_answer(struct sim *sim, uint64_t which);
/* ops_asked.c: whether there was any budget that somebody had set. */
bool budgets_remove_all(struct sim *sim);

#endif
