/* steps.h: the trees between two points, which files each step from one to the next changed, and
 * who is responsible.
 *
 *   "from": TREE, "to": TREE, "steps": [{"tree": TREE, "by": N, "named": [[NAME, N], …]}, …]
 *
 * TREE is a hash, or "" for the empty tree. Steps are the trees between the two, the last one `to`;
 * each goes from the tree before it to its own. `by` says who is responsible for a step, and
 * `named` for single paths of it: a path that is named is not by the others.
 *
 * Ownership  steps_done ends the steps; zeroed is the beginning, and steps_done of it is allowed.
 *            Hashes are borrowed from the order, paths of the walk from the steps.
 * Threads    one. Blocks on the disk and on git.
 * Failure    ERR_GONE: a tree is not in the repository, or no longer whole. ERR_BAD_FIELD: the
 *            order; ERR_TOO_EXPENSIVE: more files than fit into memory. `why` is a sentence.
 */
#ifndef DROVER_TOOL_CHANGES_STEPS_H
#define DROVER_TOOL_CHANGES_STEPS_H

#include "base/err.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "rules/changes/listing.h"
#include "tool/changes/shadow.h"

enum { STEPS_MAX = 4000 };

struct trees {
    const char *from, *to;
};
/* The hash of a tree of an order, borrowed. NULL: it is none. */
MUST_CHECK const char *tree_of(const json_t *value);
MUST_CHECK struct err trees_read(const json_t *order, struct trees *ret_trees, struct why *why);

/* shadow_run for a comparison: a tree or a content that git misses is ERR_GONE. A cut
 * output is a result. */
MUST_CHECK struct err trees_run(const struct shadow *shadow, const struct shadow_call *call,
                                struct git_result *ret_result, struct why *why);

/* Numbers of paths, in the order of step, path and number. */
struct mark {
    struct bytes path;
    size_t step;
    int64_t by;
};
struct marks {
    struct mark *marks; /* Owned. */
    size_t count, size;
};
void marks_done(struct marks *marks); /* For AUTO. */
void mark_add(struct marks *marks, struct mark mark);
void marks_sort(struct marks *marks);
/* Place of the first mark of a path, or of what follows it. */
MUST_CHECK size_t marks_place(const struct marks *marks, size_t step, struct bytes path);
MUST_CHECK bool marks_has(const struct marks *marks, size_t at, size_t step, struct bytes path);

struct step {
    const char *from, *to; /* Borrowed from the order. */
    int64_t by;
};
struct steps {
    struct step *steps; /* Owned. */
    size_t count;
    struct marks named;       /* Paths with numbers of their own; sorted. */
    struct git_result result; /* Owned; paths of the walk point into it. */
    struct arena names;       /* Owned; named paths. */
};
MUST_CHECK struct err steps_read(const json_t *order, const struct trees *trees,
                                 struct steps *steps, struct why *why);
void steps_done(struct steps *steps); /* For AUTO. */

/* Calls `on_file` for each file that a step changed, in the order of the steps, with its step. A
 * rename is a file that goes and one that comes. */
struct steps_walk {
    void (*on_file)(void *ctx, size_t step, const struct change_step *file);
    void *ctx;
};
MUST_CHECK struct err steps_compare(const struct shadow *shadow, struct steps *steps,
                                    struct steps_walk walk, struct why *why);

#endif
