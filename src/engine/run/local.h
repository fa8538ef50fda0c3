/* local.h: the attempts that run on one host, as its own daemon sees them.
 *
 * Why        on a database server the daemon of a host looks after its processes also while another
 *            one leads. It may read everything, and writes nothing here.
 * Threads    inside a store function.
 * Failure    as store.h.
 */
#ifndef DROVER_ENGINE_RUN_LOCAL_H
#define DROVER_ENGINE_RUN_LOCAL_H

#include "base/base.h"
#include "base/err.h"
#include "base/id.h"
#include "engine/run/runs.h"
#include "store/store.h"

enum { RUN_HERE_PAGE = 200, RUN_HERE_TELL_MAX = 50 };

struct run_here {
    struct id run;
    int64_t attempt;
    bool stop; /* It was asked to end, with this much time. */
    int64_t stop_grace_ms;
};
struct run_here_page {
    size_t count;
    struct run_here runs[RUN_HERE_PAGE];
    int64_t last; /* Hand it in as the next `after`; 0: that was all. */
};
/* Jobs that run at `place` (home.h), in the order of ids above `after`. */
MUST_CHECK struct err tx_run_here(struct tx *tx, struct bytes place, int64_t after,
                                  struct run_here_page *ret_page);

/* Notes for the dispatcher of those of `runs` that still run at `place`; at most RUN_HERE_TELL_MAX,
 * and fewer where their specs are large: whoever is left out is asked for again. A row that cannot
 * be read is left to the daemon that leads. */
MUST_CHECK struct err tx_run_here_tell(struct tx *tx, struct bytes place,
                                       const struct run_here *runs, size_t count);

/* Whether rows say that an attempt is over: its run has ended, or is queued or running for another
 * one. A run that is unknown, or cannot be read, has not moved: nobody has said so; nor has an
 * attempt that its row does not know yet, which may be older, by a restore. */
MUST_CHECK struct err tx_run_here_moved(struct tx *tx, const struct run_here *runs, size_t count,
                                        bool *ret_moved);

#endif
