/* disk_usage.h: the size of a data directory on the disk, by kind.
 *
 * Promise    each file below the directory is counted once under one kind, with the blocks that it
 *            takes, as du(1) counts. Links are not followed, and other file systems not entered. A
 *            file that goes meanwhile is not counted; nothing is changed.
 * Ownership  the caller's; names are static.
 * Threads    any; blocks on the disk: in the pool, or before the loop runs.
 * Failure    *ret_usage is untouched.
 */
#ifndef DROVER_STORE_DISK_USAGE_H
#define DROVER_STORE_DISK_USAGE_H

#include "base/base.h"
#include "base/err.h"

enum disk_kind {
    DISK_DATABASE,
    DISK_WAL,
    DISK_SPOOL,
    DISK_BLOBS,
    DISK_CHANGES,
    DISK_SCRIPTS,
    DISK_LIBEXEC,
    DISK_LOG,
    DISK_BACKUPS,
    DISK_OTHER,
    DISK_KINDS
};

/* Why files of a kind are kept, and what frees them. */
struct disk_kind_text {
    const char *name, *kept, *freed;
};
extern const struct disk_kind_text disk_kind_texts[DISK_KINDS];

struct disk_usage {
    int64_t bytes[DISK_KINDS], files[DISK_KINDS];
    int64_t total;      /* Bytes of all kinds. */
    int64_t free_bytes; /* Free space of the file system, for this user. */
};

/* Called for each folder RUN.ATTEMPT of the spool; `name` is borrowed for the call. NULL: no. */
struct disk_folders {
    void (*each)(void *ctx, const char *name, int64_t bytes);
    void *ctx;
};
MUST_CHECK struct err disk_usage_read(const char *data, const struct disk_folders *folders,
                                      struct disk_usage *ret_usage);

/* How full a directory is: by its size limit, or by the free space of its disk. */
enum disk_level {
    DISK_FINE,
    DISK_WARNING, /* 80 % of the limit, or less than 1 GB free. */
    DISK_URGENT,  /* 90 % of the limit, or less than 100 MB free. */
    DISK_FULL     /* The limit is reached: no new run is taken. */
};
extern const char *const disk_level_names[];
/* `limit` 0: none. */
enum disk_level disk_level(const struct disk_usage *usage, int64_t limit);

#endif
