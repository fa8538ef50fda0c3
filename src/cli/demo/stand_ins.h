/* stand_ins.h: the agents of the demo that are programs: three small shell scripts that stand in
 * for Claude Code and the like (stand-in.sh).
 *
 * Promise    each is an agent of the daemon's store. Each writes down that it was asked, in a file
 *            of the demo's directory; stand_ins_check finds one that was not asked exactly once, or
 *            whose answer the script did not get exactly once and whole.
 * Ownership  embedded; it owns nothing.
 * Threads    one.
 * Failure    *why says what the daemon refused, or which file cannot be written.
 */
#ifndef DROVER_CLI_DEMO_STAND_INS_H
#define DROVER_CLI_DEMO_STAND_INS_H

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"
#include "cli/base/api.h"
#include "cli/demo/private_daemon.h"

enum { STAND_INS = 3 };

struct stand_ins {
    struct private_daemon *daemon; /* Borrowed. */
    int answers[STAND_INS];        /* Number of whole answers that the script logged. */
};

/* Stores the definitions. Their words take the time divided by `speed`. */
MUST_CHECK struct err stand_ins_add(const struct stand_ins *stand_ins, int64_t speed,
                                    struct why *why);

/* Whether the agent of that label is one of these programs. */
bool stand_in_is(const char *name);

/* Counts an answer in a line of the workflow's log. */
void stand_ins_hear(struct stand_ins *stand_ins, const char *line);

/* Adds a sentence to *fault for each program that was not asked once, or not heard once. */
MUST_CHECK struct err stand_ins_check(const struct stand_ins *stand_ins, struct text *fault);

#endif
