/* offers.h: the files of a project whose paths fit a few typed letters, the best ones first.
 *
 * Promise    plain files below the root, by paths that are relative to it. Links are not followed,
 *            `.git`, working trees of agents and the closed folder are left out (walk.h), and so is
            what the root's .gitignore names: else a large node_modules would use up the bounds,
 *            what is no UTF-8 or has control characters. Of equal fits the shorter comes first.
 * Bounds     those of a walk, and FILE_OFFERS_MS; FILE_OFFERS_MAX paths.
 * Ownership  file_offers_done.
 * Threads    any; blocks on the disk.
 * Failure    ERR_CONFLICT: the root is no folder that can be read; `why` is a sentence.
 */
#ifndef DROVER_TOOL_FILE_OFFERS_H
#define DROVER_TOOL_FILE_OFFERS_H

#include "base/base.h"
#include "base/err.h"
#include "loop/world.h"
#include "rules/session/fuzzy.h"

enum { FILE_OFFERS_MAX = 50, FILE_OFFERS_MS = 1000 };

struct file_offer {
    char *path; /* Owned. */
    int score;
};
struct file_offers {
    const char *root;   /* Absolute; borrowed during the call, as is the next. */
    const char *closed; /* As of a place: tool.h. */
    const struct world *world;
    struct fuzzy fuzzy;
    size_t limit; /* At most FILE_OFFERS_MAX. */
    /* Results. */
    struct file_offer best[FILE_OFFERS_MAX];
    size_t count;
    bool whole; /* Every name was looked at. */
};
MUST_CHECK struct err file_offers_find(struct file_offers *offers, struct why *why);
void file_offers_done(struct file_offers *offers); /* Zeroed is allowed. */

#endif
