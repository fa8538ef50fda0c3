/* batch.h: contents of the shadow repository, several at once, and a new one into it.
 *
 * Ownership  git_result_done ends a result; contents point into it.
 * Threads    one. Blocks on the disk and on git.
 * Failure    as shadow_must; a content that is missing ends batch_next.
 */
#ifndef DROVER_TOOL_CHANGES_BATCH_H
#define DROVER_TOOL_CHANGES_BATCH_H

#include "tool/changes/shadow.h"

/* Standard input of git in one piece. */
struct batch_input {
    struct bytes piece;
};
MUST_CHECK bool batch_input_next(void *ctx, struct bytes *ret_piece);

/* `hashes` are lines. The result goes to batch_next. */
MUST_CHECK struct err batch_read(const struct shadow *shadow, struct bytes hashes,
                                 struct git_result *ret_result, struct why *why);
/* The next content. False: there is none, or it is not in the repository. */
MUST_CHECK bool batch_next(struct bytes *rest, struct bytes *ret_content);

/* Stores a content, which is on the disk afterwards. */
MUST_CHECK struct err batch_store(const struct shadow *shadow, struct bytes content,
                                  char ret_hash[TREE_HEX], struct why *why);

#endif
