/* reap.h: collects every child that ends, ours and those that we inherit.
 *
 * Promise    this process is the reaper of orphans below it (PR_SET_CHILD_SUBREAPER), so what a
 *            killed holder leaves is given to us and not to process 1. Each child that ended is
 *            told once, on the loop.
 * Ownership  reap_close is asynchronous inside: the memory goes with the loop's next turn.
 * Threads    the loop. Nobody else in the process may wait for children: uv_spawn would lose its.
 */
#ifndef DROVER_PROC_REAP_H
#define DROVER_PROC_REAP_H

#include <uv.h>

#include "base/base.h"
#include "base/err.h"
#include "loop/loop.h"

struct reap;
struct reap_ended {
    int pid;
    int status; /* As waitpid(2) tells it. */
};
MUST_CHECK struct err reap_open(struct loop *loop, void (*ended)(void *ctx, struct reap_ended),
                                void *ctx, struct reap **ret_reap);
void reap_close(struct reap *reap); /* NULL is allowed. No callback follows. */

#endif
