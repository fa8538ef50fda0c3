/* begin.h: a talk begins: its session, and the turn of its first message.
 *
 *   a new session, or one that goes on ──> on_session ──> its turn
 *
 * Promise    both are stored, with all that on_session stores, or nothing is. Agents of boards,
 *            flows and workflows, and subagents, begin here.
 * Ownership  a talk and its texts are borrowed for the call.
 * Threads    inside a store function. Failure: as tx_session_create and tx_turn_submit.
 */
#ifndef DROVER_ENGINE_TURN_BEGIN_H
#define DROVER_ENGINE_TURN_BEGIN_H

#include "engine/session/sessions.h"
#include "engine/turn/submit.h"

/* Stores rows of the caller that name the session and the turn, and completes the message. */
typedef struct err (*talk_session_fn)(struct tx *tx, const void *ctx,
                                      const struct session_row *session,
                                      struct turn_message *io_message);
struct talk_new {
    struct session_new session;
    const struct session_row *goes_on; /* Taken instead of a new session; NULL: none. */
    struct turn_message message;       /* Complete but for its session and policy. */
    /* Called before the turn is made: a budget that is used up ends the turn at once, and that
     * end needs those rows. NULL: there are none. */
    talk_session_fn on_session;
    const void *ctx;
};
struct talk_begun {
    struct session_row session;
    struct run_row turn;
};
MUST_CHECK struct err tx_talk_begin(struct tx *tx, const struct talk_new *talk,
                                    struct talk_begun *ret_begun, struct why *why);

#endif
