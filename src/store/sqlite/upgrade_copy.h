/* upgrade_copy.h: the copy of a database that is made before its schema is changed: the way back to
 * the older drover.
 *
 * Promise    a copy is whole: DIR/backups/before-upgrade-SCHEMA.EPOCH.db, one for each epoch in
 *            which a daemon has served the older schema. The newest UPGRADE_COPIES_MAX are kept,
 *            for UPGRADE_COPY_DAYS. Migrations that were cut short need no second one.
 * Threads    the thread that opens the store; the claim on the directory is held. `find`: any.
 * Failure    nothing was changed. ERR_DISK_FULL: `why` says how much room a copy needs.
 */
#ifndef DROVER_STORE_SQLITE_UPGRADE_COPY_H
#define DROVER_STORE_SQLITE_UPGRADE_COPY_H

#include "base/base.h"
#include "base/err.h"
#include "store/driver.h"

enum { UPGRADE_COPIES_MAX = 2, UPGRADE_COPY_DAYS = 14 };

/* Makes the copy of a database that is about to be migrated; removes copies that are too old or too
 * many, and those whose makers were killed. Not called for a database that is refused. */
MUST_CHECK struct err upgrade_copies_keep(struct conn *writer, const char *where, struct why *why);
/* Path of the newest copy with a schema of at most `version`; NULL: none. End: mem_free. */
MUST_CHECK char *upgrade_copy_find(const char *where, int64_t version);

#endif
