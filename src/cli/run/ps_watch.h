/* ps_watch.h: `drover ps --watch`: the list, again each second.
 *
 * Promise    on a terminal the picture is drawn anew; elsewhere, and as JSON, a line is added for
 *            each run that is new, changed or over, and none is missed, however short it was; with
 *            --state for those that are then in one of its states.
 * Why a second: there is no stream of all runs, and this is a display that somebody looks at.
 * Threads    one.
 * Failure    ERR_INTERRUPTED is the ordinary end. While the daemon is away it is waited for.
 */
#ifndef DROVER_CLI_RUN_PS_WATCH_H
#define DROVER_CLI_RUN_PS_WATCH_H

#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/run/view.h"

struct ps_watch {
    struct invocation *invocation;
    struct talk *talk;
    const char *path; /* "/api/v1/runs" with the filters that were given; borrowed. --state is one
                       * of them only where the picture is drawn: changes into a state would not be
                       * seen in a list that has but those in it. */
    bool all;         /* On a terminal: also those that have ended. */
    bool draw;        /* Whether the output is a terminal. */
    struct run_view view;
};
MUST_CHECK struct err ps_watch(struct ps_watch *watch);

#endif
