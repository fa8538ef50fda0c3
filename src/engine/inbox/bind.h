/* bind.h: what a session is owed, taken by its turns (promise P3).
 *
 * Promise    a row is bound to at most one turn, in the commit that makes the turn, and settled in
 *            the commit that ends it: acknowledged, or tried again, or held with the turn's cause.
 *            A crash in between repeats the turn, with the same rows, and makes no other. A session
 *            that is busy costs no attempt and no wait: the end of its turn offers what is left.
 * How        receivers here are of the kind RECEIVER_SESSION, their address is the session. A note
 *            (INBOX_NOTE) says that something changed for one; whoever drives sessions asks
 *            tx_inbox_due then, and makes a turn when something is due and the session is free.
 * Threads    inside a store function.
 */
#ifndef DROVER_ENGINE_INBOX_BIND_H
#define DROVER_ENGINE_INBOX_BIND_H

#include "engine/inbox/inbox.h"

/* Rows of one call that settles all that a session has. */
enum { INBOX_SETTLE_PAGE = 200 };

/* To the turn `turn` (run_…): all rows of the session that are due, or one that failed with others
 * before (rules/inbox/inbox.h). `each` gets them in their order, with payloads that live until the
 * function ends. *ret_count 0: nothing is due. */
struct inbox_bind {
    struct inbox_receiver session;
    struct bytes turn;
};
MUST_CHECK struct err tx_inbox_bind(struct tx *tx, const struct inbox_bind *bind,
                                    struct err (*each)(void *ctx, const struct inbox_row *row),
                                    void *ctx, size_t *ret_count);

/* A row of the session joins a turn that has begun, whose end settles it as if it had been bound
 * when that was made. */
MUST_CHECK struct err tx_inbox_join(struct tx *tx, struct bytes delivery, struct bytes turn);

/* In the commit that ends a turn: turns__output does. A second time it changes
 * nothing. */
struct inbox_turn_end {
    struct bytes turn;
    enum run_state state; /* Final. */
    enum run_cause cause;
};
MUST_CHECK struct err tx_inbox_settle_turn(struct tx *tx, const struct inbox_turn_end *end);

/* Before the end of a turn that cannot be read: its rows are held with that cause. */
void tx_inbox_hold_turn(struct tx *tx, struct bytes turn, enum run_cause cause);

/* In the commit that makes a session free, whatever its turn was about: what is left is offered. */
MUST_CHECK struct err tx_inbox_offer(struct tx *tx, const struct inbox_receiver *session);

/* A model of that session fetched the result of a run by itself: nobody need tell it any more. */
void tx_inbox_settle_fetched(struct tx *tx, const struct inbox_receiver *session, struct bytes run);

/* What held its rows has changed (a budget, a key, a model): they are due. True: call again. */
MUST_CHECK bool tx_inbox_unhold(struct tx *tx, const struct inbox_receiver *session);

/* The same for every session of an owner (data NULL: of everybody), where something that many share
 * has changed; `cause`: only what was held by that; CAUSE_NONE: whatever held it. What is more than
 * INBOX_UNHOLD_MAX waits for the next change, or `inbox retry`. */
enum { INBOX_UNHOLD_MAX = 1000 };
MUST_CHECK struct err tx_inbox_unhold_all(struct tx *tx, struct bytes owner, enum run_cause cause);

/* The session is no more: all that it is owed is settled as gone, also what a turn of it has.
 * True: call again. */
MUST_CHECK bool tx_inbox_receiver_gone(struct tx *tx, const struct inbox_receiver *session);

#endif
