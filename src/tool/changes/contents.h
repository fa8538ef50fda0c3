/* contents.h: the content of files of a world, each looked at once, into the shadow repository.
 *
 * Promise    no link is followed, neither at the end of a path nor within it, and what is not a
 *            plain file or a link is never opened. A content is whole: the file had the same size
 *            and times before and after it was read. One file that cannot be taken harms no other.
 * Ownership  file_content_done ends what file_content_read returned.
 * Threads    one. Blocks on the disk.
 * Failure    of a file: its state. Of contents_store: git's.
 */
#ifndef DROVER_TOOL_CHANGES_CONTENTS_H
#define DROVER_TOOL_CHANGES_CONTENTS_H

#include <sys/stat.h>

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"
#include "tool/changes/git_index.h"
#include "tool/changes/shadow.h"

enum content_state {
    CONTENT_TAKEN,
    CONTENT_ABSENT,
    CONTENT_FOLDER,
    CONTENT_SPECIAL, /* A socket, a pipe, a device. */
    CONTENT_LARGE,
    CONTENT_UNREADABLE,
    CONTENT_CHANGING, /* Written while it was read, several times. */
};

struct file_content {
    struct stat about;
    struct text bytes; /* For a link: its target. */
};
/* `path` is relative to the folder. */
enum content_state file_content_look(int folder, const char *path, struct stat *ret_about);
enum content_state file_content_read(int folder, const char *path, int64_t size_max,
                                     struct file_content *ret_content);
void file_content_done(struct file_content *content); /* For AUTO; a zeroed one is allowed. */

/* A file that shall be stored. */
struct content_item {
    struct bytes path;                /* Terminated. Borrowed. */
    const struct git_entry *old;      /* In the index so far; NULL: not there. Borrowed. */
    enum content_state state;         /* Result. */
    struct git_entry entry;           /* Result, where it was taken. */
    struct timespec written, changed; /* Result: times of writing and of change. */
};
/* Stores what is not stored yet; a file whose content is that of `old` is not written again. */
MUST_CHECK struct err contents_store(const struct shadow *shadow, int folder, int64_t size_max,
                                     struct content_item *items, size_t count, struct why *why);

#endif
