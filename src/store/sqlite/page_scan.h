/* page_scan.h: all pages of a database file, read, or given checksums, without SQLite.
 *
 * Why        SQLite reads only what it needs: never the content of free pages, nor a page whose
 *            newest version is in the log.
 * Promise    a page counts as damaged when it was read three times and had the wrong checksum each
 *            time: a checkpoint of the daemon may write a page while it is read. One whose newest
 *            version is in the log, whole and of a commit, is not damaged. One that the disk
 *            cannot read is damaged, too; where that is page 1, the scan fails. A scan changes
 *            nothing. A rewrite changes only the checksums that are wrong, each by one write of its
 *            8 bytes, and syncs the file; one that is cut off may be done again.
 * Threads    any; blocks on the disk. The process must have no connection to the file: POSIX drops
 *            all locks of a process on a file when it closes one descriptor of it.
 * Failure    outputs are untouched.
 */
#ifndef DROVER_STORE_SQLITE_PAGE_SCAN_H
#define DROVER_STORE_SQLITE_PAGE_SCAN_H

#include "base/base.h"
#include "base/err.h"
#include "store/store.h"

enum page_scan {
    PAGE_SCAN_LOOK,
    /* Nobody else has the file open. `damaged`, `numbers`: pages whose sums were written. */
    PAGE_SCAN_REWRITE,
};
MUST_CHECK struct err page_scan(const char *path, enum page_scan work,
                                struct store_pages *ret_pages);

#endif
