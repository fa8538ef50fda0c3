/* page_sums.h: a VFS of ours, which writes and compares the checksums of the pages of an SQLite
 * database (page.h).
 *
 * Format     The checksum is written when a page is written into the database file: by a
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
 * Log        it also buffers what one connection writes into the log, until the sync.
 * Others     a program that opens the database with SQLite's own VFS must not checkpoint it, since
 *            that leaves the old checksums (docs/running.md).
 * Threads    any; a connection is used by one at a time.
 */
#ifndef DROVER_STORE_SQLITE_PAGE_SUMS_H
#define DROVER_STORE_SQLITE_PAGE_SUMS_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <uv.h>

#include "base/base.h"
#include "store/sqlite/page.h"

/* Name of the VFS for sqlite3_open_v2. It stands before the VFS that is the default at the time of
 * an open. NULL: there is no memory to begin with. */
const char *page_sums_vfs(void);

/* What all connections of one process to one database share. It outlives them. */
enum {
    PAGE_DAMAGE_MAX = 1000,
    PAGE_LOG_FRAMES = 4096, /* In normal use a log restarts there: later frames have no sum. */
};
struct page_watch {
    /* Damaged pages that were read since the start, each counted once. 0: an unknown one. */
    uv_mutex_t lock; /* Guards the numbers. */
    uint32_t damaged[PAGE_DAMAGE_MAX];
    atomic_uint_fast32_t damaged_count; /* At most PAGE_DAMAGE_MAX. */
    /* Checksums of pages that this process has written into the log, or found whole there; 0:
     * unknown. A frame's own checksum is a chain of 512 steps, each of which waits for the one
     * before it: it costs a fifth of a read from the log. Where the checksum here fits, the page is
     * whole at a quarter of that; where not, the frame's own decides (log_frames.h). So an entry
     * that is out of date, since another process wrote the frame, costs time only. */
    atomic_uint_fast64_t log_sums[PAGE_LOG_FRAMES];
};
void page_watch_init(struct page_watch *watch); /* Zeroed before. */
void page_watch_done(struct page_watch *watch);
uint32_t page_watch_damaged(const struct page_watch *watch);

/* A database that `db` makes from nothing has checksums. */
void page_sums_reserve(sqlite3 *db);
void page_sums_watch(sqlite3 *db, struct page_watch *watch); /* From now on; NULL: none. */
/* Buffers its log (log_tail.h). Only for a connection with synchronous=FULL: the sync flushes,
 * and after it alone others may read the commit. */
void page_sums_buffer_log(sqlite3 *db);
bool page_sums_on(sqlite3 *db);
/* For a new file that gets the pages of `from` in any order. */
void page_sums_like(sqlite3 *db, sqlite3 *from);

#endif
