/* project.h: the folder of the project that a folder belongs to.
 *
 * Threads    one.
 * Failure    ERR_USAGE with *why: the folder does not exist.
 */
#ifndef DROVER_CLI_BASE_PROJECT_H
#define DROVER_CLI_BASE_PROJECT_H

#include <limits.h>

#include "cli/base/cli.h"

/* The nearest folder from `folder` upward that is a project's: it has .git, .drover, .claude or
 * .boocode. Where none is, also below the ceilings (base/process/ceiling.h), `folder` itself,
 * absolute. */
MUST_CHECK struct err project_find(struct invocation *invocation, const char *folder,
                                   char root[PATH_MAX]);
/* Absolute path of the folder that --root names; NULL: the current one. ERR_USAGE: also where it
 * is a file. */
MUST_CHECK struct err root_resolve(const char *given, char root[PATH_MAX], struct why *why);

#endif
