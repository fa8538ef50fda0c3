/* standby.h: the time before a daemon leads: its store is opened, and another daemon may hold it.
 *
 *   opening ──the lock is ours──────────────────────────────> store
 *      └──another daemon has it──> standing by ──> its end ─────┘
 *      └──SIGTERM, SIGINT──> ERR_INTERRUPTED
 *
 * Promise    a loop of its own runs meanwhile, so that signals are obeyed, and what a host has to
 *            do in every role is done (guest.h). When the call returns, nothing of that is left:
 *            the daemon that leads begins as after any start. The pulse beats from the moment at
 *            which the store is there: of several standbys none takes this daemon for one that
 *            stands still while it ends what it did as one of them.
 * Signals    a second SIGTERM or SIGINT ends the process at once. The caller handles both already,
 *            on a loop that it runs later: one that comes after the wait is obeyed there.
 * Threads    the main thread; blocks until there is a store, or an error.
 * Failure    as store_open. Where this daemon stood by, or was replaced, an error of the server
 *            that may pass is none: it tries again. ERR_INTERRUPTED: a signal asked for the end;
 *            `ret_waited` tells whether another daemon was waited for.
 */
#ifndef DROVER_MAIN_STANDBY_H
#define DROVER_MAIN_STANDBY_H

#include "base/base.h"
#include "base/err.h"
#include "cli/system/serve_options.h"
#include "engine/host/pulse.h"
#include "store/store.h"

struct standby_options {
    const struct serve_options *serve; /* Borrowed for the call, as is the next. */
    const struct store_options *store; /* For the loop of the daemon, not for that of the wait. */
    struct pulse *pulse;               /* The daemon's; started where a store is returned. */
    unsigned restarts; /* As in restart.h; above 0: it led before, in this process. */
};
MUST_CHECK struct err standby_open_store(const struct standby_options *options,
                                         struct store **ret_store, bool *ret_waited,
                                         struct why *why);

#endif
