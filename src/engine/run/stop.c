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
#include "base/memory.h"
#include "engine/run/budget_gate.h"

enum { STOP_DEPTH_MAX = 100 }; /* Below that, ends ask by themselves. */

/* To be ended by tx_run_wake, in a transaction of its own. */
static void run_park(struct tx *tx, const struct run_ask_stop *stop, struct run_row *row,
                     struct run_freed *freed) {
    tx_fail(tx, runs__free(tx, row, freed));
    runs__budget_leave(tx, row, freed);
    row->stop = row->stop == CAUSE_NONE ? stop->cause : row->stop;
    row->stop_grace_ms = stop->grace_ms;
    row->gate = GATE_TIME;
    row->not_before_ms = tx_now_ms(tx);
    tx_fail(tx, runs__write(tx, RUN_QUEUED, row));
}

struct err runs__ask(struct tx *tx, const struct run_ask_stop *stop, struct run_row *row,
                     struct run_freed *freed) {
    bool first = row->stop == CAUSE_NONE;
    if (row->state != RUN_QUEUED && !first && row->stop_grace_ms <= stop->grace_ms) {
        return ERR_OK;
    }
    row->stop = first ? stop->cause : row->stop;
    row->stop_grace_ms = stop->grace_ms;
    if (row->state == RUN_QUEUED) {
        return runs__end_queued(tx, row, freed);
    }
    tx_fail(tx, runs__write(tx, row->state, row));
    if (first) {
        runs__event_stopping(tx, row);
    }
    return tx_error(tx);
}

/* Two questions, for there are two indexes. */
bool runs__has_children(struct tx *tx, int64_t id) {
    static const char sql[] = "SELECT CASE WHEN EXISTS (SELECT 1 FROM runs WHERE parent = $1"
                              " AND parent <> 0 AND ended_ms IS NULL AND stop = '') THEN 1"
                              " WHEN EXISTS (SELECT 1 FROM runs WHERE parent = $1"
                              " AND parent <> 0 AND ended_ms IS NULL AND stop <> '') THEN 1"
                              " ELSE 0 END";
    return tx_number(tx, sql, ARGS(arg_int(id))) != 0;
}

/* One that waits, but has children of its own (of an earlier attempt), is ended apart from us, so
 * that one commit does not walk down a whole tree. */
static struct err child_ask(struct tx *tx, const struct run_ask_stop *stop, struct run_row *row,
                            struct run_freed *freed) {
    if (row->state == RUN_QUEUED && runs__has_children(tx, row->id)) {
        run_park(tx, stop, row, freed);
        return tx_error(tx);
    }
    return runs__ask(tx, stop, row, freed);
}

/* --- The children of a run that has ended ----------------------------------------------------- */

/* The first child is always asked, whatever its size. So a run that a full page leaves over has a
 * sibling before it that continues the work, or continues it itself. */
static struct err children_ask(struct tx *tx, int64_t parent, int64_t grace_ms,
                               struct run_freed *freed) {
    const struct run_ask_stop stop = {.cause = CAUSE_PARENT_ENDED, .grace_ms = grace_ms};
    int64_t ids[RUN_STOP_PAGE + 1];
    size_t bytes = 0;
    const size_t count = tx_ids(tx,
                                "SELECT id FROM runs WHERE parent = $1 AND parent <> 0"
                                " AND ended_ms IS NULL AND stop = '' ORDER BY gate, id LIMIT $2",
                                ARGS(arg_int(parent), arg_int(COUNT_OF(ids))), COUNT_OF(ids), ids);
    struct err err = tx_error(tx);
    bool full = false;
    for (size_t i = 0; !err_failed(err) && i < count && !full; i++) {
        bool found = false;
        struct run_row row;
        err = runs__find_id(tx, ids[i], &found, &row);
        if (err.code == ERR_STORE_CORRUPT) {
            err = runs__end_damaged(tx, ids[i]);
            continue;
        }
        if (err_failed(err) || !found) {
            return err;
        }
        full = i == RUN_STOP_PAGE || bytes > RUN_BYTES_TURN;
        bytes += row.spec.len;
        if (!full) {
            err = child_ask(tx, &stop, &row, freed);
        } else if (row.state == RUN_QUEUED) {
            run_park(tx, &stop, &row, freed);
        }
    }
    return err_failed(err) ? err : tx_error(tx);
}

/* A run that was given some time leaves as much to those below it. */
struct err runs__ask_children(struct tx *tx, const struct run_row *ended, struct run_freed *freed) {
    static const char sql[] = "SELECT COALESCE((SELECT CASE WHEN stop = '' THEN $2"
                              " ELSE stop_grace_ms END FROM runs WHERE id = $1"
                              " AND ended_ms IS NOT NULL), -1)";
    int64_t grace_ms = ended->stop == CAUSE_NONE ? RUN_STOP_GRACE_MS : ended->stop_grace_ms;
    struct err err = children_ask(tx, ended->id, grace_ms, freed);
    if (err_failed(err) || ended->parent == 0) {
        return err;
    }
    grace_ms = tx_number(tx, sql, ARGS(arg_int(ended->parent), arg_int(RUN_STOP_GRACE_MS)));
    return grace_ms < 0 ? tx_error(tx) : children_ask(tx, ended->parent, grace_ms, freed);
}

/* --- A stop by somebody ----------------------------------------------------------------------- */

struct descent {
    int64_t path[STOP_DEPTH_MAX]; /* From the root down. */
    size_t depth;                 /* 0: nobody is left. */
    size_t asked, bytes;
    struct run_ask_stop stop;
};

/* The first child that was not asked, or was given more time than this; 0: none. */
static int64_t child_next(struct tx *tx, int64_t parent, int64_t grace_ms) {
    static const char fresh[] = "SELECT id FROM runs WHERE parent = $1 AND parent <> 0"
                                " AND ended_ms IS NULL AND stop = '' ORDER BY gate, id LIMIT 1";
    static const char slower[] = "SELECT id FROM runs WHERE parent = $1 AND parent <> 0"
                                 " AND ended_ms IS NULL AND stop <> '' AND stop_grace_ms > $2"
                                 " ORDER BY stop_grace_ms LIMIT 1";
    int64_t id = tx_number(tx, fresh, ARGS(arg_int(parent)));
    return id != 0 ? id : tx_number(tx, slower, ARGS(arg_int(parent), arg_int(grace_ms)));
}

/* One step: down to a child, or up from one that has nobody left below it, which is asked. Where it
 * is too deep to go on, the child is asked as it is, and those below it by its end. */
static struct err descent_step(struct tx *tx, struct descent *at, struct run_freed *freed) {
    int64_t here = at->path[at->depth - 1];
    int64_t child = child_next(tx, here, at->stop.grace_ms);
    TRY(tx_error(tx));
    if (child != 0 && at->depth < STOP_DEPTH_MAX) {
        at->path[at->depth++] = child;
        return ERR_OK;
    }
    if (child == 0 && --at->depth == 0) {
        return ERR_OK;
    }
    int64_t id = child == 0 ? here : child;
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
    return deep ? child_ask(tx, &at->stop, &row, freed) : runs__ask(tx, &at->stop, &row, freed);
}

/* A live row that became damaged under this daemon is asked to end as at a start. */
static struct err damaged_stop(struct tx *tx, const struct run_stop *stop,
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
    const struct run_ask_stop of_root = {.cause = stop->cause, .grace_ms = stop->grace_ms};
    struct run_freed freed = {.kinds = 0};
    struct run_row row;
    struct err err = runs__get(tx, &stop->key, &row);
    if (err.code == ERR_STORE_CORRUPT) {
        *ret_more = false;
        return damaged_stop(tx, stop, ret_row);
    }
    if (err_failed(err)) {
        return err;
    }
    if (run_state_final(row.state)) {
        return err_make(ERR_CONFLICT, "runs: it has ended");
    }
    struct descent at = {.path = {row.id},
                         .depth = 1,
                         .stop = {.cause = CAUSE_PARENT_ENDED, .grace_ms = stop->grace_ms}};
    while (!err_failed(err) && at.depth > 0 && at.asked < RUN_STOP_PAGE &&
           at.bytes <= RUN_BYTES_TURN) {
        err = descent_step(tx, &at, &freed);
    }
    if (err_failed(err)) {
        return err;
    }
    *ret_more = at.depth > 0;
    if (!*ret_more || row.state != RUN_QUEUED) {
        tx_fail(tx, runs__ask(tx, &of_root, &row, &freed));
        if (run_state_final(row.state)) { /* Its own parent may have ended. */
            tx_fail(tx, runs__ask_children(tx, &row, &freed));
        }
    } else if (row.stop == CAUSE_NONE) {
        /* One that waits stays, as long as somebody below it is left: the next page finds its way
         * down from it. It waits for nothing but its end from here on, which comes with the last
         * page or, if that never comes, by itself. */
        run_park(tx, &of_root, &row, &freed);
    }
    tx_fail(tx, runs__admit_freed(tx, &freed, &stop->bounds));
    *ret_row = row;
    return tx_error(tx);
}

bool runs__stop_tree(struct tx *tx, struct bytes run, enum run_cause cause,
                     const struct run_bounds *bounds) {
    const struct run_stop stop = {
        .key = {.run = run}, .cause = cause, .grace_ms = RUN_STOP_GRACE_MS, .bounds = *bounds};
    struct run_row row;
    bool more = false;
    const struct err err = tx_run_stop(tx, &stop, &more, &row);
    tx_fail(tx, err.code == ERR_CONFLICT || err.code == ERR_NOT_FOUND ? ERR_OK : err);
    return more;
}
