/* rows.h: approvals as turns ask and answer them. Only the engine includes it.
 *
 * Threads    inside a store function. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_APPROVAL_ROWS_H
#define DROVER_ENGINE_APPROVAL_ROWS_H

#include "engine/approval/approvals.h"
#include "engine/run/kinds.h"
#include "engine/session/message_rows.h"
#include "engine/session/rows.h"

/* Borrows all. A call of a tool, the part `part` of `message`, waits for a person. */
struct approval_new {
    const struct session_row *session;
    const struct run_row *run; /* The turn. */
    const struct message_row *message;
    int64_t part;
    struct bytes kind; /* "leave": may it; "answer": a question. */
    struct bytes tool, digest, arguments, about;
};
MUST_CHECK struct err approvals__ask(struct tx *tx, const struct approval_new *what);
/* Open ones of a turn, or of all turns of a session. */
MUST_CHECK struct err approvals__cancel(struct tx *tx, const struct run_row *run);
MUST_CHECK struct err approvals__cancel_all(struct tx *tx, const struct session_row *session);
/* The open one about that part of the turn's answer: who asked needs no answer any more. */
MUST_CHECK struct err approvals__withdraw(struct tx *tx, const struct session_row *session,
                                          const struct run_row *run, int64_t part);

/* Appends approval_changed (engine/base/follow.h). */
void approvals__tell_changed(struct tx *tx, int64_t id);

struct approval_change {
    const struct session_row *session;
    const struct run_row *run;
    const struct approval_row *row;
    bool answered; /* false: it was asked. */
};
MUST_CHECK struct err approvals__event(struct tx *tx, const struct approval_change *change);

#endif
