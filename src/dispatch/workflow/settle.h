/* settle.h: outcomes: stored, and delivered in the order of their commits; workflow(), whose
 * outcome is a script. For the files of this folder alone, on the loop.
 */
#ifndef DROVER_DISPATCH_WORKFLOW_SETTLE_H
#define DROVER_DISPATCH_WORKFLOW_SETTLE_H

#include "dispatch/workflow/flow.h"

/* settle.c */
void call__ended(struct call *call); /* The outcome is known: stored, then delivered. */
void call__store(struct call *call); /* Now, or when it can be; idempotent. */
void call__stored(struct call *call);
void call__enqueue_done(struct call *call);
void call__begin_nested(struct call *call, struct prior *old); /* old: as `cached`. */
void call__found(struct call *call); /* The search for its script has ended. */
void call__release_cached(struct call *call);
void flow__settle_quiet(struct flow *flow);
void flow__deliver(struct flow *flow);
void flow__store_deferred(struct flow *flow);             /* The ones that had no worker. */
MUST_CHECK bool flow__must_wait(const struct flow *flow); /* Cached results come first. */

/* nested.c */
void call__find_script(struct call *call); /* call__found follows, from the pool. */
void call__store_script(struct call *call);
void call__forget_script(struct call *call);

#endif
