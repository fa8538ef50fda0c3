/* logs.h: what the command says, on the disk, by logical offset.
 *
 *   out.head            the first quarter of what may be kept
 *   out.00000000000004194304 …   the rest in segments; when there are too many, the oldest goes
 *
 * Promise    each byte handed over is written once, in order, or is `pending`: a log that cannot
 *            grow (full disk, quota, file size limit, whatever the reason) keeps what it could not
 *            write and takes nothing more until logs_retry succeeded. Beyond its bound a log keeps
 *            its head and its last bytes: at least half of the bound.
 * Ownership  embedded. The folder's descriptor is borrowed; the buffer belongs to the logs, and
 *            whoever reads output reads into it.
 */
#ifndef DROVER_PROC_HOLDER_LOGS_H
#define DROVER_PROC_HOLDER_LOGS_H

#include "base/base.h"
#include "proc/spool/protocol.h"

enum {
    LOGS_BUFFER_SIZE = 64 << 10, /* What a pipe holds. */
    LOGS_SEGMENTS = 8,           /* Beside the head. */
};

struct log_file {
    int fd;           /* Of the file that grows; -1: the next byte opens one. */
    int64_t size;     /* Logical. */
    int64_t file_end; /* Where the growing file is full. */
    int64_t oldest;   /* Offset that names the oldest segment; 0: there is none. */
};

struct logs {
    int folder; /* Borrowed. */
    int64_t head_max, segment_max;
    struct log_file files[LOG_STREAMS];
    bool full;
    enum log_stream pending_of;
    size_t pending_at, pending_len; /* In the buffer. */
    char buffer[LOGS_BUFFER_SIZE];
};

void logs_init(struct logs *logs, int folder, int64_t log_max);

/* The first `len` bytes of the buffer. Only while it is not full. */
void logs_add(struct logs *logs, enum log_stream stream, size_t len);

/* Writes what is pending; `full` tells. */
void logs_retry(struct logs *logs);

#endif
