/* claim.h: the run's folder: lock, room for the result, socket, the claim that decides, the result.
 *
 * Promise    the steps of protocol.h in their order. Until claim_decide answers CLAIM_GO nothing of
 *            the command may run; from then on it is this holder's, for ever. The result overwrites
 *            room that was made before the claim, so a full disk does not matter, and gets its name
 *            when it is whole.
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

/* False: the command removed the whole folder. */
MUST_CHECK bool claim_has_folder(const struct claim *claim);
/* Puts exit.json in place. False: the disk refuses even this; may be tried again. */
MUST_CHECK bool claim_put_result(const struct claim *claim, struct bytes json, bool sync);

#endif
