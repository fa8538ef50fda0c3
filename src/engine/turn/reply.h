/* reply.h: what became of a turn, for who waits for it.
 *
 * Threads    inside a store function. Failure: as store.h; ERR_NOT_FOUND: there is no such turn of
 *            that session (any more).
 */
#ifndef DROVER_ENGINE_TURN_REPLY_H
#define DROVER_ENGINE_TURN_REPLY_H

#include "base/base.h"
#include "base/err.h"
#include "engine/run/runs.h"
#include "engine/session/sessions.h"
#include "store/store.h"

struct turn_reply {
    struct run_row run;
    struct bytes text; /* Of its last step, in the arena; data NULL: it has not ended. */
    int64_t seq;       /* The head of the session's stream, of the same moment. */
};
MUST_CHECK struct err tx_turn_reply(struct tx *tx, const struct session_key *session,
                                    struct bytes run, struct turn_reply *ret_reply);

#endif
