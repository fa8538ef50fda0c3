/* reports.h: ends of attempts that a standby saw, on their way to the leader's rows.
 *
 *   standby (any connection)                     leader (the writer)
 *   tx_host_report_put ──> row of host_reports ──> tx_host_reports_take ──> tx_run_settle
 *
 * Why        On a database server each daemon looks after the commands of its own host, also while
 *            another daemon leads. Only the leader writes runs, so a standby hands an end over by a
 *            table that nothing else touches.
 * Format     `report` is {"end","why","code","result","note","output","usage":{"cpu_us",
 *            "memory_kb","wall_ms","known"},"disk"}. Daemons of different versions write and read
 *            it: a member is added, never changed; a missing one is empty or 0, an unknown one is
 *            ignored. The retry policy, the bounds and the random number of a settle are the
 *            leader's, and not in it.
 * Promise    a report is stored once, and is removed by the commit that stores its end. A report
 *            that comes too late (its attempt was abandoned) or cannot be used is removed, too, and
 *            counted: no report blocks those after it.
 * Threads    inside a store function.
 * Failure    as store.h.
 */
#ifndef DROVER_ENGINE_HOST_REPORTS_H
#define DROVER_ENGINE_HOST_REPORTS_H

#include "base/base.h"
#include "base/err.h"
#include "base/id.h"
#include "engine/run/runs.h"
#include "store/store.h"

enum {
    HOST_REPORT_MAX = 256 << 10, /* Bytes of one report. */
    HOST_REPORTS_PAGE = 16,      /* Reports of one transaction: each end writes some 20 rows. */
};

/* Puts the end of an attempt that `place` (home.h) holds. The second report of the same attempt
 * changes nothing. Uses of `settle`: run, attempt, end, result, note, output, usage, disk.
 * ERR_TEXT_TOO_LONG: the caller reports the end again without result and output. */
MUST_CHECK struct err tx_host_report_put(struct tx *tx, struct bytes place,
                                         const struct run_settle *settle);

MUST_CHECK struct err tx_host_reports_any(struct tx *tx, bool *ret_any);

struct host_reports_take {
    int64_t limit; /* At most HOST_REPORTS_PAGE. */
    uint32_t random;
    struct run_bounds bounds;
};
struct host_reports_taken {
    int64_t settled;
    int64_t late;    /* Reports of attempts that had ended, and of another host's attempts. */
    int64_t bare;    /* Ends that the store took only without result and output, */
    int64_t refused; /* and those that failed their run, or could not be used at all. */
    struct err why;  /* Error of the first one that is bare or refused, */
    struct id first; /* and its run. */
    bool more;
};
/* Stores the ends of the oldest reports and removes these; fewer than `limit` where the rows of
 * their runs are large. */
MUST_CHECK struct err tx_host_reports_take(struct tx *tx, const struct host_reports_take *take,
                                           struct host_reports_taken *ret_taken);

#endif
