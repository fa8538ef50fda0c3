/* datadir.h: the daemon's exclusive claim on its data directory.
 *
 * Promise    at most one live claim per directory; the kernel drops it if we crash. A directory
 *            that did not exist is made for its owner alone (0700), its parents too.
 * Ownership  the caller owns *ret_dir and ends it with datadir_release.
 * Threads    any one thread at a time. Blocks on the disk.
 * Failure    no claim is held and *ret_dir is untouched. ERR_BUSY: somebody else holds it, and
 *            `why` names the process (said after 0.2 s; after 3 s where that one is dead and
 *            what it had forked still holds on). ERR_CONFIG: everybody may write into the
 *            directory.
 */
#ifndef DROVER_STORE_DATADIR_H
#define DROVER_STORE_DATADIR_H

#include "base/base.h"
#include "base/err.h"

#define DATADIR_DATABASE "drover.db"
/* In the name of a copy of a database that is not whole, after that of the copy. */
#define DATADIR_PART ".part-"
#define DATADIR_LOCK "drover.lock"
#define DATADIR_MARK "drover.mark"
#define DATADIR_HOST_ID "host-id"

struct datadir;

/* The directory itself, without a claim: made if it is absent, and refused as above. */
MUST_CHECK struct err datadir_make(const char *path, struct why *why);
MUST_CHECK struct err datadir_claim(const char *path, struct datadir **ret_dir, struct why *why);
void datadir_release(struct datadir *dir); /* NULL is allowed. */
void datadir_drop(struct datadir **dir);   /* For AUTO. */

MUST_CHECK char *datadir_path(const char *path, const char *name); /* path/name; end: mem_free. */
MUST_CHECK char *datadir_beside(const char *path, const char *ending); /* pathENDING; the same. */
/* Removes the copies of databases whose makers were killed, and whose names begin like this. Nobody
 * else makes one in that folder now. */
void datadir_parts_remove(const char *folder, const char *begin);
/* Answers `err`. Where that failed in a call of the system, `why` says "PATH cannot be WHAT: …". */
MUST_CHECK struct err path_why(struct err err, const char *path, const char *what, struct why *why);
/* Syncs the folder that holds `path`: files made or renamed there survive a power cut. */
MUST_CHECK struct err datadir_sync_folder_of(const char *path);
/* Makes a folder for its owner alone, if it is not there yet, and syncs the one that holds it.
 * `step`: static name of the failure. */
MUST_CHECK struct err datadir_make_folder(const char *path, const char *step);
/* The same, with all folders above it that are missing. */
MUST_CHECK struct err datadir_make_folders(const char *path, const char *step);

#endif
