/* run_keep.c: how long ended runs are kept, and their removal with their streams.
 *
 * A run that has live children stays: they are found by its number, and a number that became free
 * is given out again.
 */
#include "engine/run_rows.h"

#include <string.h>

#include "base/memory.h"
#include "journal/journal.h"

enum { PRUNE_MAX = 200 };

static struct err remove_stream(struct tx *tx, const struct run_row *row) {
    char name[STREAM_NAME_MAX];
    static const char prefix[] = "run:";
    assert(row->run.len <= sizeof name - sizeof prefix);
    memcpy(name, prefix, sizeof prefix - 1);
    memcpy(name + sizeof prefix - 1, row->run.data, row->run.len);
    const struct bytes stream = {name, sizeof prefix - 1 + row->run.len};
    struct stream_state state;
    bool found = false, more = false;
    struct err err = tx_stream_find(tx, row->owner, stream, &found, &state);
    if (err_failed(err) || !found) {
        return err;
    }
    do { /* A run has a few events for each attempt, and attempts have a bound. */
        err = tx_prune(tx, state.stream, state.head, JOURNAL_PRUNE_MAX, &more);
    } while (!err_failed(err) && more);
    if (err_failed(err)) {
        return err;
    }
    const struct arg args[] = {arg_int(state.stream)};
    return tx_exec(tx, "DELETE FROM streams WHERE id = $1", args, COUNT_OF(args), NULL);
}

static struct err remove_row(struct tx *tx, const struct run_row *row) {
    struct err err = remove_stream(tx, row);
    if (err_failed(err)) {
        return err;
    }
    const struct arg args[] = {arg_int(row->id)};
    return tx_exec(tx, "DELETE FROM runs WHERE id = $1", args, COUNT_OF(args), NULL);
}

static struct err has_live_children(struct tx *tx, int64_t id, bool *ret_has) {
    static const char sql[] =
        "SELECT 1 FROM runs WHERE parent = $1 AND parent <> 0 AND ended_ms IS NULL LIMIT 1";
    const struct arg args[] = {arg_int(id)};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    int64_t has = 0;
    struct err err = runs__int(tx, &ask, &has);
    if (!err_failed(err)) {
        *ret_has = has != 0;
    }
    return err;
}

struct err tx_run_remove(struct tx *tx, const struct run_key *key, struct run_row *ret_row) {
    bool found = false, has = false;
    struct run_row row;
    struct err err = tx_run_find(tx, key, &found, &row);
    if (err_failed(err)) {
        return err;
    }
    if (!found) {
        return err_make(ERR_NOT_FOUND, "runs: remove");
    }
    err = has_live_children(tx, row.id, &has);
    if (err_failed(err)) {
        return err;
    }
    if (has || !run_state_final(row.state)) {
        return err_make(ERR_CONFLICT, "runs: it, or one below it, has not ended");
    }
    err = remove_row(tx, &row);
    if (!err_failed(err)) {
        *ret_row = row;
    }
    return err;
}

/* --- Retention -------------------------------------------------------------------------------- */

struct old {
    struct run_row *rows; /* In the transaction's arena, the oldest first. */
    size_t count;
};

static struct err find_oldest(struct tx *tx, size_t limit, struct old *ret_old) {
    static const char sql[] =
        "SELECT " RUN_COLUMNS_LIGHT " FROM runs WHERE ended_ms IS NOT NULL"
        " AND NOT EXISTS (SELECT 1 FROM runs c WHERE c.parent = runs.id AND c.parent <> 0"
        " AND c.ended_ms IS NULL) ORDER BY ended_ms, id LIMIT $1";
    struct old old = {.rows = arena_try(tx_arena(tx), limit * sizeof *old.rows)};
    if (old.rows == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "runs: prune");
    }
    const struct arg args[] = {arg_int((int64_t)limit)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    bool row = !err_failed(err);
    while (!err_failed(err) && row && old.count < limit) {
        err = rows_next(rows, &row);
        if (!err_failed(err) && row) {
            err = runs__read(tx, rows, RUN_LIGHT, &old.rows[old.count++]);
        }
    }
    if (!err_failed(err)) {
        *ret_old = old;
    }
    return err;
}

/* How many are too many; counted no further than one round can remove. */
static struct err count_excess(struct tx *tx, const struct run_keep *keep, int64_t limit,
                               int64_t *ret_excess) {
    static const char sql[] = "SELECT count(*) FROM (SELECT 1 FROM runs WHERE ended_ms IS NOT NULL"
                              " LIMIT $1) ended";
    if (keep->count == 0) {
        *ret_excess = 0;
        return ERR_OK;
    }
    const struct arg args[] = {arg_int(keep->count + limit)};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    int64_t count = 0;
    struct err err = runs__int(tx, &ask, &count);
    if (!err_failed(err)) {
        *ret_excess = count - keep->count;
    }
    return err;
}

struct err tx_run_prune(struct tx *tx, const struct run_keep *keep, int64_t limit,
                        struct err (*gone)(void *ctx, const struct run_row *row), void *ctx,
                        bool *ret_more) {
    assert(limit > 0);
    int64_t most = limit < PRUNE_MAX ? limit : PRUNE_MAX, excess = 0, removed = 0;
    int64_t before_ms = keep->age_ms > 0 ? tx_now_ms(tx) - keep->age_ms : INT64_MIN;
    struct old old = {.count = 0};
    struct err err = count_excess(tx, keep, most, &excess);
    if (!err_failed(err)) {
        err = find_oldest(tx, (size_t)most, &old);
    }
    for (size_t i = 0; i < old.count && !err_failed(err); i++) {
        const struct run_row *row = &old.rows[i];
        if (removed >= excess && row->ended_ms >= before_ms) {
            break;
        }
        err = remove_row(tx, row);
        removed++;
        if (!err_failed(err)) {
            err = gone(ctx, row);
        }
    }
    if (!err_failed(err)) {
        *ret_more = removed == most;
    }
    return err;
}
