/* checkpoints.h: summaries that stand in prompts for the beginning of a session.
 *
 * Promise    messages stay: a checkpoint is a row beside them. The active one is the one that
 *            covers most of those that are not void; of two that end at the same message, the
 *            later. One that is made within a turn ends within its answer, and leaves the question
 *            out. A change or the removal of a message voids, in the same commit, each that covers
 *            it; an older one that covers less holds again.
 * Ownership  texts of a row that was read live in the transaction's arena.
 * Threads    inside a store function.
 * Failure    the transaction keeps every error.
 */
#ifndef DROVER_ENGINE_SESSION_CHECKPOINTS_H
#define DROVER_ENGINE_SESSION_CHECKPOINTS_H

#include "engine/session/sessions.h"

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
    int64_t made_ms; /* Given by tx_checkpoint_add. */
    bool is_void;
};

extern const struct resource checkpoint_resource;

struct err tx_checkpoint_add(struct tx *tx, const struct checkpoint *checkpoint);
/* The active one. False: the session has none, and *ret_checkpoint is untouched. */
MUST_CHECK bool tx_checkpoint_find(struct tx *tx, int64_t session,
                                   struct checkpoint *ret_checkpoint);

/* Voids those that cover that message (id), or a later one; to be called in the commit that changes
 * or removes it. */
void tx_checkpoint_void_from(struct tx *tx, const struct session_row *session, int64_t message);

/* Estimates context_used from what the next prompt has of the conversation, and stores it: to be
 * called where that changes other than by a call, which measures it. */
void sessions__weigh_context(struct tx *tx, struct session_row *row);

#endif
