/* damage.h: rows that cannot be read as they should: text that is no UTF-8, JSON that is none.
 *
 * drover checks what it stores. A row can still be damaged: by a disk, by a person with SQL, by an
 * older bug. Such a row must not stop anything but itself (json_add_stored shows null), and
 * somebody must be told of it: the start looks at the newest rows, `drover doctor` at all.
 *
 * Promise    a page reads at most DAMAGE_PAGE rows of one table. Each damaged column of a row is
 *            reported once. Tables without text from outside are not read.
 * Ownership  a struct damage is the caller's during `each` only.
 * Threads    inside a store function.
 */
#ifndef DROVER_ENGINE_DAMAGE_H
#define DROVER_ENGINE_DAMAGE_H

#include "base/base.h"
#include "base/err.h"
#include "store/store.h"

enum { DAMAGE_PAGE = 256, DAMAGE_KEYS = 3, DAMAGE_WHERE_MAX = 1024 };
enum { DAMAGE_NEWEST_ROWS = 20000, DAMAGE_NEWEST_BYTES = 64 << 20 };

struct damage {
    const char *table, *column;   /* Static. */
    const char *what;             /* Static: "is not valid JSON". */
    char where[DAMAGE_WHERE_MAX]; /* SQL condition that finds the row alone: "id = 5". */
};

/* Position between two rows; zeroed: before the first. */
struct damage_cursor {
    unsigned table;
    bool inside; /* Rows of the table were read: `key` is the last one's. */
    int64_t key[DAMAGE_KEYS];
    int64_t rows, bytes; /* NEWEST: sums of what was read of the table. */
};

enum damage_scope { DAMAGE_NEWEST, DAMAGE_ALL };

/* Reads a page after *io_cursor, and moves it. *ret_more false: it was the last. NEWEST skips older
 * rows of tables that grow, and ends a table after DAMAGE_NEWEST_ROWS or _BYTES, so that the search
 * of a start has a limit, however large the database is. */
MUST_CHECK struct err tx_damage_page(struct tx *tx, enum damage_scope scope,
                                     struct damage_cursor *io_cursor,
                                     void (*each)(void *ctx, const struct damage *damage),
                                     void *ctx, bool *ret_more);

#endif
