/* run_keep.c: how long ended runs are kept, and their removal with their streams.
 *
 * A run that has live children stays: they are found by its number, and a number that became free
 * is given out again.
 */
#include "engine/budget_rows.h"
#include "engine/run_rows.h"

#include <string.h>

#include "base/memory.h"
#include "engine/spans.h"
#include "journal/journal.h"
#include "rules/retain.h"

static struct err remove_stream(struct tx *tx, const struct run_row *row) {
    char name[STREAM_NAME_MAX];
    static const char prefix[] = "run:";
    assert(row->run.len <= sizeof name - sizeof prefix);
    memcpy(name, prefix, sizeof prefix - 1);
    memcpy(name + sizeof prefix - 1, row->run.data, row->run.len);
    const struct stream_name stream = {.owner = row->owner,
                                       .name = {name, sizeof prefix - 1 + row->run.len}};
    struct err err = ERR_OK;
    bool more = true;
    while (!err_failed(err) && more) { /* A few events an attempt, and attempts have a bound. */
        err = tx_stream_remove(tx, &stream, JOURNAL_PRUNE_MAX, &more);
    }
    return err;
}

/* A number that became free is given out again: nobody may take the next run for this one. */
static struct err forget(struct tx *tx, int64_t id) {
    static const char *const steps[] = {
        "DELETE FROM runs WHERE id = $1",
        "DELETE FROM turns WHERE run = $1",
        "DELETE FROM approvals WHERE run = $1",
        "UPDATE messages SET run = 0 WHERE run = $1 AND run <> 0",
        "UPDATE parts SET run = 0 WHERE run = $1 AND run <> 0",
    };
    const struct arg args[] = {arg_int(id)};
    struct err err = ERR_OK;
    for (size_t i = 0; i < COUNT_OF(steps) && !err_failed(err); i++) {
        err = tx_exec(tx, steps[i], args, COUNT_OF(args), NULL);
    }
    return err;
}

/* Of a run with very many spans only a page of them goes: `whole` is false then, and the run itself
 * goes with the last page, in another transaction. */
struct removal {
    bool whole;
    struct span_removed spans;
};

static struct err remove_row(struct tx *tx, const struct run_row *row,
                             struct removal *ret_removal) {
    struct removal removal = {.whole = false};
    struct err err = tx_span_remove(tx, row->id, &removal.spans);
    removal.whole = removal.spans.count < SPAN_REMOVE_MAX;
    if (!err_failed(err) && removal.whole) {
        err = remove_stream(tx, row);
        if (!err_failed(err) && row->budget.len > 0) {
            err = budget__remove_run(tx, row->id);
        }
    }
    if (!err_failed(err) && removal.whole) {
        err = forget(tx, row->id);
    }
    if (!err_failed(err)) {
        *ret_removal = removal;
    }
    return err;
}

struct err tx_run_remove(struct tx *tx, const struct run_key *key, bool *ret_more,
                         struct run_row *ret_row) {
    bool found = false, has = false;
    struct removal removal = {.whole = false};
    struct run_row row;
    struct err err = tx_run_find(tx, key, &found, &row);
    if (err_failed(err)) {
        return err;
    }
    if (!found) {
        return err_make(ERR_NOT_FOUND, "runs: remove");
    }
    err = runs__has_children(tx, row.id, &has);
    if (err_failed(err)) {
        return err;
    }
    if (has || !run_state_final(row.state)) {
        return err_make(ERR_CONFLICT, "runs: it, or one below it, has not ended");
    }
    err = remove_row(tx, &row, &removal);
    if (!err_failed(err)) {
        *ret_more = !removal.whole;
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
        " AND c.ended_ms IS NULL AND c.stop = '')"
        " AND NOT EXISTS (SELECT 1 FROM runs c WHERE c.parent = runs.id AND c.parent <> 0"
        " AND c.ended_ms IS NULL AND c.stop <> '') ORDER BY ended_ms, id LIMIT $1";
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
static struct err count_excess(struct tx *tx, const struct run_prune *prune, int64_t *ret_excess) {
    static const char sql[] = "SELECT count(*) FROM (SELECT 1 FROM runs WHERE ended_ms IS NOT NULL"
                              " LIMIT $1) ended";
    if (prune->keep.count == 0) {
        *ret_excess = 0;
        return ERR_OK;
    }
    const struct arg args[] = {arg_int(prune->keep.count + prune->limit)};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    int64_t count = 0;
    struct err err = runs__int(tx, &ask, &count);
    if (!err_failed(err)) {
        *ret_excess = count - prune->keep.count;
    }
    return err;
}

static struct err weigh_excess(struct tx *tx, const struct run_prune *prune, int64_t *ret_excess) {
    int64_t bytes = 0;
    struct err err = prune->keep.bytes == 0 ? ERR_OK : tx_span_disk(tx, &bytes);
    if (!err_failed(err)) {
        *ret_excess = bytes - prune->keep.bytes;
    }
    return err;
}

/* Whoever ended before that is too old. */
static struct err find_age(struct tx *tx, const struct run_prune *prune, int64_t *ret_before_ms) {
    if (prune->keep.age_ms == 0) {
        *ret_before_ms = INT64_MIN;
        return ERR_OK;
    }
    const struct run_ask ask = {.sql = "SELECT judged_ms FROM nodes WHERE id = 1"};
    struct retain_clock clock = {.lived_ms = prune->lived_ms, .wall_ms = tx_now_ms(tx)};
    struct err err = runs__int(tx, &ask, &clock.judged_ms);
    if (err_failed(err)) {
        return err;
    }
    int64_t now_ms = retain_now(&clock);
    const struct arg args[] = {arg_int(now_ms)};
    err = tx_exec(tx, "UPDATE nodes SET judged_ms = $1 WHERE id = 1", args, COUNT_OF(args), NULL);
    if (!err_failed(err)) {
        *ret_before_ms = now_ms - prune->keep.age_ms;
    }
    return err;
}

struct excess {
    int64_t count, bytes, before_ms;
};

static struct err find_excess(struct tx *tx, const struct run_prune *prune,
                              struct excess *ret_excess) {
    struct err err = count_excess(tx, prune, &ret_excess->count);
    if (!err_failed(err)) {
        err = weigh_excess(tx, prune, &ret_excess->bytes);
    }
    return err_failed(err) ? err : find_age(tx, prune, &ret_excess->before_ms);
}

static bool is_kept(const struct excess *excess, const struct run_row *row) {
    return excess->count <= 0 && excess->bytes <= 0 && row->ended_ms >= excess->before_ms;
}

/* A transaction ends after a page of spans, too, whoever they belong to. */
struct err tx_run_prune(struct tx *tx, const struct run_prune *prune,
                        struct err (*gone)(void *ctx, const struct run_row *row), void *ctx,
                        bool *ret_more) {
    assert(prune->limit > 0 && prune->limit <= RUN_PRUNE_MAX);
    struct excess excess = {.count = 0};
    struct old old = {.count = 0};
    int64_t spans = 0;
    size_t at = 0;
    struct err err = find_excess(tx, prune, &excess);
    if (!err_failed(err)) {
        err = find_oldest(tx, (size_t)prune->limit, &old);
    }
    while (!err_failed(err) && at < old.count && spans < SPAN_REMOVE_MAX &&
           !is_kept(&excess, &old.rows[at])) {
        struct removal removal = {.whole = false};
        err = remove_row(tx, &old.rows[at], &removal);
        if (!err_failed(err) && removal.whole) {
            err = gone(ctx, &old.rows[at]);
        }
        excess.count -= removal.whole;
        excess.bytes -= removal.spans.disk;
        spans += removal.spans.count;
        at++;
    }
    if (!err_failed(err)) {
        *ret_more = at == (size_t)prune->limit || spans >= SPAN_REMOVE_MAX;
    }
    return err;
}
