/* watch.h: follows a flow until it has ended, and shows one.
 *
 *   people     a line on stderr for each change of a step's status, with its reason, and one for
 *              each question; then the report on stdout
 *   --json     each event as a line on stdout, then {"event": "flow_finished", "run", "state",
 *              "cause", "note", "report"}
 *
 * Promise    each line is printed once and in order; a restart of the daemon only delays. Ctrl-C
 *            detaches; the run goes on, and how to follow it again is printed.
 * Threads    one.
 * Failure    that a flow failed is no error here, but its exit code.
 */
#ifndef DROVER_CLI_FLOW_WATCH_H
#define DROVER_CLI_FLOW_WATCH_H

#include "cli/base/api.h"
#include "cli/base/cli.h"

struct flow_watch {
    struct invocation *invocation;
    struct talk *talk;
    const char *run, *label; /* Borrowed; label NULL or "": none. */
    int64_t retry_ms;
    bool only_new; /* Not what came before. */
};
MUST_CHECK struct err flow_watch(const struct flow_watch *watch);

/* `drover attach` and `drover show` of a flow (cli/run/kinds.h). */
MUST_CHECK struct err flow_attach(struct invocation *invocation, struct talk *talk, json_t *run);
MUST_CHECK struct err flow_show(struct invocation *invocation, struct talk *talk, json_t *run);

#endif
