/* git_state.h: where a project's repository stands, read from its files: no program is run.
 *
 * Promise    only names that git itself allows for a branch are told; a repository that is damaged,
 *            or laid out in a way that is not known here, says nothing. Nothing is read through a
 *            link that leads out of the project.
 * Threads    the pool: it blocks on the disk.
 */
#ifndef DROVER_TOOL_GIT_STATE_H
#define DROVER_TOOL_GIT_STATE_H

#include "base/base.h"
#include "base/text.h"

/* Adds a line: the branch, or the commit where there is none; nothing without a repository. */
void git_state_write(const char *root, struct text *text);

#endif
