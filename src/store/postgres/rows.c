/* rows.c: statements inside a transaction, and what they answer.
 *
 * The writer gets an answer as a whole. A reader gets its rows as they arrive, so that a page which
 * is cut by its bytes never stands in memory with all that it did not take. The connection is busy
 * until they have arrived: when another statement comes first, the rest is kept aside.
 */
#include <string.h>

#include "base/memory.h"
#include "base/number.h"
#include "store/postgres/postgres.h"

struct pg_piece {
    struct pg_piece *next; /* Owned. */
    PGresult *result;      /* Owned. */
};

struct pg_rows {
    struct rows base;
    const struct libpq *pq; /* Borrowed. */
    PGresult *result;       /* Owned: the piece being read. */
    int at, count;          /* `at`: the current row; -1 before the first. */
    struct pg_piece *kept;  /* Owned: pieces that follow, in order. */
    struct err err;         /* Error or end after the rows that are kept. */
};

static const struct pg_rows *rows_of(const struct rows *rows) {
    return CONTAINER_OF(rows, const struct pg_rows, base);
}

/* When a queued or posted step failed, no savepoint can be relied on any more. */
static struct err note(struct pg_session *session, struct err err) {
    if (err_failed(err)) {
        session->broken = session->broken || pg_link_queue_failed(session->link);
        session->replaced = session->replaced || err.code == ERR_STORE_LOST;
    }
    return err;
}

/* The next piece from the server; the connection is free again after the last one. */
static struct err receive(struct pg_session *session, PGresult **ret_result) {
    struct err err = note(session, pg_link_stream_next(session->link, ret_result));
    if (!pg_link_streams(session->link)) {
        session->streaming = NULL;
    }
    return err;
}

static void keep_rest(struct pg_session *session) {
    struct pg_rows *rows = session->streaming;
    struct pg_piece **end = rows != NULL ? &rows->kept : NULL;
    while (session->streaming != NULL) {
        struct pg_piece *piece = mem_new(sizeof *piece);
        rows->err = receive(session, &piece->result);
        *end = piece; /* Without rows, where it failed. */
        end = &piece->next;
    }
}

static struct err run(struct pg_session *session, const char *sql, const struct arg *args,
                      size_t count, PGresult **ret_result) {
    if (session->link == NULL) {
        return err_make(ERR_STORE_DOWN, "postgres: connection");
    }
    keep_rest(session);
    session->asked = true;
    session->posted = 0; /* All messages on their way are answered with this one. */
    return note(session, pg_link_run(session->link, sql, args, count, ret_result));
}

/* Nobody looks at what it changed, so nobody waits for it: it is on its way when this returns, and
 * if it fails, the function's next statement or the COMMIT does. The whole transaction is broken
 * then, and the core runs each of its functions alone, where the failure meets the one to blame.
 * That costs the others a second run, and a function that goes on after a failure wastes its time:
 * so there is an end to how many go unwatched. */
enum { POSTED_MAX = 16 };

struct err postgres__exec(struct conn *conn, const char *sql, const struct arg *args, size_t count,
                          int64_t *ret_changed) {
    struct pg_session *session = pg_session_of(conn);
    const struct libpq *pq = &session->database->pq;
    if (ret_changed == NULL && conn->role == CONN_WRITER && session->posted < POSTED_MAX &&
        session->link != NULL) {
        session->asked = true;
        session->posted++;
        return note(session, pg_link_post(session->link, sql, args, count));
    }
    PGresult *result = NULL;
    TRY(run(session, sql, args, count, &result));
    int64_t changed = 0; /* The text is empty where no rows are counted. */
    bool counts = number_parse(bytes_of(pq->PQcmdTuples(result)),
                               (struct number_bounds){0, INT64_MAX}, &changed);
    if (ret_changed != NULL) {
        *ret_changed = counts ? changed : 0;
    }
    pq->PQclear(result);
    return ERR_OK;
}

struct err postgres__query(struct conn *conn, const char *sql, const struct arg *args, size_t count,
                           struct rows **ret_rows) {
    struct pg_session *session = pg_session_of(conn);
    const struct libpq *pq = &session->database->pq;
    PGresult *result = NULL;
    struct err err = err_make(ERR_STORE_DOWN, "postgres: connection");
    if (conn->role != CONN_READER) {
        err = run(session, sql, args, count, &result);
    } else if (session->link != NULL) {
        keep_rest(session);
        err = note(session, pg_link_stream(session->link, sql, args, count, &result));
    }
    TRY(err);
    struct pg_rows *rows = mem_new(sizeof *rows);
    *rows = (struct pg_rows){.base = {.conn = conn},
                             .pq = pq,
                             .result = result,
                             .at = -1,
                             .count = pq->PQntuples(result)};
    session->streaming = pg_link_streams(session->link) ? rows : NULL;
    *ret_rows = &rows->base;
    return ERR_OK;
}

static bool take_kept(struct pg_rows *rows, PGresult **ret_result) {
    struct pg_piece *piece = rows->kept;
    if (piece == NULL) {
        return false;
    }
    *ret_result = piece->result;
    rows->kept = piece->next;
    mem_free(piece);
    return true;
}

/* *ret_result is NULL when there is no more. */
static struct err next_piece(struct pg_rows *rows, PGresult **ret_result) {
    struct pg_session *session = pg_session_of(rows->base.conn);
    if (take_kept(rows, ret_result) && *ret_result != NULL) {
        return ERR_OK;
    }
    return session->streaming == rows ? receive(session, ret_result) : rows->err;
}

struct err postgres__rows_next(struct rows *base, bool *ret_row) {
    struct pg_rows *rows = CONTAINER_OF(base, struct pg_rows, base);
    while (rows->at + 1 >= rows->count) {
        PGresult *result = NULL;
        TRY(next_piece(rows, &result));
        if (result == NULL) {
            *ret_row = false;
            return ERR_OK;
        }
        rows->pq->PQclear(rows->result);
        rows->result = result;
        rows->at = -1;
        rows->count = rows->pq->PQntuples(result);
    }
    rows->at++;
    *ret_row = true;
    return ERR_OK;
}

bool postgres__rows_null(const struct rows *rows, int column) {
    const struct pg_rows *pg = rows_of(rows);
    return pg->pq->PQgetisnull(pg->result, pg->at, column) != 0;
}

struct bytes postgres__rows_text(const struct rows *rows, int column) {
    const struct pg_rows *pg = rows_of(rows);
    return (struct bytes){pg->pq->PQgetvalue(pg->result, pg->at, column),
                          (size_t)pg->pq->PQgetlength(pg->result, pg->at, column)};
}

/* Comparisons answer a boolean here, t or f, where SQLite answers 1 or 0. NULL is 0, as there. */
int64_t postgres__rows_int(const struct rows *rows, int column) {
    struct bytes text = postgres__rows_text(rows, column);
    int64_t number = 0;
    if (!number_parse(text, (struct number_bounds){INT64_MIN, INT64_MAX}, &number)) {
        number = text.len == 1 && text.data[0] == 't';
    }
    return number;
}

void postgres__rows_close(struct rows *base) {
    struct pg_rows *rows = CONTAINER_OF(base, struct pg_rows, base);
    struct pg_session *session = pg_session_of(base->conn);
    PGresult *result = NULL;
    /* Rows that nobody wants any more must arrive all the same before the connection is free. */
    while (session->streaming == rows) {
        result = NULL;
        struct err err = receive(session, &result);
        (void)err; /* A lost connection is found by whatever comes next. */
        rows->pq->PQclear(result);
    }
    while (take_kept(rows, &result)) {
        rows->pq->PQclear(result);
    }
    rows->pq->PQclear(rows->result);
    mem_free(rows);
}
