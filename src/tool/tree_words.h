/* tree_words.h: the command of a job on a working tree (rules/tree/tree.h). Words and paths are
 * arguments, never shell text; no hook of the repository is run, and no daemon of git's stays.
 *
 * Threads    any.
 */
#ifndef DROVER_TOOL_TREE_WORDS_H
#define DROVER_TOOL_TREE_WORDS_H

#include "rules/tree/tree.h"

/* {"argv":[…] of its spec. */
void tree_argv_write(const struct tree_order *order, struct text *text);

#endif
