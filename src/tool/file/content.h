/* content.h: the bytes of a file, as tools want them.
 *
 * Ownership  content_done.
 * Threads    any; blocks on the disk.
 * Failure    ERR_CONFLICT (larger than asked for, or it changed while it was read), ERR_IO,
 *            ERR_TOO_EXPENSIVE (time), with `why`.
 */
#ifndef DROVER_TOOL_FILE_CONTENT_H
#define DROVER_TOOL_FILE_CONTENT_H

#include <sys/stat.h>

#include "base/base.h"
#include "base/err.h"
#include "base/hash.h"
#include "tool/tool.h"

enum {
    CONTENT_EDIT_MAX = 4 << 20, /* Files that are edited, written or searched as a whole. */
    CONTENT_BINARY_LOOK = 8192, /* A NUL among these first bytes: the file is no text. */
};

struct content {
    char *data; /* Owned, terminated. */
    size_t len;
    struct sha256_hex hash;
    struct stat about; /* As it was when the file was read. */
};
void content_done(struct content *content); /* For AUTO; zeroed is allowed. */
MUST_CHECK struct err content_read(const struct tool_place *place, int fd, size_t size_max,
                                   struct content *ret_content, struct why *why);
/* Only the hash, as far as the deadline allows. `size_max` counts the bytes that are there: a file
 * may grow, and one of /proc has more than its size says. */
MUST_CHECK struct err content_hash(const struct tool_place *place, int fd, size_t size_max,
                                   struct sha256_hex *ret_hash, struct why *why);

MUST_CHECK bool content_is_binary(struct bytes bytes);
/* The same file, not changed since: node, size, time. */
MUST_CHECK bool content_unchanged(const struct stat *before, const struct stat *now);

#endif
