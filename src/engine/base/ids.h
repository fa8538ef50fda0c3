/* ids.h: the numbers of rows in the tables that others refer to by number.
 *
 * An id is one more than the highest that its table ever had: the highest of its rows, or of the
 * rows that were deleted, which `ids` keeps. So a row that names an id whose row is gone names
 * nothing, for ever, and deletions need not look for such rows. An insertion writes no counter,
 * because most rows are never deleted; a deletion keeps the highest id first.
 *
 * Tables whose id is a plain @id@ are not here: SQLite gives the id of a deleted newest row again,
 * and nothing minds, since no row, text or note of another keeps it. `inbox`, `approvals` and
 * `memory` show it as the cursor of lists that go from the newest row down, where a row that comes
 * later is missed by none; `parts`, `checkpoints`, `projects` and `idempotency` show it to nobody.
 * Events name the id of their stream, and are deleted before its row, in the same transaction.
 * drover deletes no row of `tokens` and `usage_totals`.
 *
 * A damaged row is removed by hand: damage.h names the statements that keep this promise.
 *
 * Promise    an id is given once, also after deletions, restarts and restores.
 * Threads    inside a store function.
 */
#ifndef DROVER_ENGINE_BASE_IDS_H
#define DROVER_ENGINE_BASE_IDS_H

#include "base/base.h"
#include "base/err.h"
#include "store/store.h"

/* Column of a SELECT: the id of the next row of that table. */
#define IDS_NEXT(table)                                                                            \
    "(SELECT max(last) + 1 FROM (SELECT COALESCE(max(id), 0) AS last FROM " table                  \
    " UNION ALL SELECT last FROM ids WHERE name = '" table "') given)"

/* Statement: keeps the highest id of that table. */
#define IDS_KEEP(table)                                                                            \
    "UPDATE ids SET last = (SELECT max(id) FROM " table ") WHERE name = '" table                   \
    "' AND last < (SELECT max(id) FROM " table ")"

/* Statement: keeps the highest number of a turn of each session whose newest turn it is; the turns
 * of a session count from 1, and the number of a deleted one is not given again (turn/rows.c). The
 * condition on turns names those that are deleted: "run = $1". */
#define IDS_KEEP_TURN(which)                                                                       \
    "UPDATE sessions SET turn_last = (SELECT max(number) FROM turns WHERE session = sessions.id)"  \
    " WHERE id IN (SELECT session FROM turns WHERE " which ")"                                     \
    " AND turn_last < (SELECT max(number) FROM turns WHERE session = sessions.id)"

enum ids_table { IDS_RUNS, IDS_MESSAGES, IDS_SESSIONS, IDS_BUDGETS, IDS_ATTACHMENTS };

/* Before rows of that table are deleted, in the same transaction. */
void ids__keep(struct tx *tx, enum ids_table table);

#endif
