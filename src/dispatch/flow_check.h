/* flow_check.h: whether a script is JavaScript, before anything runs.
 *
 * Promise    `done` once, never inside the call. A worker reads the script as a run's would, and
 *            runs nothing of it. What was found good is known by its hash for a while, so that a
 *            script that is begun often is read once. Where no worker can say (it is killed, or
 *            computes for too long), the script passes: its run will tell why it cannot go on.
 * Ownership  what is asked is borrowed for the call. `ctx` must live until `done`, which flows_stop
 *            brings about, too.
 * Threads    the loop.
 */
#ifndef DROVER_DISPATCH_FLOW_CHECK_H
#define DROVER_DISPATCH_FLOW_CHECK_H

#include "base/base.h"
#include "base/err.h"
#include "base/hash.h"
#include "script/meta.h"

enum { FLOW_CHECKED_MAX = 256 };

struct flows;
struct flow_check_ask {
    struct bytes text; /* As it was prepared. */
    enum script_form form;
    struct bytes file;
    struct sha256_hex hash; /* Of the file's own text. */
};
/* fault: "LINE:COLUMN: what", borrowed for the call; NULL: it is good. */
void flows_check(struct flows *flows, const struct flow_check_ask *ask,
                 void (*done)(void *ctx, const char *fault), void *ctx);

#endif
