/* statements.h: the values that a connection keeps for SQL texts, found by their addresses.
 *
 * Promise    the same address and use have the same slot and number (0, 1, 2 …) for the table's
 *            life. The text is never read: a literal's address is its name, and costs one probe to
 *            look up.
 * Ownership  embedded; zeroed, it is empty. The literals are borrowed for the program's life; the
 *            values are the table's, and end by the function that statements_done is given.
 * Threads    one at a time; each connection has a table of its own.
 */
#ifndef DROVER_STORE_STATEMENTS_H
#define DROVER_STORE_STATEMENTS_H

#include "base/base.h"

struct statements_slot {
    const void *address; /* Borrowed; NULL: free. */
    unsigned use;        /* Tells apart the texts of one address; 0 for a literal. */
    size_t number;
    void *value; /* NULL at first. */
};

struct statements {
    struct statements_slot *slots; /* Owned; a power of two of them, at most half in use. */
    size_t size, used;
};

/* Borrowed until the next call. */
struct statements_slot *statements_find(struct statements *statements, const void *address,
                                        unsigned use);
void statements_done(struct statements *statements, void (*value_end)(void *value));

#endif
