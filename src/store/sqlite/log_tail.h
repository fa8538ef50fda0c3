/* log_tail.h: a buffer for the end of SQLite's write-ahead log, and for a recovery that reads it.
 *
 * Why        SQLite writes each page of a commit by two calls, one for the header of 24 bytes. At
 *            64 workflows at once that was half of all system calls of the daemon. After a kill it
 *            reads the log by one call for each frame.
 * Promise    what was added is in the file when log_tail_write has answered SQLITE_OK. Where it
 *            fails, the buffer is dropped: SQLite rolls the commit back, and the next one begins
 *            at the same place of the log.
 * Ownership  the tail owns its memory, which is SQLite's like that of the file, until
 *            log_tail_done. Without memory it writes at once.
 * Limits     LOG_TAIL_BYTES; what does not fit is written first.
 * Threads    those of the connection: one at a time.
 */
#ifndef DROVER_STORE_SQLITE_LOG_TAIL_H
#define DROVER_STORE_SQLITE_LOG_TAIL_H

#include <sqlite3.h>

#include "base/base.h"

enum { LOG_TAIL_BYTES = 64 << 10 };

struct log_tail {     /* Zeroed: nothing waits. */
    char *bytes;      /* Owned; NULL before the first is added. */
    int len;          /* Number of those that wait to be written; */
    int ahead;        /* or that were read: a caller that reads anything else sets it to 0. */
    sqlite3_int64 at; /* The place of the first in the file. */
};
void log_tail_done(struct log_tail *tail);

/* The file is that of the VFS below; `methods` are its own. */
MUST_CHECK int log_tail_add(struct log_tail *tail, const sqlite3_io_methods *methods,
                            sqlite3_file *file, const void *data, int len, sqlite3_int64 at);
/* For a recovery, which locks all others out: what follows is read, too. */
MUST_CHECK int log_tail_read(struct log_tail *tail, const sqlite3_io_methods *methods,
                             sqlite3_file *file, void *data, int len, sqlite3_int64 at);
MUST_CHECK int log_tail_write(struct log_tail *tail, const sqlite3_io_methods *methods,
                              sqlite3_file *file);

#endif
