/* daemon.h: the daemon put together: loop, hub, store, HTTP, API, and the end of it all.
 *
 *   [standing by ──>] opened ──> loading (tokens) ──> serving ──> draining ──> stopped
 *         ^                            └── error ──────────────────────────────────┘
 *         └── replaced by another daemon (PostgreSQL): the process begins again (restart.h)
 *
 * Promise    `ready` is called once it serves. A first signal drains: answers in flight are
 *            finished, streams end with a frame to resume from; a second one ends at once. A store
 *            whose commit has an unknown outcome ends the process with exit code 8: nobody was told
 *            anything false, and the next start reads what is true.
 * Threads    the main thread is the loop's.
 */
#ifndef DROVER_MAIN_DAEMON_H
#define DROVER_MAIN_DAEMON_H

#include "base/base.h"
#include "base/err.h"
#include "cli/system/serve_options.h"

/* Blocks until the daemon has stopped. */
MUST_CHECK struct err daemon_run(const struct serve_options *options, struct why *why);

#endif
