/* table.h: what is in flight, found by the id of its run.
 *
 * Promise    a run may have several entries (an attempt that is being settled, and the next one);
 *            finding costs the same whatever the number of runs. Entries stay where they are.
 * Ownership  nodes are embedded in the caller's objects, and so are the bytes of the name, which
 *            may not change while it is in a table. Embedded: init/done.
 * Threads    one at a time.
 */
#ifndef DROVER_DISPATCH_BASE_TABLE_H
#define DROVER_DISPATCH_BASE_TABLE_H

#include "base/base.h"

struct table_node {
    struct table_node *next; /* Private, as is the hash. */
    uint32_t hash;
    struct bytes name;
};

struct table {
    struct table_node **buckets; /* Owned. */
    size_t size, count;          /* size: a power of two. */
};

void table_init(struct table *table);
void table_done(struct table *table); /* Empty, or whoever embeds the nodes frees them. */
void table_add(struct table *table, struct table_node *node);
void table_remove(struct table *table, struct table_node *node); /* It is in there. */
/* The first of that name, or the next one after `node`; NULL: there is none. */
struct table_node *table_find(const struct table *table, struct bytes name);
struct table_node *table_find_next(const struct table_node *node);
/* The first node, or the one after `after`, in no order that means anything; NULL: none. A loop
 * that removes a node asks for the next one before. */
struct table_node *table_next(const struct table *table, const struct table_node *after);

#endif
