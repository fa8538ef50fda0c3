/* page_sums.h: checksums of the pages of an SQLite database, checked by a VFS of ours.
 *
 * Format     The last 8 bytes of a page of 4,096 are reserved (byte 20 of the file's header is 8)
 *            and hold a checksum of the 4,088 before them and of the page's number, little endian.
 *            The checksum is written when a page is written into the database file: by a
 *            checkpoint, or in a copy. A page in the log has SQLite's checksum of its frame, and
 *            whatever stood in the reserved bytes before. A page of zeros is damaged like any
 *            other: secure_delete writes each page that is freed.
 * Promise    a page that is read from the database file, or a part of it, or from the log
 *            (log_frames.h), is what was written there, or the read fails with SQLITE_CORRUPT and
 *            the page is counted. A page beyond the end of a file that was cut is damaged, too. A
 *            checkpoint copies a page that is damaged in the log with a wrong checksum. The header
 *            is the exception: SQLite reads its 100 bytes unchecked when it opens the file, and all
 *            of page 1 before it uses more. A database that was made before drover had checksums is
 *            read and written as it is.
 * Others     a program that opens the database with SQLite's own VFS must not checkpoint it, since
 *            that leaves the old checksums (docs/running.md).
 * Threads    any; a connection is used by one at a time.
 */
#ifndef DROVER_STORE_SQLITE_PAGE_SUMS_H
#define DROVER_STORE_SQLITE_PAGE_SUMS_H

#include <sqlite3.h>

#include "base/base.h"
#include "store/sqlite/log_sums.h"
#include "store/sqlite/page_damage.h"

enum { PAGE_BYTES = 4096, PAGE_SUM_BYTES = 8 };

/* Name of the VFS for sqlite3_open_v2. It stands before the VFS that is the default at the time of
 * an open. NULL: there is no memory to begin with. */
const char *page_sums_vfs(void);

/* A database that `db` makes from nothing has checksums. */
void page_sums_reserve(sqlite3 *db);
/* What all connections of one process to one database share. */
struct page_watch {
    struct page_damage damage; /* What they meet is counted. */
    struct log_sums log;
};
void page_sums_watch(sqlite3 *db, struct page_watch *watch); /* From now on; NULL: none. */
bool page_sums_on(sqlite3 *db);
/* For a new file that gets the pages of `from` in any order. */
void page_sums_like(sqlite3 *db, sqlite3 *from);

/* page_checksum.c. */
uint64_t page_sum(const uint8_t *page, uint32_t number);     /* Without its last bytes. */
uint64_t page_sum_all(const uint8_t *page, uint32_t number); /* With them. */
bool page_sum_fits(const uint8_t *page, uint32_t number);
void page_sum_put(uint8_t *page, uint32_t number); /* Into its last bytes. */
/* page_sums.c. Of page 1: also where the byte of its header that says so is damaged. */
bool page_first_has_sums(const uint8_t *page);

#endif
