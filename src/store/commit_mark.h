/* commit_mark.h: the number of the last commit, kept outside the database.
 *
 * Why        SQLite stops at the first damaged frame of its log, and begins without a log where it
 *            was removed: commits that were acknowledged are gone, and the database is sound. The
 *            number of the last one is also a row (nodes.batch), so a start that finds less in the
 *            row than in the mark knows how many commits are missing, at least.
 * Format     DIR/drover.mark, 4,096 bytes, of which the first 8 are a word in the byte order of the
 *            machine: the number in the lower 48 bits, a check of it in the upper 16. The rest is
 *            0. A word whose check is wrong counts as no mark.
 * Crashes    the mark is set after the COMMIT has synced the log, so at any moment the mark on the
 *            disk is no higher than the durable commits. It is written, not synced: it survives the
 *            process, and a power cut but for the last second (commit_mark_sync). All blocks of the
 *            file are written when it is made, so that a full disk does not refuse it later, but
 *            where a file system copies on write. A mapping of the file was rejected: a file that
 *            is cut meanwhile, or such a full disk, would be a SIGBUS, which ends the daemon.
 * Ownership  the caller owns *ret_mark and ends it with commit_mark_close.
 * Threads    set: one; all else: any.
 * Failure    outputs are untouched. A mark that cannot be written or synced, or whose file was
 *            removed, is counted, and harms nobody: a lower mark finds less.
 */
#ifndef DROVER_STORE_COMMIT_MARK_H
#define DROVER_STORE_COMMIT_MARK_H

#include "base/base.h"
#include "base/err.h"

struct commit_mark;

/* Makes the file where there is none, in a folder that this process has claimed. */
MUST_CHECK struct err commit_mark_open(const char *folder, struct commit_mark **ret_mark,
                                       struct why *why);
void commit_mark_close(struct commit_mark *mark);        /* NULL is allowed. */
int64_t commit_mark_get(const struct commit_mark *mark); /* 0: there is none. */
void commit_mark_set(struct commit_mark *mark, int64_t number);
void commit_mark_sync(struct commit_mark *mark);             /* Blocks on the disk. */
uint64_t commit_mark_errors(const struct commit_mark *mark); /* Since the open. */

/* Without a claim, for a look: 0 where there is no file or no mark. */
int64_t commit_mark_look(const char *folder);
/* What follows is another history: a restored database has no mark. Absent is fine. */
MUST_CHECK struct err commit_mark_remove(const char *folder);

#endif
