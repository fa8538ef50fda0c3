/* prepared.h: the statements that one connection has prepared, and how arguments travel.
 *
 * Promise    a statement is prepared once per connection and set of argument kinds. An argument
 *            declares its own type (bigint or text), so that a sum never narrows to 32 bits; a
 *            NULL fits either, and must stand where the statement tells its type. Arguments go in
 *            binary form: bytes with a length need no copy for a terminator, and a NUL inside them
 *            is refused by the server.
 * Ownership  embedded: init/done. SQL texts are borrowed for the program's life.
 * Threads    one at a time.
 */
#ifndef DROVER_STORE_POSTGRES_PREPARED_H
#define DROVER_STORE_POSTGRES_PREPARED_H

#include <libpq-fe.h>

#include "base/base.h"
#include "store/driver.h"
#include "store/statements.h"
#include "store/store.h"

enum { PG_NAME_SIZE = 32 };

struct pg_prepared {
    struct pg_prepared *next; /* Owned: the same SQL with other kinds of arguments. */
    uint64_t numbers, texts;  /* Bit n: what argument n was declared as. Neither: left open. */
    bool known;               /* The server has it. */
    bool sent;                /* On its way; the answer decides. */
    char name[PG_NAME_SIZE];
};

struct pg_prepared *pg_prepareds_get(struct statements *statements, const char *sql,
                                     const struct arg *args, size_t count);
void pg_prepareds_end(void *first); /* Frees all of one SQL text: for statements_done. */

/* The arguments as libpq wants them. Points into itself and into `args`. */
struct pg_arguments {
    Oid types[DRIVER_ARGS_MAX];
    const char *values[DRIVER_ARGS_MAX];
    int lengths[DRIVER_ARGS_MAX], formats[DRIVER_ARGS_MAX];
    uint64_t numbers[DRIVER_ARGS_MAX]; /* Big-endian. */
};
void pg_arguments_fill(struct pg_arguments *arguments, const struct arg *args, size_t count);

#endif
