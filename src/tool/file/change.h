/* change.h: one file that is to be written, edited or removed.
 *
 *   change_open     resolves, compares with what was allowed, reads what there is
 *   change_replace  the new bytes: temporary file in the same folder, sync, rename, sync
 *   change_remove
 *
 * Promise    after a crash the file holds the old or the new bytes, whole. Its mode is kept. What
 *            somebody else changed since it was read is not overwritten, as far as that can be seen
 *            just before the rename. A read-only file is not replaced. An error means that nothing
 *            was changed; the result says where a change is not known to be on disk.
 * Ownership  change_done.
 * Threads    any; blocks on the disk.
 */
#ifndef DROVER_TOOL_FILE_CHANGE_H
#define DROVER_TOOL_FILE_CHANGE_H

#include "base/base.h"
#include "base/err.h"
#include "tool/file/content.h"
#include "tool/place.h"
#include "tool/work.h"

struct change {
    struct tool_work *work;
    struct place_path path;
    struct place_parent parent; /* fd -1: its folders are not there yet (only on a look). */
    bool exists;
    bool whole; /* `old` has the bytes, not only the hash. */
    struct content old;
};
void change_done(struct change *change); /* For AUTO; zeroed is not allowed: parent.fd -1. */

MUST_CHECK struct err change_open(struct change *change, const char *path, enum place_last last,
                                  enum place_missing missing);
MUST_CHECK struct err change_replace(struct change *change, struct bytes content);
MUST_CHECK struct err change_remove(struct change *change);

#endif
