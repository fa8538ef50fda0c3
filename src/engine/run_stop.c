/* run_stop.c: asking runs to end, and those below them.
 *
 * A stop of a whole tree goes deepest first, a page at a time, and comes to the root last: as long
 * as anybody below is left, the root lives, and the next page finds its way down from it.
 *
 * The end of a run asks its children by itself, nearest first: each of them asks its own when it
 * ends. A commit takes a page of them. The rest is not forgotten: who ends and has a parent that
 * has ended asks the next page of its siblings. Those that run are asked before those that wait,
 * so after a page either somebody runs whose end will go on, or only waiting ones are left; then
 * one of these is woken (gate TIME, due now), and its end goes on. That holds over a crash, too,
 * since all of it stands in the rows.
 */
#include "engine/run_rows.h"

#include "base/memory.h"

struct ids {
    int64_t *at; /* In the transaction's arena. */
    size_t count;
};

static struct err ask_ids(struct tx *tx, const struct run_ask *ask, size_t max,
                          struct ids *ret_ids) {
    struct ids ids = {.at = arena_try(tx_arena(tx), max * sizeof *ids.at)};
    if (ids.at == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "runs: ids");
    }
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, ask->sql, ask->args, ask->count, &rows);
    bool row = !err_failed(err);
    while (!err_failed(err) && row && ids.count < max) {
        err = rows_next(rows, &row);
        if (!err_failed(err) && row) {
            ids.at[ids.count++] = rows_int(rows, 0);
        }
    }
    if (!err_failed(err)) {
        *ret_ids = ids;
    }
    return err;
}

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
static struct err park(struct tx *tx, const struct run_ask_stop *stop, struct run_row *row) {
    row->stop = stop->cause;
    row->stop_grace_ms = stop->grace_ms;
    row->gate = GATE_TIME;
    row->not_before_ms = tx_now_ms(tx);
    return runs__write(tx, RUN_QUEUED, row);
}

struct err runs__ask(struct tx *tx, const struct run_ask_stop *stop, struct run_row *row) {
    if (row->state != RUN_QUEUED) {
        return ask_running(tx, stop, row);
    }
    row->stop = stop->cause;
    row->stop_grace_ms = stop->grace_ms;
    return runs__end_queued(tx, row);
}

/* --- The children of who has ended ------------------------------------------------------------ */

static struct err find_children(struct tx *tx, int64_t parent, size_t max, struct ids *ret_ids) {
    static const char sql[] = "SELECT id FROM runs WHERE parent = $1 AND parent <> 0"
                              " AND ended_ms IS NULL AND stop = '' ORDER BY gate, id LIMIT $2";
    const struct arg args[] = {arg_int(parent), arg_int((int64_t)max)};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    return ask_ids(tx, &ask, max, ret_ids);
}

static struct err has_children(struct tx *tx, int64_t id, bool *ret_has) {
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

/* One that waits, but has children of its own (of an earlier attempt), is ended apart from us, so
 * that one commit does not walk down a whole tree. */
static struct err ask_child(struct tx *tx, const struct run_ask_stop *stop, struct run_row *row) {
    bool has = false;
    struct err err = ERR_OK;
    if (row->state == RUN_QUEUED) {
        err = has_children(tx, row->id, &has);
    }
    if (err_failed(err)) {
        return err;
    }
    return has ? park(tx, stop, row) : runs__ask(tx, stop, row);
}

static struct err ask_page(struct tx *tx, int64_t parent) {
    const struct run_ask_stop stop = {.cause = CAUSE_PARENT_ENDED, .grace_ms = RUN_STOP_GRACE_MS};
    struct ids ids = {.count = 0};
    struct err err = find_children(tx, parent, RUN_STOP_PAGE + 1, &ids);
    size_t bytes = 0;
    bool full = false;
    for (size_t i = 0; i < ids.count && !err_failed(err) && !full; i++) {
        bool found = false;
        struct run_row row;
        err = runs__find_id(tx, ids.at[i], &found, &row);
        if (err_failed(err) || !found) {
            return err;
        }
        full = i == RUN_STOP_PAGE || bytes > RUN_BYTES_TURN;
        bytes += row.spec.len;
        if (!full) {
            err = ask_child(tx, &stop, &row);
        } else if (row.state == RUN_QUEUED) {
            err = park(tx, &stop, &row);
        }
    }
    return err;
}

struct err runs__ask_children(struct tx *tx, const struct run_row *ended) {
    struct err err = ask_page(tx, ended->id);
    if (err_failed(err) || ended->parent == 0) {
        return err;
    }
    const struct arg args[] = {arg_int(ended->parent)};
    const struct run_ask ask = {.sql = "SELECT 1 FROM runs WHERE id = $1 AND ended_ms IS NOT NULL",
                                .args = args,
                                .count = COUNT_OF(args)};
    int64_t orphan = 0;
    err = runs__int(tx, &ask, &orphan);
    return err_failed(err) || orphan == 0 ? err : ask_page(tx, ended->parent);
}

/* --- A stop by somebody ----------------------------------------------------------------------- */

static struct err find_below(struct tx *tx, int64_t root, const struct run_ask_stop *stop,
                             struct ids *ret_ids) {
    static const char sql[] =
        "WITH RECURSIVE below (id, depth) AS ("
        "SELECT id, 1 FROM runs WHERE parent = $1 AND parent <> 0 AND ended_ms IS NULL"
        " UNION ALL SELECT r.id, b.depth + 1 FROM runs r JOIN below b ON r.parent = b.id"
        " WHERE r.parent <> 0 AND r.ended_ms IS NULL)"
        " SELECT r.id FROM below b JOIN runs r ON r.id = b.id"
        " WHERE r.stop = '' OR r.stop_grace_ms > $2 ORDER BY b.depth DESC, r.id LIMIT $3";
    const struct arg args[] = {arg_int(root), arg_int(stop->grace_ms), arg_int(RUN_STOP_PAGE)};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    return ask_ids(tx, &ask, RUN_STOP_PAGE, ret_ids);
}

/* Keys that were freed below are handed on after the page, so that none goes to a run which the
 * same page is about to end. */
static struct err hand_on(struct tx *tx, const struct run_row *rows, size_t count,
                          const struct run_bounds *bounds) {
    struct err err = ERR_OK;
    for (size_t i = 0; i < count && !err_failed(err); i++) {
        if (run_state_final(rows[i].state)) {
            err = runs__admit_freed(tx, &rows[i], bounds);
        }
    }
    return err;
}

static struct err stop_below(struct tx *tx, const struct run_stop *stop, int64_t root,
                             bool *ret_more) {
    const struct run_ask_stop below = {.cause = CAUSE_PARENT_ENDED, .grace_ms = stop->grace_ms};
    struct ids ids = {.count = 0};
    struct err err = find_below(tx, root, &below, &ids);
    if (err_failed(err)) {
        return err;
    }
    struct run_row *rows = arena_try(tx_arena(tx), (ids.count + 1) * sizeof *rows);
    if (rows == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "runs: stop");
    }
    size_t done = 0, bytes = 0;
    while (done < ids.count && bytes <= RUN_BYTES_TURN) {
        bool found = false;
        err = runs__find_id(tx, ids.at[done], &found, &rows[done]);
        if (!err_failed(err) && found) {
            bytes += rows[done].spec.len;
            err = runs__ask(tx, &below, &rows[done]);
        }
        if (err_failed(err)) {
            return err;
        }
        done++;
    }
    *ret_more = done < ids.count || ids.count == RUN_STOP_PAGE;
    return hand_on(tx, rows, done, &stop->bounds);
}

static struct err stop_root(struct tx *tx, const struct run_stop *stop, struct run_row *row) {
    const struct run_ask_stop root = {.cause = stop->cause, .grace_ms = stop->grace_ms};
    struct err err = runs__ask(tx, &root, row);
    if (err_failed(err) || !run_state_final(row->state)) {
        return err;
    }
    err = runs__ask_children(tx, row); /* All below were asked; its own parent may have ended. */
    return err_failed(err) ? err : runs__admit_freed(tx, row, &stop->bounds);
}

struct err tx_run_stop(struct tx *tx, const struct run_stop *stop, bool *ret_more,
                       struct run_row *ret_row) {
    bool found = false, more = false;
    struct run_row row;
    struct err err = tx_run_find(tx, &stop->key, &found, &row);
    if (err_failed(err)) {
        return err;
    }
    if (!found) {
        return err_make(ERR_NOT_FOUND, "runs: stop");
    }
    if (run_state_final(row.state)) {
        return err_make(ERR_CONFLICT, "runs: it has ended");
    }
    err = stop_below(tx, stop, row.id, &more);
    if (!err_failed(err) && !more) {
        err = stop_root(tx, stop, &row);
    }
    if (!err_failed(err)) {
        *ret_more = more;
        *ret_row = row;
    }
    return err;
}
