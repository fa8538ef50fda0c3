/* ceiling.h: the folders at which a search upward for a project ends, named by the user as for git:
 * absolute paths, separated by colons, in GIT_CEILING_DIRECTORIES.
 *
 * Promise    as in git, a ceiling and all above it belong to no project that a folder below it is
 *            in; a search that begins in a ceiling still looks there. Links are not resolved.
 * Threads    any.
 */
#ifndef DROVER_BASE_PROCESS_CEILING_H
#define DROVER_BASE_PROCESS_CEILING_H

#include "base/base.h"

#define CEILING_VARIABLE "GIT_CEILING_DIRECTORIES"

/* Whether a search that comes from below ends before `folder`. `ceilings`: the variable's value;
 * NULL: there are none. */
MUST_CHECK bool ceiling_is(const char *ceilings, struct bytes folder);

#endif
