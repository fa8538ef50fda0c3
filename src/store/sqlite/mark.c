/* mark.c: see sqlite_mark.h. */
#include "store/sqlite/mark.h"

#include <stdio.h>

static struct sqlite_conn *of(struct conn *conn) {
    return CONTAINER_OF(conn, struct sqlite_conn, conn);
}

/* --- Commits ---------------------------------------------------------------------------------- */

struct err sqlite_mark_prepare(struct sqlite_conn *writer, struct commit_point *ret_point) {
    const struct raised *raised = &writer->conn.raised;
    struct commit_point point = {.number = writer->batch + 1};
    if (sqlite3_total_changes64(writer->db) == writer->changes_at_begin) {
        *ret_point = (struct commit_point){.number = 0};
        return ERR_OK;
    }
    /* Where a row of `streams` is gone, it may be the one by which an earlier commit is found. */
    if (raised->stream != 0 && !raised->removed &&
        point.number - writer->batch_row < COMMIT_MARK_STRIDE) {
        point.written = writer->batch_row;
        point.stream = raised->stream;
        point.head = raised->head;
        *ret_point = point;
        return ERR_OK;
    }
    const struct arg args[] = {arg_int(point.number)};
    struct err err = sqlite_exec(&writer->conn, "UPDATE nodes SET batch = $1", args, COUNT_OF(args),
                                 NULL /* there is one row */);
    if (!err_failed(err)) {
        point.written = point.number;
        *ret_point = point;
    }
    return err;
}

void sqlite_mark_set(struct sqlite_conn *writer, const struct commit_point *point) {
    if (point->number == 0) {
        return;
    }
    writer->batch = point->number;
    writer->batch_row = point->written;
    commit_mark_set(writer->mark, point);
}

/* --- Starts ----------------------------------------------------------------------------------- */

static struct err batch_read(struct sqlite_conn *conn, int64_t *ret_batch) {
    return sqlite_conn_int(conn, "SELECT batch FROM nodes", 0, ret_batch);
}

/* One statement, since a daemon may commit meanwhile: a stream is removed in a commit that writes
 * its number. */
static struct err missing_since(struct sqlite_conn *conn, const struct commit_point *marked,
                                int64_t *ret_missing) {
    char sql[320];
    (void)snprintf(sql, sizeof sql,
                   "SELECT CASE WHEN batch >= %lld OR (batch >= %lld AND EXISTS (SELECT 1"
                   " FROM streams WHERE id = %lld AND head >= %lld)) THEN 0 ELSE %lld - batch END"
                   " FROM nodes",
                   (long long)marked->number, (long long)marked->written, (long long)marked->stream,
                   (long long)marked->head, (long long)marked->number);
    return sqlite_conn_int(conn, sql, 0, ret_missing);
}

struct err sqlite_mark_compare(struct sqlite_conn *conn, const struct commit_point *marked,
                               int64_t *ret_missing) {
    int64_t batch = 0, missing = 0;
    struct err err = ERR_OK;
    if (marked->stream != 0) {
        err = missing_since(conn, marked, &missing);
        /* The damage is told, and what it hides is no loss of a commit. */
        err = err.code == ERR_STORE_CORRUPT ? ERR_OK : err;
    } else {
        err = batch_read(conn, &batch);
        missing = batch < marked->number ? marked->number - batch : 0;
    }
    if (!err_failed(err)) {
        *ret_missing = missing;
    }
    return err;
}

/* Not in a transaction that writes: SQLite does not commit one that has met a damaged page. */
struct err sqlite_mark_begin(struct sqlite_conn *writer) {
    const struct commit_point marked = commit_mark_get(writer->mark);
    int64_t batch = 0, missing = 0;
    struct err err = batch_read(writer, &batch);
    if (!err_failed(err)) {
        err = sqlite_mark_compare(writer, &marked, &missing);
    }
    if (!err_failed(err)) {
        writer->batch = batch > marked.number ? batch : marked.number;
        writer->batch_row = batch;
        atomic_store(&writer->missing, missing);
    }
    return err;
}

/* Of earlier starts, whose losses nobody has accepted by a release. */
static struct err missing_read(struct sqlite_conn *writer, int64_t *ret_count, int64_t *ret_at_ms) {
    int64_t at_ms = 0;
    struct err err = sqlite_conn_int(writer, SQLITE_MISSING_AT, 0, &at_ms);
    if (!err_failed(err)) {
        err = sqlite_conn_int(writer, SQLITE_MISSING_COUNT, 0, ret_count);
    }
    if (!err_failed(err)) {
        *ret_at_ms = at_ms;
    }
    return err;
}

/* After this start's own commits the mark tells of no loss any more, so it is kept in nodes.home:
 * "missing COUNT FIRST_MS". The word is no place, so each daemon holds until somebody releases it
 * (engine/base/home.h). */
struct err sqlite_missing_note(struct sqlite_conn *writer) {
    int64_t found = atomic_load(&writer->missing), before = 0;
    struct err err = missing_read(writer, &before, &writer->missing_at_ms);
    if (err_failed(err)) {
        return err;
    }
    writer->missing_at_ms = before > 0 ? writer->missing_at_ms : writer->opened_ms;
    atomic_store(&writer->missing, before + found);
    if (found == 0) {
        return ERR_OK;
    }
    const struct arg args[] = {arg_int(before + found), arg_int(writer->missing_at_ms)};
    return sqlite_exec(&writer->conn,
                       "UPDATE nodes SET home = 'missing ' || CAST($1 AS TEXT) || ' ' ||"
                       " CAST($2 AS TEXT)",
                       args, COUNT_OF(args), NULL /* there is one row */);
}

int64_t sqlite_missing(const struct conn *writer, int64_t *ret_at_ms) {
    const struct sqlite_conn *self = CONTAINER_OF(writer, struct sqlite_conn, conn);
    *ret_at_ms = self->missing_at_ms;
    return atomic_load(&self->missing);
}

void sqlite_missing_accept(struct conn *writer) {
    atomic_store(&of(writer)->missing, 0);
}
