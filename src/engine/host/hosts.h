/* hosts.h: the places whose daemons share a database on a server.
 *
 * Why        a daemon looks after the processes of its own data directory in every role, so a run
 *            belongs to a host, whoever leads. A host that says nothing any more is seen here.
 * Promise    each daemon writes its own row, and no other, at its start and each HOST_SEEN_MS: a
 *            standby that hangs in a transaction holds up no writer but its own. So the row of a
 *            leader that is gone may say "leader" still; whoever answers requests leads.
 * Threads    inside a store function.
 * Failure    as store.h.
 */
#ifndef DROVER_ENGINE_HOST_HOSTS_H
#define DROVER_ENGINE_HOST_HOSTS_H

#include "base/base.h"
#include "base/err.h"
#include "engine/base/resource.h"
#include "engine/run/runs.h"
#include "rules/host/host.h"
#include "store/store.h"

enum {
    HOST_SEEN_MS = 10 * 1000, /* Between two signs of life. */
};

/* A sign of life: place, name, version and role of `host` count. */
MUST_CHECK struct err tx_host_seen(struct tx *tx, const struct host_row *host);
/* Appends host_changed with what lists show of the host but for `here`, `runs` and `seen_ms`. The
 * leader does, once it has met the host. */
void tx_host_tell(struct tx *tx, struct bytes place, enum host_role role);
/* Jobs that a daemon of an older version began at `place`, whose name of then had no id (home.h),
 * are called by its name of now, and the older row of the host goes. Of machines that share their
 * older name nobody knows whose jobs those are: the jobs stay as they are. An older row with a long
 * list of removals goes at a later start. */
MUST_CHECK struct err tx_host_rename(struct tx *tx, struct bytes place);
/* By place or name. Texts live in the transaction's arena. ERR_CONFLICT: several have that name. */
MUST_CHECK struct err tx_host_find(struct tx *tx, struct bytes word, bool *ret_found,
                                   struct host_row *ret_host);
/* The host that a run or a span names by its place, or by that of an older version (home.h). */
MUST_CHECK struct err tx_host_of_run(struct tx *tx, struct bytes place, bool *ret_found,
                                     struct host_row *ret_host);
/* In the order of ids above `after`. */
struct host_page {
    int64_t after, limit;
};
MUST_CHECK struct err tx_host_each(struct tx *tx, const struct host_page *page, resource_each each,
                                   void *ctx);

/* --- Hosts that are gone (abandon.c) ------------------------------------------------------ */

/* A person's word that the host of one job is gone. ERR_NOT_FOUND: no such job of this owner;
 * ERR_RUN_ENDED; ERR_NOT_AWAY: its host is this one. `why` says more. The first call only looks:
 * the caller judges whether that host may be taken for gone, and names it in `host`. ERR_CONFLICT:
 * the job has moved to another host since. */
struct run_abandon {
    struct run_key key;
    struct bytes host; /* Of tx_run_abandon: what the row must say. */
    uint32_t random;
    struct run_bounds bounds;
};
MUST_CHECK struct err tx_run_abandon_find(struct tx *tx, const struct run_abandon *what,
                                          struct run_row *ret_row, struct why *why);
MUST_CHECK struct err tx_run_abandon(struct tx *tx, const struct run_abandon *what,
                                     struct run_row *ret_row, struct why *why);

/* The same of all jobs of a host, a page in the order of ids; a shorter one where their rows are
 * large. */
enum { HOST_ABANDON_PAGE = 16 };
struct host_abandon {
    struct bytes place;
    int64_t after; /* `last` of the page before; 0: from the first. */
    int64_t limit; /* At most HOST_ABANDON_PAGE. */
    uint32_t random;
    struct run_bounds bounds;
};
struct host_abandoned {
    int64_t ended;
    int64_t refused; /* Runs whose end the store refuses in every form: they stay. */
    int64_t last;    /* 0: that was all. */
};
MUST_CHECK struct err tx_host_abandon(struct tx *tx, const struct host_abandon *what,
                                      struct host_abandoned *ret_abandoned);
/* Forgets what is to be removed on the host, a page at a time (*ret_more: call again, in another
 * transaction), and with the last page the host; its next sign of life makes it known again. */
MUST_CHECK struct err tx_host_remove(struct tx *tx, struct bytes place, bool *ret_more);

#endif
