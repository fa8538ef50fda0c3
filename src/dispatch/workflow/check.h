/* check.h: whether a script is JavaScript, before anything runs.
 *
 * Promise    `done` once, never inside the call. A worker reads the script as a run's would, and
 *            runs nothing of it. What was found, good or bad, is known by the hash for a while, so
 *            that a script that is begun or listed often is read once. Where no worker can say (it
 *            is killed, or computes for too long), it stays unjudged: its run will tell why it
 *            cannot go on. Places are those of the user's file, also where the engine stumbled only
 *            behind its end.
 * Ownership  what is asked is borrowed for the call. `ctx` must live until `done`, which flows_stop
 *            brings about, too.
 * Threads    the loop.
 */
#ifndef DROVER_DISPATCH_WORKFLOW_CHECK_H
#define DROVER_DISPATCH_WORKFLOW_CHECK_H

#include "base/base.h"
#include "base/err.h"
#include "base/hash.h"
#include "script/reader/meta.h"

enum { FLOW_CHECKED_MAX = 1024 };

enum flow_judgement { FLOW_UNJUDGED, FLOW_GOOD, FLOW_BAD };
struct flow_verdict {
    enum flow_judgement judgement;
    struct script_fault fault; /* BAD. */
};

struct flows;
struct flow_check_ask {
    struct bytes source; /* The file's own text, */
    struct bytes text;   /* and as it was prepared. */
    enum script_form form;
    struct bytes file;
    struct sha256_hex hash; /* Of the source. */
};
/* The verdict is borrowed for the call. */
void flows_check(struct flows *flows, const struct flow_check_ask *ask,
                 void (*done)(void *ctx, const struct flow_verdict *verdict), void *ctx);
/* What is known of it without asking anybody; UNJUDGED: nothing. */
struct flow_verdict flows_known(const struct flows *flows, const struct sha256_hex *hash);
/* "LINE:COLUMN: what"; not every fault has a place. */
void flow_fault_tell(const struct script_fault *fault, struct why *why);

#endif
