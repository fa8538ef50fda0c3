/* gather.h: names of files of a world that differ from its index, or may do so.
 *
 * Which      files that git calls modified, deleted or new, with the lists of names to ignore of
 *            the project and of the user; of the paths in the user's own index, those that ours
 *            lacks; of ignored ones, those that .worktreeinclude or a pattern of `capture` names.
 * Promise    the user's own repository is only read. What cannot be read there adds no names.
 * Ownership  names are borrowed from the gathering; gathering_done.
 * Threads    one. Blocks on the disk.
 * Failure    of git: that of the first listing. The others are extras: a failure adds no names.
 */
#ifndef DROVER_TOOL_CHANGES_GATHER_H
#define DROVER_TOOL_CHANGES_GATHER_H

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"
#include "tool/changes/git_index.h"
#include "tool/changes/shadow.h"

struct gather_order {
    const struct shadow *shadow;
    const struct git_index *index;
    bool has_git;                /* The root has a repository of the user's. */
    bool known_only;             /* A large world: no new names. */
    const struct bytes *capture; /* Patterns of base/glob.h. */
    size_t capture_count;
};

enum { GATHER_LISTINGS = 4 };
struct gathering {
    struct git_result listings[GATHER_LISTINGS]; /* Owned; names point into them. */
    struct text tracked;                         /* Owned. */
    struct bytes *names;                         /* Owned; terminated, some of them twice. */
    size_t count, size;
};
void gathering_done(struct gathering *gathering); /* For AUTO; a zeroed one is allowed. */
void gathering_add(struct gathering *gathering, struct bytes name); /* Terminated. Borrowed. */

/* `gathering` is zeroed. */
MUST_CHECK struct err gather_names(const struct gather_order *order, struct gathering *gathering,
                                   struct why *why);

#endif
