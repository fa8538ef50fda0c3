/* retention.h: the removal of ended runs.
 *
 * Promise    a run goes with all that is its own: stream, spans, notices, budget, stored answers;
 *            a workflow with its journal and what its agents left. A page goes at a time.
 * Threads    inside a store function. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_SYSTEM_RETENTION_H
#define DROVER_ENGINE_SYSTEM_RETENTION_H

#include "engine/run/runs.h"

enum { RUN_PRUNE_MAX = 200 }; /* Runs that one transaction removes. */

/* Removes ended runs with their streams and spans: one of a client's, or the oldest beyond what is
 * kept. *ret_more: call again; of a run with very many spans a page goes at a time, and the run
 * with the last. Their spool folders are listed (folder_removals.h). */
struct run_keep {
    int64_t count, age_ms, bytes; /* 0: no such bound. bytes: of their folders on the disk. */
};
MUST_CHECK struct err tx_run_remove(struct tx *tx, const struct run_key *key, bool *ret_more,
                                    struct run_row *ret_row);
struct run_prune {
    struct run_keep keep;
    int64_t limit;
    /* By this daemon since the last call that succeeded: see rules/run/retention.h. */
    int64_t lived_ms;
};
MUST_CHECK struct err tx_run_prune(struct tx *tx, const struct run_prune *prune, bool *ret_more);

/* Removes a page of the ended runs of a session that is deleted, those that ended after `before_ms`
 * excepted, as tx_run_remove does. *ret_some: call again. */
struct run_purge {
    struct bytes owner, session;
    int64_t before_ms;
};
MUST_CHECK bool runs__purge(struct tx *tx, const struct run_purge *purge);

#endif
