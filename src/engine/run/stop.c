/* stop.c: asking runs to end, and those below them.
 *
 * A stop of a whole tree asks its root with the first page, so that nothing more is made right
 * below it and a crash cannot forget it: what is below a run that ends is asked by its end. Then it
 * goes on deepest first. Whoever was asked had all below it asked before, so a page walks past no
 * one who was: it finds its way down through those that are left alone, and costs what it asks.
 *
 * The end of a run asks its children by itself, nearest first: each of them asks its own when it
 * ends. A commit takes a page of them. The rest is not forgotten: who ends and has a parent that
 * has ended asks the next page of its siblings. Those that run are asked before those that wait,
 * so after a page either somebody runs whose end will go on, or only waiting ones are left; then
 * one of these is woken (gate TIME, due now), and its end goes on. That holds over a crash, too,
 * since all of it stands in the rows.
 */
#include "engine/run/budget_gate.h"
#include "engine/run/rows.h"

#include "base/memory.h"

enum { STOP_DEPTH_MAX = 100 }; /* Below that, ends ask by themselves. */

static struct err ask_running(struct tx *tx, const struct run_ask_stop *stop, struct run_row *row) {
    bool first = row->stop == CAUSE_NONE;
    if (!first && row->stop_grace_ms <= stop->grace_ms) {
        return ERR_OK;
    }
    row->stop = first ? stop->cause : row->stop;
    row->stop_grace_ms = stop->grace_ms;
    struct err err = runs__write(tx, row->state, row);
    return err_failed(err) || !first ? err : runs__event_stopping(tx, row);
}

/* To be ended by tx_run_wake, in a transaction of its own. */
static struct err park(struct tx *tx, const struct run_ask_stop *stop, struct run_row *row,
                       struct run_freed *freed) {
    struct err err = runs__free(tx, row, freed);
    if (!err_failed(err)) {
        err = runs__budget_leave(tx, row, freed);
    }
    row->stop = row->stop == CAUSE_NONE ? stop->cause : row->stop;
    row->stop_grace_ms = stop->grace_ms;
    row->gate = GATE_TIME;
    row->not_before_ms = tx_now_ms(tx);
    return err_failed(err) ? err : runs__write(tx, RUN_QUEUED, row);
}

struct err runs__ask(struct tx *tx, const struct run_ask_stop *stop, struct run_row *row,
                     struct run_freed *freed) {
    if (row->state != RUN_QUEUED) {
        return ask_running(tx, stop, row);
    }
    row->stop = row->stop == CAUSE_NONE ? stop->cause : row->stop;
    row->stop_grace_ms = stop->grace_ms;
    return runs__end_queued(tx, row, freed);
}

/* Two questions, for there are two indexes. */
struct err runs__has_children(struct tx *tx, int64_t id, bool *ret_has) {
    static const char sql[] = "SELECT CASE WHEN EXISTS (SELECT 1 FROM runs WHERE parent = $1"
                              " AND parent <> 0 AND ended_ms IS NULL AND stop = '') THEN 1"
                              " WHEN EXISTS (SELECT 1 FROM runs WHERE parent = $1"
                              " AND parent <> 0 AND ended_ms IS NULL AND stop <> '') THEN 1"
                              " ELSE 0 END";
    const struct arg args[] = {arg_int(id)};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    int64_t has = 0;
    struct err err = runs__int(tx, &ask, &has);
    if (!err_failed(err)) {
        *ret_has = has != 0;
    }
    return err;
}

/* One that waits, but has children of its own (of an earlier attempt), is ended apart from us, so
 * that one commit does not walk down a whole tree. */
static struct err ask_child(struct tx *tx, const struct run_ask_stop *stop, struct run_row *row,
                            struct run_freed *freed) {
    bool has = false;
    struct err err = ERR_OK;
    if (row->state == RUN_QUEUED) {
        err = runs__has_children(tx, row->id, &has);
    }
    if (err_failed(err)) {
        return err;
    }
    return has ? park(tx, stop, row, freed) : runs__ask(tx, stop, row, freed);
}

/* --- The children of who has ended ------------------------------------------------------------ */

struct ids {
    int64_t at[RUN_STOP_PAGE + 1];
    size_t count;
};

static struct err find_children(struct tx *tx, int64_t parent, struct ids *ret_ids) {
    static const char sql[] = "SELECT id FROM runs WHERE parent = $1 AND parent <> 0"
                              " AND ended_ms IS NULL AND stop = '' ORDER BY gate, id LIMIT $2";
    const struct arg args[] = {arg_int(parent), arg_int(COUNT_OF(ret_ids->at))};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    bool row = !err_failed(err);
    ret_ids->count = 0;
    while (!err_failed(err) && row && ret_ids->count < COUNT_OF(ret_ids->at)) {
        err = rows_next(rows, &row);
        if (!err_failed(err) && row) {
            ret_ids->at[ret_ids->count++] = rows_int(rows, 0);
        }
    }
    return err;
}

/* The first one always is asked, whatever its size: so whoever stands behind a full page has
 * somebody before it who goes on, or goes on itself. */
static struct err ask_page(struct tx *tx, int64_t parent, int64_t grace_ms,
                           struct run_freed *freed) {
    const struct run_ask_stop stop = {.cause = CAUSE_PARENT_ENDED, .grace_ms = grace_ms};
    struct ids ids;
    struct err err = find_children(tx, parent, &ids);
    size_t bytes = 0;
    bool full = false;
    for (size_t i = 0; !err_failed(err) && i < ids.count && !full; i++) {
        bool found = false;
        struct run_row row;
        err = runs__find_id(tx, ids.at[i], &found, &row);
        if (err.code == ERR_STORE_CORRUPT) {
            err = runs__end_damaged(tx, ids.at[i]);
            continue;
        }
        if (err_failed(err) || !found) {
            return err;
        }
        full = i == RUN_STOP_PAGE || bytes > RUN_BYTES_TURN;
        bytes += row.spec.len;
        if (!full) {
            err = ask_child(tx, &stop, &row, freed);
        } else if (row.state == RUN_QUEUED) {
            err = park(tx, &stop, &row, freed);
        }
    }
    return err;
}

/* Whoever was given some time leaves as much to those below. */
static int64_t grace_below(const struct run_row *ended) {
    return ended->stop == CAUSE_NONE ? RUN_STOP_GRACE_MS : ended->stop_grace_ms;
}

struct err runs__ask_children(struct tx *tx, const struct run_row *ended, struct run_freed *freed) {
    struct err err = ask_page(tx, ended->id, grace_below(ended), freed);
    if (err_failed(err) || ended->parent == 0) {
        return err;
    }
    static const char sql[] = "SELECT CASE WHEN stop = '' THEN $2 ELSE stop_grace_ms END FROM runs"
                              " WHERE id = $1 AND ended_ms IS NOT NULL";
    const struct arg args[] = {arg_int(ended->parent), arg_int(RUN_STOP_GRACE_MS)};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args), .missing = -1};
    int64_t grace_ms = 0;
    err = runs__int(tx, &ask, &grace_ms);
    return err_failed(err) || grace_ms < 0 ? err : ask_page(tx, ended->parent, grace_ms, freed);
}

/* --- A stop by somebody ----------------------------------------------------------------------- */

/* The first child that was not asked, or was given more time than this; 0: none. */
static struct err next_child(struct tx *tx, int64_t parent, int64_t grace_ms, int64_t *ret_id) {
    static const char fresh[] = "SELECT id FROM runs WHERE parent = $1 AND parent <> 0"
                                " AND ended_ms IS NULL AND stop = '' ORDER BY gate, id LIMIT 1";
    static const char slower[] = "SELECT id FROM runs WHERE parent = $1 AND parent <> 0"
                                 " AND ended_ms IS NULL AND stop <> '' AND stop_grace_ms > $2"
                                 " ORDER BY stop_grace_ms LIMIT 1";
    const struct arg args[] = {arg_int(parent), arg_int(grace_ms)};
    struct run_ask ask = {.sql = fresh, .args = args, .count = 1};
    int64_t id = 0;
    struct err err = runs__int(tx, &ask, &id);
    if (!err_failed(err) && id == 0) {
        ask.sql = slower;
        ask.count = 2;
        err = runs__int(tx, &ask, &id);
    }
    if (!err_failed(err)) {
        *ret_id = id;
    }
    return err;
}

struct descent {
    int64_t path[STOP_DEPTH_MAX]; /* From the root down. */
    size_t depth;                 /* 0: nobody is left. */
    size_t asked, bytes;
    struct run_ask_stop stop;
};

static struct err ask_one(struct tx *tx, struct descent *at, int64_t id, struct run_freed *freed) {
    bool deep = at->depth == STOP_DEPTH_MAX; /* There may be some below it that were not asked. */
    bool found = false;
    struct run_row row;
    struct err err = runs__find_id(tx, id, &found, &row);
    if (err.code == ERR_STORE_CORRUPT) {
        at->asked++;
        return runs__end_damaged(tx, id);
    }
    if (err_failed(err) || !found) {
        return err;
    }
    at->asked++;
    at->bytes += row.spec.len;
    return deep ? ask_child(tx, &at->stop, &row, freed) : runs__ask(tx, &at->stop, &row, freed);
}

/* Down to a child, or up from one that has nobody left below it. Where it is too deep to go on, the
 * child is asked as it is, and those below it by its end. */
static struct err walk_on(struct tx *tx, struct descent *at, struct run_freed *freed) {
    int64_t here = at->path[at->depth - 1], child = 0;
    struct err err = next_child(tx, here, at->stop.grace_ms, &child);
    if (err_failed(err)) {
        return err;
    }
    if (child != 0 && at->depth < STOP_DEPTH_MAX) {
        at->path[at->depth++] = child;
        return ERR_OK;
    }
    if (child == 0) {
        at->depth--;
        return at->depth == 0 ? ERR_OK : ask_one(tx, at, here, freed);
    }
    return ask_one(tx, at, child, freed);
}

static struct err stop_below(struct tx *tx, const struct run_stop *stop, int64_t root,
                             bool *ret_more, struct run_freed *freed) {
    struct descent at = {.path = {root},
                         .depth = 1,
                         .stop = {.cause = CAUSE_PARENT_ENDED, .grace_ms = stop->grace_ms}};
    struct err err = ERR_OK;
    while (!err_failed(err) && at.depth > 0 && at.asked < RUN_STOP_PAGE &&
           at.bytes <= RUN_BYTES_TURN) {
        err = walk_on(tx, &at, freed);
    }
    *ret_more = at.depth > 0;
    return err;
}

/* One that waits stays, as long as somebody below it is left: the next page finds its way down from
 * it. It waits for nothing but its end from here on, which comes with the last page or, if that
 * never comes, by itself. */
static struct err stop_root(struct tx *tx, const struct run_stop *stop, bool more,
                            struct run_row *row, struct run_freed *freed) {
    const struct run_ask_stop root = {.cause = stop->cause, .grace_ms = stop->grace_ms};
    if (more && row->state == RUN_QUEUED) {
        return row->stop == CAUSE_NONE ? park(tx, &root, row, freed) : ERR_OK;
    }
    struct err err = runs__ask(tx, &root, row, freed);
    if (err_failed(err) || !run_state_final(row->state)) {
        return err;
    }
    return runs__ask_children(tx, row, freed); /* Its own parent may have ended. */
}

/* A live row that became damaged under this daemon is asked to end as at a start. */
static struct err stop_damaged(struct tx *tx, const struct run_stop *stop,
                               struct run_row *ret_row) {
    bool found = false;
    struct run_row row;
    struct err err = tx_run_find_shown(tx, &stop->key, &found, &row);
    if (!err_failed(err)) {
        err = runs__end_damaged(tx, row.id);
    }
    return err_failed(err) ? err : tx_run_find_shown(tx, &stop->key, &found, ret_row);
}

struct err tx_run_stop(struct tx *tx, const struct run_stop *stop, bool *ret_more,
                       struct run_row *ret_row) {
    bool found = false, more = false;
    struct run_row row;
    struct err err = tx_run_find(tx, &stop->key, &found, &row);
    if (err.code == ERR_STORE_CORRUPT) {
        *ret_more = false;
        return stop_damaged(tx, stop, ret_row);
    }
    if (err_failed(err)) {
        return err;
    }
    if (!found) {
        return err_make(ERR_NOT_FOUND, "runs: stop");
    }
    if (run_state_final(row.state)) {
        return err_make(ERR_CONFLICT, "runs: it has ended");
    }
    struct run_freed freed = {.kinds = 0};
    err = stop_below(tx, stop, row.id, &more, &freed);
    if (!err_failed(err)) {
        err = stop_root(tx, stop, more, &row, &freed);
    }
    if (!err_failed(err)) {
        err = runs__admit_freed(tx, &freed, &stop->bounds);
    }
    if (!err_failed(err)) {
        *ret_more = more;
        *ret_row = row;
    }
    return err;
}
