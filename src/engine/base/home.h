/* home.h: whether this database is at home: where the last daemon that was let free had it.
 *
 * Why        A copy or an old backup says "running" of what runs elsewhere, and owes notices that
 *            were delivered long ago. Nothing of that may begin by itself: a daemon that finds
 *            itself with such a database holds, and says so, until somebody releases it.
 * How        the place is "MACHINE/FOLDER/ID": the machine's id, the data directory's inode, and a
 *            random id that lies in it, since machines of one image have one machine id, and inodes
 *            of small file systems are equal. A part that the system does not have is empty, and
 *            not compared; nor is the machine of a system that has not been given its id yet (first
 *            boot: "uninitialized"), nor the id of a place that older versions wrote, without its
 *            slash. What was missing is taken up once it is there. `restore` writes a word that is
 *            no place, so what was restored into its own folder is not at home either.
 * Threads    inside a store function; home_same: any.
 */
#ifndef DROVER_ENGINE_BASE_HOME_H
#define DROVER_ENGINE_BASE_HOME_H

#include "base/base.h"
#include "base/err.h"
#include "store/store.h"

enum home { HOME_OURS, HOME_OTHER };

/* What a daemon of an epoch below `since_epoch` began may have ended, and have been removed, in a
 * history of the same folder that this database does not know: it was a backup then. */
struct home_found {
    enum home home;
    int64_t since_epoch; /* 0: it always was this database. */
};
/* A new database is at home wherever it is first opened: `place` is written then. */
MUST_CHECK struct err tx_home_find(struct tx *tx, struct bytes place, struct home_found *ret_found);
/* It was released here, by this daemon. */
MUST_CHECK struct err tx_home_take(struct tx *tx, struct bytes place);

/* Appends hold_changed {"held"} to `system`, unless it was the last word. */
void tx_hold_tell(struct tx *tx, bool held);

struct home_places {
    struct bytes stored, ours;
};
MUST_CHECK bool home_same(const struct home_places *places);
/* The place as older versions wrote it: without the id. Empty: it has none. Borrowed. */
MUST_CHECK struct bytes home_without_id(struct bytes place);

#endif
