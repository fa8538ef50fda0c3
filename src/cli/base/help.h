/* help.h: what a user reads who asks how.
 *
 * Threads    one.
 */
#ifndef DROVER_CLI_BASE_HELP_H
#define DROVER_CLI_BASE_HELP_H

#include <stdio.h>

#include "cli/base/args.h"

/* Of the command, else of the group, else of all. */
void help_print(const struct command *const *commands, const struct args *args, FILE *out);

#endif
