/* apply.h: the changes of a working tree, as a rewind of its root (tool/changes/rewind.h).
 *
 *   the tree now ──"mine"──> its first point ──"others"──> the root now
 *
 * Taking back the first step from the root as it is now is the merge of three that puts the changes
 * of the tree onto it: the base is what the tree began with.
 *
 * Threads    inside a store function. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_CHANGES_APPLY_H
#define DROVER_ENGINE_CHANGES_APPLY_H

#include "engine/base/resource.h"
#include "engine/changes/points.h"
#include "rules/tree/tree.h"

enum { APPLY_MINE = 1, APPLY_OTHERS = 2 }; /* Sets of authors. */

/* Folders of which points are needed before; texts in the arena. */
struct apply_places {
    struct tree_row tree;
    struct bytes session; /* ses_… that works in the tree; "": none does. */
};
/* ERR_NOT_FOUND. ERR_CONFLICT: nobody knows what the tree began with. */
MUST_CHECK struct err tx_apply_places(struct tx *tx, const struct resource_key *key,
                                      struct apply_places *ret_places, struct why *why);
/* The span, from the points that were taken under that name of a call. ERR_NOT_READY: one was not
 * there in time. */
MUST_CHECK struct err tx_apply_find(struct tx *tx, const struct tree_row *tree, struct bytes call,
                                    struct changes_span *ret_span, struct why *why);

#endif
