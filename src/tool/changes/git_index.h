/* git_index.h: git's index, read and written by ourselves.
 *
 * Version 2, numbers with the highest byte first:
 *
 *   "DIRC", version (4), number of entries (4)
 *   an entry for each file, in the order of the paths, byte by byte:
 *     ctime (4 + 4), mtime (4 + 4), dev (4), ino (4), mode (4), uid (4), gid (4), size (4),
 *     SHA-1 of the content (20), flags (2: length of the path, at most 0xfff),
 *     the path, 1 to 8 NULs up to a multiple of 8
 *   extensions of git's, which are left out when the index is written here
 *   SHA-1 of all that (20): the sum
 *
 * Why        `git update-index` gives up everything because of one file that it cannot take, and
 *            follows links in a path that is replaced meanwhile. Contents come from contents.h,
 *            which looks at each file once, and here they are put in.
 * Promise    an index of another form is refused, never read beyond its end. No path is both a file
 *            and a folder of others.
 * Ownership  git_index_done. Paths and hashes of entries are borrowed from it.
 * Threads    one. Blocks on the disk.
 */
#ifndef DROVER_TOOL_CHANGES_GIT_INDEX_H
#define DROVER_TOOL_CHANGES_GIT_INDEX_H

#include <sys/stat.h>

#include "base/base.h"
#include "base/err.h"
#include "base/memory.h"
#include "base/text.h"

enum { GIT_HASH = 20, GIT_ENTRY_HEAD = 62 };

struct git_hash {
    unsigned char bytes[GIT_HASH];
};
struct git_entry {
    unsigned char head[GIT_ENTRY_HEAD]; /* As in the file, before the path. */
    struct bytes path;
};
struct git_index {
    struct text file;          /* Bytes that were read. */
    struct git_entry *entries; /* Owned. */
    size_t count;
    struct git_hash sum; /* Zeros where there is no index. */
};
/* A missing index, or one of another form, is empty. */
void git_index_read(const char *path, struct git_index *ret_index);
void git_index_done(struct git_index *index); /* For AUTO; a zeroed one is allowed. */
/* Place of the first path that is not before this one. */
size_t git_index_place(const struct git_index *index, struct bytes path);
/* NULL: the path is not in the index. */
const struct git_entry *git_index_find(const struct git_index *index, struct bytes path);
int64_t git_index_bytes(const struct git_index *index); /* Sizes of all files together. */

struct git_hash git_entry_hash(const struct git_entry *entry);
uint32_t git_entry_size(const struct git_entry *entry);
/* Marks the entry so that git takes the file for changed, whatever it is, until the entry is
 * replaced: its size gets a bit that no file here has. git_entry_size does not see the mark. */
void git_entry_doubt(struct git_entry *entry);
bool git_entry_is_same(const struct git_entry *a,
                       const struct git_entry *b); /* Mode and content. */

/* A file as it was read, as an entry. `about` tells mode, times and size. */
struct git_entry git_entry_make(struct bytes path, const struct stat *about,
                                const struct git_hash *hash);

/* Change of one path. */
enum git_change_kind { GIT_CHANGE_REMOVE, GIT_CHANGE_PUT };
struct git_change {
    enum git_change_kind kind;
    struct git_entry entry; /* A removal has the path alone. */
};
/* Writes the index with the changes, which are in the order of their paths, each path once. */
MUST_CHECK struct err git_index_write(const char *path, const struct git_index *index,
                                      const struct git_change *changes, size_t count);

#endif
