/* judge.h: what the engine says of the scripts of a list, and of one.
 *
 * Promise    `done` once, never inside the call. Each entry that the engine finds broken has its
 *            fault then, and is not valid any more; `checked` says of which it was asked.
 * Bounds     what is known by its hash costs nothing; of the others at most FLOW_JUDGE_MAX are read
 *            for one list, one after the other, those that count before those that are shadowed,
 *            and none begins later than FLOW_JUDGE_MS behind the first. The rest stays unchecked;
 *            the next list goes on there.
 * Ownership  catalog and script are the caller's, who leaves them alone until `done`; flows_stop
 *            brings that about, too.
 * Threads    the loop; files are read again in the pool.
 */
#ifndef DROVER_DISPATCH_WORKFLOW_JUDGE_H
#define DROVER_DISPATCH_WORKFLOW_JUDGE_H

#include "dispatch/workflow/check.h"
#include "script/catalog.h"

enum { FLOW_JUDGE_MAX = 64, FLOW_JUDGE_MS = 1000 };

struct flow_judge_done {
    void (*call)(void *ctx);
    void *ctx;
};
void flows_judge(struct flows *flows, struct catalog *catalog, struct flow_judge_done done);
/* Nothing is asked of one that is not valid. */
void flows_judge_one(struct flows *flows, struct catalog_script *script,
                     struct flow_judge_done done);

#endif
