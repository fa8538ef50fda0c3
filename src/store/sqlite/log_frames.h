/* log_frames.h: frames of SQLite's write-ahead log, compared with their checksums when read.
 *
 * Why        SQLite compares them only when it recovers a log after a crash. A frame that is
 *            damaged or cut away while the log is in use would be an answer, and the next
 *            checkpoint would copy it into the file with a right checksum.
 * Format     SQLite's. Log: 32 bytes of header, of which the last 8 are its checksum, then frames.
 *            Frame: 24 bytes of header (number of the page, size of the database after a commit,
 *            two salts, checksum of 8 bytes), then the page. Each checksum goes on from the one
 *            before, over the first 8 bytes of the header and the page; its words have the byte
 *            order of the machine that began the log, and are stored big endian. A page number of
 *            0 is none.
 * Limits     that the frame holds the page that was asked for is the log's index's affair.
 * Threads    any.
 */
#ifndef DROVER_STORE_SQLITE_LOG_FRAMES_H
#define DROVER_STORE_SQLITE_LOG_FRAMES_H

#include <sqlite3.h>

#include "base/base.h"
#include "base/err.h"
#include "store/sqlite/page.h"

enum { LOG_FRAME_BYTES = 24 + PAGE_BYTES };

/* Whether a read of `len` bytes at `at` is that of the page of a frame. */
MUST_CHECK bool log_frame_is_page(int len, sqlite3_int64 at);
uint64_t log_frame_number(sqlite3_int64 at); /* Of the frame whose page that is; from 0. */

/* Reads the page at `at`. SQLITE_OK: *ret_fits tells whether it is what was written, *ret_number
 * which page it is, according to the frame (0: unknown). Beyond the end of the log nothing fits. */
MUST_CHECK int log_frame_read(sqlite3_file *log, uint8_t *page, sqlite3_int64 at, bool *ret_fits,
                              uint32_t *ret_number);

/* Reads a log without SQLite, as far as SQLite's recovery would: `each` gets the frames, from 1 on,
 * up to the first that does not fit. *ret_commit: the last one that ends a commit; 0: there is
 * none, or no log. */
MUST_CHECK struct err log_frames_each(const char *path,
                                      void (*each)(void *ctx, int64_t frame, uint32_t page),
                                      void *ctx, int64_t *ret_commit);

#endif
