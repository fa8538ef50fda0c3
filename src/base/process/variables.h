/* variables.h: names of environment variables that drover hands on, and to which process.
 *
 * One table lists for each variable which processes receive it, so adding one means deciding for
 * all of them. A variable that is not in the table is passed to none.
 *
 * Threads    any; pure.
 */
#ifndef DROVER_BASE_PROCESS_VARIABLES_H
#define DROVER_BASE_PROCESS_VARIABLES_H

#include "base/base.h"

enum variable_use {
    VARIABLE_DAEMON,  /* A daemon gets it from the command that starts the daemon. */
    VARIABLE_COMMAND, /* Commands of jobs and agents get it from the daemon. */
    VARIABLE_NOTIFY,  /* notify_command gets it: what desktops and networks need, and no key. */
    VARIABLE_DEMO,    /* Processes of the demo get it. */
    VARIABLE_REPORT,  /* The value is no secret: a bug report does not blank it out. */
    VARIABLE_AGENT,   /* Programs that are agents get it from the daemon: keys of models, too. */
    VARIABLE_USES
};

/* `variable` is "NAME=value", or a name alone. */
MUST_CHECK bool variable_is_for(const char *variable, enum variable_use use);

#endif
