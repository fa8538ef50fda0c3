/* attach.h: a turn, for a command that ends with it: ask, attach, agent run.
 *
 * Promise    as follow.h; on a terminal turn_look shows it as a chat does (chat_live_turn).
 * Threads    one.
 * Failure    as follow.h.
 */
#ifndef DROVER_CLI_TURN_ATTACH_H
#define DROVER_CLI_TURN_ATTACH_H

#include "cli/turn/follow.h"

/* turn_watch for a command that then ends and tells of the outcome itself: Ctrl-C says how to come
 * back, and an end that was not seen is ERR_NOT_FOUND. */
MUST_CHECK struct err turn_end(const struct turn_watch *watch, struct turn_outcome *ret_outcome);

/* The same for a command that then ends: ask, attach, agent run. With --json {"session","run",
 * "state","cause","text","usage"} is printed; after events the first member is
 * "event": "agent_finished", and there is no "session". The exit code is 0 only when the turn
 * succeeded, and 1 with a sentence on stderr otherwise. Ctrl-C detaches, and says how to come back.
 */
MUST_CHECK struct err turn_look(const struct turn_watch *look);
/* The same for a run that is a turn: from its beginning, or (`only_new`) from now on. Ctrl-C is an
 * exit code of 0 here. */
MUST_CHECK struct err turn_look_run(struct invocation *invocation, struct talk *talk,
                                    const json_t *run, bool only_new);

#endif
