/* stored.h: the answer of a turn as the messages of its session hold it.
 *
 * Promise    for a follower that did not get some events of the turn, because they were pruned: the
 *            text is the whole text of the turn's last step, and the usage is the sum over its
 *            calls. Both are left as they are where no stored message answers for the turn.
 * Ownership  *io_usage is the caller's, before and after.
 * Threads    one.
 * Failure    as client.h, after tries for RUN_RETRY_MS.
 */
#ifndef DROVER_CLI_TURN_STORED_H
#define DROVER_CLI_TURN_STORED_H

#include "cli/base/api.h"

struct turn_stored {
    const char *session, *run;
};
MUST_CHECK struct err turn_stored_read(struct talk *talk, const struct turn_stored *turn,
                                       struct text *io_text, json_t **io_usage, struct why *why);

#endif
