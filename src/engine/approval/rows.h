/* rows.h: approvals as runs ask and withdraw them. Only the engine includes it.
 *
 * Threads    inside a store function. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_APPROVAL_ROWS_H
#define DROVER_ENGINE_APPROVAL_ROWS_H

#include "engine/approval/approvals.h"
#include "engine/run/kinds.h"
#include "engine/session/message_rows.h"
#include "engine/session/rows.h"

/* Borrows all. A step of the run waits for a person. */
struct approval_new {
    const struct run_row *run;
    const struct session_row *session; /* NULL: the stream of the run has the events. */
    const struct message_row *message; /* The part `part` of it asks; NULL: none. */
    int64_t part;
    struct bytes step;
    enum approval_kind kind;
    struct bytes digest, arguments, about;
};
MUST_CHECK struct err approvals__ask(struct tx *tx, const struct approval_new *what,
                                     struct approval_row *ret_row);
/* Open ones of a run, or of all turns of a session. */
MUST_CHECK struct err approvals__cancel(struct tx *tx, const struct run_row *run);
void approvals__cancel_all(struct tx *tx, const struct session_row *session);
/* The open one about that part of a turn's answer: who asked needs no answer any more. */
MUST_CHECK struct err approvals__withdraw(struct tx *tx, const struct run_row *run, int64_t part);
/* The same about a step of a run that asks without a message. */
MUST_CHECK struct err approvals__withdraw_step(struct tx *tx, const struct run_row *run,
                                               struct bytes step);
/* Operation of the kinds of runs whose programs ask (engine/run/kinds.h). */
MUST_CHECK struct err approvals__run_ended(struct tx *tx, const struct run_row *run,
                                           struct run_freed *freed);

/* Removes a page of those of the run, whose followers are notified. True: the last one. */
enum { APPROVALS_REMOVE_PAGE = 32 };
MUST_CHECK bool approvals__remove(struct tx *tx, const struct run_row *run);

/* Appends approval_changed (engine/base/follow.h). */
void approvals__tell_changed(struct tx *tx, int64_t id);

#endif
