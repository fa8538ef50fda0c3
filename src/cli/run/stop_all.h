/* stop_all.h: an end of every run that lives.
 *
 * Promise    each run that belongs to no other is asked to end, which ends those below it, and each
 *            is waited for. Runs that begin meanwhile are asked too, until none lives.
 * Ownership  all is borrowed for the call.
 * Threads    one.
 * Failure    as client.h; ERR_INTERRUPTED: the user waits no longer, and the runs end all the same.
 */
#ifndef DROVER_CLI_RUN_STOP_ALL_H
#define DROVER_CLI_RUN_STOP_ALL_H

#include "cli/base/api.h"

struct stop_all {
    const struct text *body; /* Body of each request; NULL: none. */
    bool no_wait;
    void (*stopped)(void *ctx, const json_t *run); /* The run as it is then; may be NULL. */
    void *ctx;
};
MUST_CHECK struct err stop_all(struct talk *talk, const struct stop_all *with, struct why *why);

#endif
