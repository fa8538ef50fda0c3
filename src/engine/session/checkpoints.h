/* checkpoints.h: summaries that stand in prompts for the beginning of a session.
 *
 * Promise    messages stay: a checkpoint is a row beside them. The active one is the one that
 *            covers most of those that are not void; of two that end at the same message, the
 *            later. One that is made within a turn ends within its answer, and leaves the question
 *            out. A change or the removal of a message voids, in the same commit, each that covers
 *            it; an older one that covers less holds again.
 * Ownership  texts of a row that was read live in the transaction's arena.
 * Threads    inside a store function. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_SESSION_CHECKPOINTS_H
#define DROVER_ENGINE_SESSION_CHECKPOINTS_H

#include "base/base.h"
#include "base/err.h"
#include "store/store.h"

enum { CHECKPOINT_SUMMARY_MAX = 256 << 10 };

enum checkpoint_maker { CHECKPOINT_AUTO, CHECKPOINT_MANUAL };
struct checkpoint {
    int64_t session;
    int64_t message;  /* id of the last message that it covers, */
    int64_t step;     /* and of that the parts up to this step; 0: all of it. */
    int64_t question; /* id of an earlier message that is shown nevertheless; 0: none. */
    int64_t tokens_before, tokens_after;
    enum checkpoint_maker made_by;
    struct bytes method, summary;
};

MUST_CHECK struct err tx_checkpoint_add(struct tx *tx, const struct checkpoint *checkpoint);
/* *ret_found false: the session has none, and *ret_checkpoint is untouched. */
MUST_CHECK struct err tx_checkpoint_find(struct tx *tx, int64_t session, bool *ret_found,
                                         struct checkpoint *ret_checkpoint);

/* For a session that begins with copies of another's messages: of those that cover nothing after
 * the message `until`, nor a part of an answer that is not finished, the one that covers most.
 * *ret_before.id 0: there is none. */
struct checkpoint_before {
    int64_t session, until;
    int64_t id, message; /* Found: the checkpoint, and the last message that it covers, */
    int64_t question;    /* and the one that it leaves out; 0: none. */
};
MUST_CHECK struct err tx_checkpoint_find_before(struct tx *tx,
                                                const struct checkpoint_before *before,
                                                struct checkpoint_before *ret_before);
/* It holds for that session, too, up to that message; nothing, if it is void by now. */
struct checkpoint_copy {
    int64_t id, session, message, question;
};
MUST_CHECK struct err tx_checkpoint_copy(struct tx *tx, const struct checkpoint_copy *copy);

/* To be called in the commit that changes or removes a message. The transaction keeps the error. */
struct checkpoint_void {
    int64_t session;
    int64_t message; /* id of the first message that is not what it was. */
};
struct err tx_checkpoint_void_from(struct tx *tx, const struct checkpoint_void *what);

#endif
