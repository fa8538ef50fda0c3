/* folder_removals.h: spool folders of runs that were removed, listed until they are gone.
 *
 * Promise    the commit that removes a run lists its folders, once for the leader and once for each
 *            host that is known and on which an attempt was, so a crash between the commit and the
 *            disk leaves nothing behind. A host asks for its own, in every role; what is listed for
 *            nobody is the leader's. An attempt that was given up is listed for its host also where
 *            that was removed: the host may come back with what lives of it.
 * Bounds     a page at a time. The list of a host goes with the host (host/abandon.c), and is never
 *            longer than the runs that were kept: a host that is gone begins no new ones. What is
 *            listed for a host after that is no longer than the jobs that it had at once.
 * Threads    inside a store function. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_RUN_FOLDER_REMOVALS_H
#define DROVER_ENGINE_RUN_FOLDER_REMOVALS_H

#include "base/base.h"
#include "base/err.h"
#include "base/id.h"
#include "rules/run/run.h"
#include "store/store.h"

enum { FOLDER_REMOVALS_PAGE = 100 };

struct folder_removal {
    struct id run;
    int64_t attempts; /* Folders of attempts 1 to this one. */
};

/* A run that never began, or whose row is damaged, has no folders that could be named. For the
 * leader; */
void tx_folder_removal_add(struct tx *tx, const struct run_row *row);
/* for the hosts, before the run's spans go, which name them. Again: nothing. */
void tx_folder_removal_tell(struct tx *tx, const struct run_row *row);

/* Runs after `after` in the order of their ids; at most FOLDER_REMOVALS_PAGE. */
struct folder_removals {
    struct bytes place; /* Borrowed: engine/base/home.h; "": what is the leader's. */
    struct id after;
    struct folder_removal page[FOLDER_REMOVALS_PAGE];
    size_t count; /* Rows that name no run are left out. */
    bool more;    /* The rest stands after `next`. */
    struct id next;
};
MUST_CHECK struct err tx_folder_removals_find(struct tx *tx, struct folder_removals *removals);
/* The folders of the page are gone, but for those whose `attempts` the caller has set to 0. */
MUST_CHECK struct err tx_folder_removals_done(struct tx *tx,
                                              const struct folder_removals *removals);
/* What is listed for a host, FOLDER_REMOVALS_FORGET at most; *ret_more: call again, in another
 * transaction. */
enum { FOLDER_REMOVALS_FORGET = 500 };
MUST_CHECK struct err tx_folder_removals_forget(struct tx *tx, struct bytes place, bool *ret_more);

#endif
