/* contents.h: contents of a working tree, in words.
 *
 * Ownership  texts are the caller's; *ret_tree is, too.
 * Threads    one.
 * Failure    as api_request.h.
 */
#ifndef DROVER_CLI_TREE_CONTENTS_H
#define DROVER_CLI_TREE_CONTENTS_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "base/text.h"
#include "cli/base/api_request.h"

/* Base and name of a request about a tree. */
#define TREE_REQUEST(id_)                                                                          \
    .base = "/api/v1/worktrees/", .id = (id_),                                                     \
    .unknown = "there is no working tree '{}'; 'drover worktree ls' lists them"

/* The whole form of a tree, with `look` and `lost`. */
MUST_CHECK struct err tree_get(struct talk *talk, const char *id, json_t **ret_tree,
                               struct why *why);

/* "3 files +10 −2, 1 commit"; "-": nothing; "?": nobody has looked, or it cannot be read. */
void tree_changes_add(const json_t *tree, struct text *text);
/* Adds the lines of what a removal would lose; nothing where that is nothing. */
void tree_lost_add(const json_t *tree, struct text *lines);

#endif
