/* retention.c: how long what was told is kept. What is still owed stays, whatever it takes.
 *
 * A settled row has the output of its run in it, so it never outlives the run: it goes with it, or
 * where the run went first, with its own settlement (inbox__write).
 */
#include "engine/inbox/rows.h"
#include "engine/run/rows.h"

struct err inbox__forget(struct tx *tx, struct bytes run) {
    static const char sql[] = "DELETE FROM inbox WHERE run = $1 AND settled_ms IS NOT NULL";
    const struct arg args[] = {arg_text(run)};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* any number */);
}

struct err inbox__forget_orphan(struct tx *tx, const struct inbox_row *row) {
    static const char sql[] = "DELETE FROM inbox WHERE id = $1 AND settled_ms IS NOT NULL"
                              " AND NOT EXISTS (SELECT 1 FROM runs WHERE run = $2)";
    const struct arg args[] = {arg_int(row->id), arg_text(row->run)};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* mostly none */);
}

/* --- By age and number ------------------------------------------------------------------------ */

/* By the clock for runs (rules/run/retention.h): one that was set ahead takes nothing away. */
static struct err find_age(struct tx *tx, const struct inbox_prune *prune, int64_t *ret_before_ms) {
    const struct run_ask ask = {.sql = "SELECT judged_ms FROM nodes WHERE id = 1"};
    int64_t judged_ms = 0;
    struct err err = runs__int(tx, &ask, &judged_ms);
    if (!err_failed(err)) {
        *ret_before_ms = prune->age_ms == 0 ? INT64_MIN : judged_ms - prune->age_ms;
    }
    return err;
}

/* Counted no further than one call can remove. */
static struct err count_excess(struct tx *tx, const struct inbox_prune *prune,
                               int64_t *ret_excess) {
    static const char sql[] = "SELECT count(*) FROM (SELECT 1 FROM inbox"
                              " WHERE settled_ms IS NOT NULL LIMIT $1) settled";
    const struct arg args[] = {arg_int(prune->count + prune->limit)};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    int64_t count = 0;
    struct err err = runs__int(tx, &ask, &count);
    if (!err_failed(err)) {
        *ret_excess = count > prune->count ? count - prune->count : 0;
    }
    return err;
}

static struct err remove_oldest(struct tx *tx, int64_t before_ms, int64_t limit,
                                int64_t *ret_removed) {
    static const char sql[] = "DELETE FROM inbox WHERE id IN"
                              " (SELECT id FROM inbox WHERE settled_ms IS NOT NULL"
                              " AND settled_ms < $1 ORDER BY settled_ms, id LIMIT $2)";
    const struct arg args[] = {arg_int(before_ms), arg_int(limit)};
    return tx_exec(tx, sql, args, COUNT_OF(args), ret_removed);
}

struct err tx_inbox_prune(struct tx *tx, const struct inbox_prune *prune, bool *ret_more) {
    assert(prune->limit > 0 && prune->count > 0);
    int64_t before_ms = 0, excess = 0, surplus = 0, old = 0;
    struct err err = find_age(tx, prune, &before_ms);
    if (!err_failed(err)) {
        err = count_excess(tx, prune, &excess);
    }
    if (!err_failed(err) && excess > 0) {
        err = remove_oldest(tx, INT64_MAX, excess, &surplus);
    }
    int64_t left = prune->limit - surplus;
    if (!err_failed(err) && left > 0) {
        err = remove_oldest(tx, before_ms, left, &old);
    }
    if (!err_failed(err)) {
        *ret_more = surplus + old >= prune->limit;
    }
    return err;
}
