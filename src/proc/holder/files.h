/* files.h: whole reads and writes of small files, what was left open, and a pause.
 *
 * Threads    this program has one.
 */
#ifndef DROVER_PROC_HOLDER_FILES_H
#define DROVER_PROC_HOLDER_FILES_H

#include <sys/types.h>

#include "base/base.h"
#include "base/err.h"

/* The beginning of a file of the kernel's as terminated text. False: see errno. */
MUST_CHECK bool files_read(const char *path, char *text, size_t size);

/* All of it, or an error. `step` is static text. */
MUST_CHECK struct err files_write_at(int fd, struct bytes bytes, int64_t at, const char *step);

/* The names in a folder, as the kernel hands them out: opendir would bring the allocator.
 * files_list fills the chunk (0: that was all; negative: errno), files_next walks over it. */
struct files_chunk {
    _Alignas(8) char bytes[8192];
};
ssize_t files_list(int folder, struct files_chunk *chunk);
const char *files_next(struct files_chunk *chunk, size_t len, size_t *at);

/* Closes every descriptor from that one on. */
void files_close_from(int first);

void files_pause(unsigned ms);

#endif
