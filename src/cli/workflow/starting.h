/* starting.h: what a command asks of a workflow that it names by its first operand.
 *
 * A file is sent as its text, so that the daemon need not be able to read it; a name is looked for
 * by the daemon, beginning at the root: the nearest folder upward that is a project's.
 *
 * Ownership  embedded, begun as {.invocation, .talk = {.interrupt_fd = -1}}; _done for AUTO.
 * Threads    one.
 */
#ifndef DROVER_CLI_WORKFLOW_STARTING_H
#define DROVER_CLI_WORKFLOW_STARTING_H

#include <limits.h>

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"
#include "cli/base/api.h"
#include "cli/base/cli.h"

struct workflow_starting {
    struct invocation *invocation;
    struct talk talk;
    char root[PATH_MAX];
    char *script;     /* Owned: a file's text; NULL: it is a name, or an earlier run. */
    struct text body; /* Owned. */
};
void workflow_starting_done(struct workflow_starting *starting);              /* For AUTO. */
const char *workflow_starting_word(const struct workflow_starting *starting); /* NULL: none. */

/* The nearest folder from `here` upward that is a project's; `here` where none is. */
void workflow_project_find(const struct invocation *invocation, const char *here,
                           char root[PATH_MAX]);

/* Where the name of a workflow goes: into the body, or into the path of the request. */
enum workflow_name { WORKFLOW_NAME_INSIDE, WORKFLOW_NAME_OUTSIDE };
/* Fills root, script and body. */
MUST_CHECK struct err workflow_starting_read(struct workflow_starting *starting,
                                             enum workflow_name name);

#endif
