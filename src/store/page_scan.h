/* page_scan.h: all pages of a database file, read one after the other without SQLite.
 *
 * Why        SQLite reads only what it needs: never the content of free pages, nor a page whose
 *            newest version is in the log.
 * Promise    a page counts as damaged when it was read three times and had the wrong checksum each
 *            time: a checkpoint of the daemon may write a page while it is read. Nothing is
 *            changed.
 * Threads    any; blocks on the disk. The process must have no connection to the file: POSIX drops
 *            all locks of a process on a file when it closes one descriptor of it.
 * Failure    outputs are untouched.
 */
#ifndef DROVER_STORE_PAGE_SCAN_H
#define DROVER_STORE_PAGE_SCAN_H

#include "base/base.h"
#include "base/err.h"
#include "store/store.h"

MUST_CHECK struct err page_scan(const char *path, struct store_pages *ret_pages);

#endif
