/* trees.h: the transactions of working trees (rules/tree/tree.h).
 *
 * Promise    the row of a tree is committed before, or with, the first job that makes it, so that
 *            no tree stands that nobody knows. A path is of one row at most.
 * Threads    inside a store function. Texts of rows live in the transaction's arena.
 * Failure    as store.h.
 */
#ifndef DROVER_ENGINE_TREE_TREES_H
#define DROVER_ENGINE_TREE_TREES_H

#include "engine/base/resource.h"
#include "rules/tree/tree.h"

/* By its holder; by a folder that lies in the tree (the root of a session); and by its id, of an
 * owner. False: there is none. */
MUST_CHECK bool tx_tree_of(struct tx *tx, struct bytes holder, struct tree_row *ret_row);
MUST_CHECK bool tx_tree_at(struct tx *tx, struct bytes host, struct bytes folder,
                           struct tree_row *ret_row);
MUST_CHECK bool tx_tree_find(struct tx *tx, const struct resource_key *key,
                             struct tree_row *ret_row);

/* TREE_PORTS of the tree that the folder lies in; "": none. */
struct bytes tx_tree_ports(struct tx *tx, struct bytes folder);

/* Wishes of the project for a tree that is planned. Texts in the arena. */
struct tree_wishes tx_tree_wishes(struct tx *tx, struct bytes owner, struct bytes project);

/* The row of a tree, from its texts. */
struct tree_new {
    struct bytes owner, host;
    enum tree_kind kind;
    struct bytes holder; /* The id of the tree is that of its holder, with another prefix. */
    struct bytes project;
    struct bytes texts[TREE_TEXTS]; /* TREE_PORTS is chosen here. */
    int64_t ports;                  /* As many; 0: none. */
    int64_t trees_max;              /* Trees of this kind in the project. */
};
void tree_texts_borrow(char *const *texts, struct bytes ret_texts[static TREE_TEXTS]);
/* A new row, PLANNED. ERR_CONFLICT: another holder has that path: `why` names it. ERR_TOO_MANY: as
 * many trees stand in the project, or no block of ports is free. */
MUST_CHECK struct err tx_tree_plan(struct tx *tx, const struct tree_new *what,
                                   struct tree_row *ret_row, struct why *why);
/* The texts as the machine has them (dispatch/base/work_tree.h), into the row of the holder, or a
 * new one. *ret_ports: TREE_PORTS of the row. */
MUST_CHECK struct err tx_tree_put(struct tx *tx, const struct tree_new *what,
                                  struct bytes *ret_ports, struct why *why);
/* Writes all of a row but what never changes. Its project gets tree_changed. */
MUST_CHECK struct err tx_tree_write(struct tx *tx, struct tree_row *io_row);
MUST_CHECK struct err tx_tree_texts(struct tx *tx, struct tree_row *io_row,
                                    const struct bytes texts[static TREE_TEXTS]);
/* The state, and why; nothing where both are so already. */
MUST_CHECK struct err tx_tree_enter(struct tx *tx, struct tree_row *io_row, enum tree_state state,
                                    struct bytes detail);
/* The row goes with its tree. */
MUST_CHECK struct err tx_tree_drop(struct tx *tx, const struct tree_row *row);

#endif
