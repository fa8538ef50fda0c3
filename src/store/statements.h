/* statements.h: the number of a prepared statement, found by the address of its SQL.
 *
 * Promise    the same address has the same number, 0, 1, 2 …, for the table's life. The text is
 *            never read: a literal's address is its name, and costs one probe to look up.
 * Ownership  embedded: init/done. The literals are borrowed for the program's life.
 * Threads    one at a time; each connection has a table of its own.
 */
#ifndef DROVER_STORE_STATEMENTS_H
#define DROVER_STORE_STATEMENTS_H

#include "base/base.h"

struct statements {
    struct statements_slot *slots; /* Owned; a power of two of them, at most half in use. */
    size_t size, used;
};

void statements_init(struct statements *statements);
void statements_done(struct statements *statements);
/* *ret_new: this is the first time, so prepare it. */
size_t statements_number(struct statements *statements, const char *sql, bool *ret_new);

#endif
