/* mark.h: the last commit as the database and its mark (commit_mark.h) know it.
 *
 * Promise    a commit that was acknowledged, and is not in the database at a later start, is
 *            missed there, and at each start after that until somebody accepts the loss. A database
 *            that has all of them misses none. Where a damaged page hides whether the last one is
 *            there, the damage is what is told.
 * Threads    as of the connection; sqlite_missing and sqlite_missing_accept: any.
 * Failure    outputs are untouched; errors as in driver.h.
 */
#ifndef DROVER_STORE_SQLITE_MARK_H
#define DROVER_STORE_SQLITE_MARK_H

#include "base/base.h"
#include "store/commit_mark.h"
#include "store/sqlite/conn.h"

/* Before COMMIT. The point has number 0 where the transaction changed nothing: it is no commit, and
 * nothing of it would be missing. */
MUST_CHECK struct err sqlite_mark_prepare(struct sqlite_conn *writer,
                                          struct commit_point *ret_point);
void sqlite_mark_set(struct sqlite_conn *writer, const struct commit_point *point); /* After it. */

/* About how many commits up to `marked` are not in the database; 0: none. */
MUST_CHECK struct err sqlite_mark_compare(struct sqlite_conn *conn,
                                          const struct commit_point *marked, int64_t *ret_missing);

/* At a start, outside any transaction, and in the transaction of its epoch. */
MUST_CHECK struct err sqlite_mark_begin(struct sqlite_conn *writer);
MUST_CHECK struct err sqlite_missing_note(struct sqlite_conn *writer);

int64_t sqlite_missing(const struct conn *writer, int64_t *ret_at_ms);
void sqlite_missing_accept(struct conn *writer);

#endif
