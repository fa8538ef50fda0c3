/* log_file.h: the log of a daemon that a command started: DIR/log, and DIR/log.1, its older part.
 *
 * Ownership  everything is borrowed for the call.
 * Threads    any. Blocks on the disk.
 * Failure    a file that cannot be read counts as empty. ERR_OUT_OF_MEMORY: nothing is added.
 */
#ifndef DROVER_STORE_LOG_FILE_H
#define DROVER_STORE_LOG_FILE_H

#include <sys/stat.h>

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"

#define LOG_FILE "log"
#define LOG_FILE_OLD "log.1"
#define LOG_FILE_NEXT "log.next" /* Only while the log is rotated. */

enum { LOG_FILE_END_MAX = 256 << 10 }; /* Bytes that are read of the end of each file. */

/* The last `lines` lines of DIR/log, also those that lie in DIR/log.1. */
MUST_CHECK struct err log_file_end(const char *data, size_t lines, struct text *ret_text);
/* Whether the output of this process is the file; it is a terminal where a person types
 * --on-demand. *ret_about: of the output, where that is a file. */
MUST_CHECK bool log_file_is_output(const char *path, struct stat *ret_about);

#endif
