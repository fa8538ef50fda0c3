/* claim.h: the run's folder: lock, room for the result, socket, and the claim that decides.
 *
 * Promise    the steps of protocol.h in their order. Until claim_decide answers CLAIM_GO nothing of
 *            the command may run; from then on it is this holder's, for ever.
 * Ownership  the descriptors are this program's until it ends: the lock must live that long.
 * Failure    nothing was decided.
 */
#ifndef DROVER_PROC_HOLDER_CLAIM_H
#define DROVER_PROC_HOLDER_CLAIM_H

#include "base/base.h"
#include "base/err.h"
#include "proc/holder/order.h"

enum claim_outcome {
    CLAIM_GO,
    CLAIM_VOID, /* Somebody has decided already: nothing may run, and nothing was changed. */
};

struct claim {
    int folder, lock, result, listener; /* Owned. */
};

/* What the claim says of whoever makes it; known before there is an order. */
struct claim_self {
    char text[128]; /* PID STARTTIME BOOT_ID */
};
MUST_CHECK struct err claim_know_self(struct claim_self *ret_self);

MUST_CHECK struct err claim_decide(const struct order *order, const struct claim_self *self,
                                   struct claim *ret_claim, enum claim_outcome *ret_outcome);

/* For ORDER_ONCE: what must not run twice must not be forgotten by a power cut, so content, name
 * and folder go to the disk before the command starts. */
MUST_CHECK struct err claim_sync(const struct claim *claim);

#endif
