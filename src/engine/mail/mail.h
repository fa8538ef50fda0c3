/* mail.h: the transactions of mail: send, retract; and what happens to it with its delivery.
 *
 * Promise    a mail to a session is a row of the inbox (engine/inbox/bind.h), made in the commit
 *            that stores the mail. Its status follows that row, in the same commit: a turn takes
 *            what is pending as one notice, a session that is busy does so after its turn, and
 *            mail is done when a turn that read it succeeded. So it is read once, over any crash.
 *            What is urgent joins a turn that runs, between two calls of tools; if that ended
 *            before it came to read it, the mail waits as any other.
 *            Who writes is found, not believed: `from` may only repeat it. Nothing here answers an
 *            approval.
 *            The sender of a request that failed, or that ended without an answer, gets mail of
 *            drover's that says so.
 * Ownership  texts of rows live in the transaction's arena.
 * Threads    inside a store function.
 * Failure    as store.h; refusals have a sentence.
 */
#ifndef DROVER_ENGINE_MAIL_MAIL_H
#define DROVER_ENGINE_MAIL_MAIL_H

#include "engine/board/board.h"
#include "engine/inbox/inbox.h"
#include "engine/session/sessions.h"
#include "engine/turn/submit.h"
#include "rules/mail/mail.h"

struct mail_key {
    struct bytes owner, mail;
    struct board_client client;
};

/* The main session of the receiver, which is not there yet: its agent is looked up in that folder,
 * and named when the mail is sent again. */
struct mail_wanted {
    bool wanted;
    struct bytes agent, root;
    struct bytes path; /* PATH of the project, else of the sender's session; "": the daemon's. */
    bool named;        /* The project names the agent, and a model. */
};
struct mail_session {
    bool looked;                /* The agent was found: */
    struct session_new session; /* complete but for owner, project, title, agent and root. */
    turn_line line;             /* For urgent mail to a program that works; */
    struct id message;          /* name of the message by which it joins a turn. */
};
/* `io_mail` has what the request said, with "" for the rest, and its name; afterwards all of it.
 * Nothing is stored where ret_wanted->wanted. ERR_NOT_YOUR_TASK: `from` is another one.
 * ERR_NOT_FOUND: there is no such receiver. ERR_MAIL_LOOP. ERR_CONFLICT: the mail that it
 * supersedes was read. */
MUST_CHECK struct err tx_mail_send(struct tx *tx, const struct mail_key *key,
                                   const struct mail_session *session, struct mail *io_mail,
                                   struct mail_wanted *ret_wanted, struct why *why);

/* By its sender, or a person, before it is read: else ERR_CONFLICT. */
MUST_CHECK struct err tx_mail_retract(struct tx *tx, const struct mail_key *key,
                                      struct mail *ret_mail, struct why *why);

/* Removes mail that is over: what is too old by the clock of tx_run_prune, and the oldest beyond
 * MAILS_KEPT_MAX. What was answered goes after its answers, so that a chain stays whole for as long
 * as its newest mail is young. *ret_more: call again. */
enum { MAIL_PRUNE_MAX = 200 }; /* Rows of one call, at most. */
struct mail_prune {
    int64_t age_ms;       /* 0: no such bound. */
    int64_t count, limit; /* count: rows that stay; limit: rows of one call. */
};
MUST_CHECK struct err tx_mail_prune(struct tx *tx, const struct mail_prune *prune, bool *ret_more);

/* Removes a page of the mail of a project. *ret_more: call again. ERR_CONFLICT: one is not over. */
MUST_CHECK struct err tx_mails_remove(struct tx *tx, struct bytes owner, struct bytes project,
                                      bool *ret_more, struct why *why);

/* --- Inside the engine ------------------------------------------------------------------------ */

/* Operations for notices (engine/turn/notices.h) and deliveries (engine/base/resource.h). */
void mail__notice_write(struct tx *tx, const struct inbox_row *row, bool first, struct text *text);
MUST_CHECK struct err mail__delivery_changed(struct tx *tx, const struct resource_key *key,
                                             const void *row);
/* Before a mail is removed: what else has rows about it. ERR_CONFLICT: it is not over. */
MUST_CHECK struct err mail__removing(struct tx *tx, const struct resource_key *key,
                                     struct why *why);

/* Shared by the files of this folder. */
MUST_CHECK bool mail__find(struct tx *tx, struct bytes owner, struct bytes mail,
                           struct mail *ret_mail);
/* Stores it, and its row of the inbox where it goes to a session. */
MUST_CHECK struct err mail__insert(struct tx *tx, struct mail *mail);
/* Urgent mail joins the turn of its session that runs, if that takes messages. */
MUST_CHECK struct err mail__join(struct tx *tx, const struct mail_session *session,
                                 struct mail *io_mail, struct why *why);

#endif
