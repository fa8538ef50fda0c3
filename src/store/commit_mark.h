/* commit_mark.h: the number of the last commit, kept outside the database.
 *
 * Why        SQLite stops at the first damaged frame of its log, and begins without a log where it
 *            was removed: commits that were acknowledged are gone, and the database is sound. So
 *            the last one is also noted here, with something that the database has since: its
 *            number in nodes.batch, or the head of a stream that it raised. A start that finds
 *            neither knows that commits are missing.
 * Appends    a number in nodes.batch is one more page in the log for each commit. A commit that
 *            appended events has raised the head of a stream in any case: it is found by that, and
 *            only each COMMIT_MARK_STRIDE-th of them writes its number too, so that a start can
 *            say about how many are missing. The last number that was written is noted, too: where
 *            a stream is removed a number is written, so a database of before that has less, though
 *            a stream of the same id may be in it.
 * Format     DIR/drover.mark, 4,096 bytes, of which the first 40 are five words in the byte order
 *            of the machine: number, written, stream, head, and a check of the four. The rest is 0.
 *            Words whose check is wrong count as no mark.
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

enum { COMMIT_MARK_STRIDE = 8 };

struct commit_mark;

struct commit_point {
    int64_t number;       /* Of the commit; 0: there is none. */
    int64_t written;      /* Number in nodes.batch since that commit. */
    int64_t stream, head; /* It raised `head` of this row of `streams`; 0: it wrote its number. */
};

/* Makes the file where there is none, in a folder that this process has claimed. */
MUST_CHECK struct err commit_mark_open(const char *folder, struct commit_mark **ret_mark,
                                       struct why *why);
void commit_mark_close(struct commit_mark *mark); /* NULL is allowed. */
struct commit_point commit_mark_get(const struct commit_mark *mark);
void commit_mark_set(struct commit_mark *mark, const struct commit_point *point);
void commit_mark_sync(struct commit_mark *mark);             /* Blocks on the disk. */
uint64_t commit_mark_errors(const struct commit_mark *mark); /* Since the open. */

/* Without a claim, for a look: number 0 where there is no file or no mark. */
struct commit_point commit_mark_look(const char *folder);
/* Removes the mark, since a restored database has another history. Absent is fine. */
MUST_CHECK struct err commit_mark_remove(const char *folder);

#endif
