/* damage.h: rows that cannot be read as they should be: text that is not UTF-8, JSON that is not
 * JSON, ids and words of states that drover does not know.
 *
 * drover checks what it stores. A row can still be damaged: by a disk, by a person with SQL, by an
 * older bug. Such a row must not stop anything but itself (json_add_stored shows null), and
 * somebody must hear of it: a start searches the newest rows, `drover doctor` all of them.
 *
 * Promise    a page reads rows of one table: at most DAMAGE_PAGE of them, and none after the row
 *            that reaches DAMAGE_PAGE_BYTES or DAMAGE_PAGE_FOUND. Each damaged column of a row is
 *            reported once. Only the tables of damage.c are read. After `remove` no later
 *            row gets the id of the removed one, and none finds what belonged to it.
 * Ownership  a struct damage is borrowed by `each` for the call.
 * Threads    inside a store function.
 */
#ifndef DROVER_ENGINE_SYSTEM_DAMAGE_H
#define DROVER_ENGINE_SYSTEM_DAMAGE_H

#include "base/base.h"
#include "base/err.h"
#include "store/store.h"

enum {
    DAMAGE_KEYS = 4,
    DAMAGE_PAGE = 256,
    DAMAGE_PAGE_BYTES = 512 << 10, /* About 3 ms of checking. */
    DAMAGE_PAGE_FOUND = 100,       /* Damaged columns. */
    DAMAGE_KEY_MAX = 4096,         /* Bytes of a text key in a cursor: the longest path. */
    DAMAGE_NEWEST_ROWS = 20000,
    DAMAGE_NEWEST_BYTES = 64 << 20,
};

struct damage {
    const char *table, *column; /* Static. */
    const char *what;           /* Static: "is not valid JSON". */
    struct bytes where;         /* SQL condition that finds the row alone: "id = 5". */
    struct bytes remove;        /* SQL statements that remove the row, each with its semicolon. */
};

/* Position between two rows; zeroed: before the first of all. */
struct damage_cursor {
    unsigned table;
    bool inside; /* The keys below are set. */
    int64_t key[DAMAGE_KEYS];
    /* Lower bound of the next text key. A key that is longer than DAMAGE_KEY_MAX is cut, and the
     * rows that share the part before the cut are skipped. */
    char text[DAMAGE_KEY_MAX + 8];
    size_t text_len;
    int64_t rows, bytes; /* NEWEST: sums of what was read of the table. */
};

struct damage_page {
    int64_t rows, bytes, found; /* Number of rows that were read, of their bytes, of damages. */
    bool more;                  /* false: it was the last page. */
};

enum damage_scope { DAMAGE_NEWEST, DAMAGE_ALL };

/* Reads a page after *io_cursor, and moves it. NEWEST skips older rows of tables that grow, and
 * ends a table after DAMAGE_NEWEST_ROWS or _BYTES, so that the search of a start has a limit,
 * however large the database is. */
MUST_CHECK struct err tx_damage_page(struct tx *tx, enum damage_scope scope,
                                     struct damage_cursor *io_cursor,
                                     void (*each)(void *ctx, const struct damage *damage),
                                     void *ctx, struct damage_page *ret_page);

#endif
