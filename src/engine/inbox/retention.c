/* retention.c: how long settled notices are kept. What is still owed stays, whatever it takes.
 *
 * A settled row has the output of its run in it, so it never outlives the run: it goes with it, or
 * where the run went first, with its own settlement (inbox__write).
 */
#include "engine/inbox/rows.h"

struct err inbox__forget(struct tx *tx, struct bytes run) {
    tx_do(tx, "DELETE FROM inbox WHERE run = $1 AND settled_ms IS NOT NULL", ARGS(arg_text(run)));
    return tx_error(tx);
}

static int64_t oldest_remove(struct tx *tx, int64_t before_ms, int64_t limit) {
    return tx_change(tx,
                     "DELETE FROM inbox WHERE id IN (SELECT id FROM inbox"
                     " WHERE settled_ms IS NOT NULL AND settled_ms < $1"
                     " ORDER BY settled_ms, id LIMIT $2)",
                     ARGS(arg_int(before_ms), arg_int(limit)));
}

struct err tx_inbox_prune(struct tx *tx, const struct inbox_prune *prune, bool *ret_more) {
    assert(prune->limit > 0 && prune->count > 0);
    /* By the clock for runs (rules/run/retention.h): one that was set ahead takes nothing away. */
    int64_t judged_ms = tx_number(tx, "SELECT judged_ms FROM nodes WHERE id = 1", NO_ARGS, 0);
    int64_t before_ms = prune->age_ms == 0 ? INT64_MIN : judged_ms - prune->age_ms;
    /* Counted no further than one call can remove. */
    int64_t count = tx_number(tx,
                              "SELECT count(*) FROM (SELECT 1 FROM inbox"
                              " WHERE settled_ms IS NOT NULL LIMIT $1) settled",
                              ARGS(arg_int(prune->count + prune->limit)), 0);
    int64_t removed = 0;
    if (count > prune->count) {
        removed = oldest_remove(tx, INT64_MAX, count - prune->count);
    }
    if (removed < prune->limit) {
        removed += oldest_remove(tx, before_ms, prune->limit - removed);
    }
    *ret_more = removed >= prune->limit;
    return tx_error(tx);
}
