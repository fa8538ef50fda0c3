/* postgres.h: the database and connections of the PostgreSQL driver. Only postgres*.c include it.
 *
 * A writer's session, and what follows when it is lost:
 *
 *     connect: checks, schema, lock (or stand by) -> raise_epoch -> [BEGIN fence ... COMMIT]*
 *                                                                      |              |
 *         nothing happened: the next BEGIN makes a new session  <-- lost before    lost in COMMIT
 *                                                                                     |
 *         new session, lock, read `batch` after the row's lock: it tells whether it happened
 *
 * A transaction in which no function asked for anything changes `batch` alone. Whether its COMMIT
 * happened is nobody's concern: it counts as one that did not, and the next BEGIN reads `batch`.
 */
#ifndef DROVER_STORE_POSTGRES_POSTGRES_H
#define DROVER_STORE_POSTGRES_POSTGRES_H

#include "store/driver.h"
#include "store/postgres/link.h"
#include "store/postgres/schema.h"

struct pg_database {
    struct database base;
    struct libpq pq;
    char *url;                    /* Owned. */
    struct store_options options; /* `where` is of the opening only. */
    struct pg_patience patience;
    int64_t oid; /* Of the schema; the same for all connections. 0: none has entered it yet. */
};

struct pg_session {
    struct conn base;
    struct pg_database *database; /* Borrowed. */
    struct pg_link *link;         /* Owned; NULL: lost, and not made again yet. */
    struct pg_rows *streaming;    /* Borrowed: rows that are still arriving; a reader's only. */
    unsigned posted;              /* Statements of the function that runs which nobody waits for. */
    bool broken;                  /* The transaction can only be rolled back as a whole. */

    /* The writer's. */
    struct pg_backend backend; /* Which session of the server has our lock. */
    int64_t epoch, batch;      /* As committed last. */
    bool asked;                /* The open transaction has statements of its functions. */
    bool unsure;   /* `batch` may be one more: the answer to an empty COMMIT was lost. */
    bool replaced; /* The fence fell: for good. */
    bool down;     /* Making a new session failed: the next try is a short one. */
};

static inline struct pg_session *pg_session_of(struct conn *conn) {
    return CONTAINER_OF(conn, struct pg_session, base);
}

/* rows.c */
MUST_CHECK struct err postgres__exec(struct conn *conn, const char *sql, const struct arg *args,
                                     size_t count, int64_t *ret_changed);
MUST_CHECK struct err postgres__query(struct conn *conn, const char *sql, const struct arg *args,
                                      size_t count, struct rows **ret_rows);
MUST_CHECK struct err postgres__rows_next(struct rows *rows, bool *ret_row);
bool postgres__rows_null(const struct rows *rows, int column);
int64_t postgres__rows_int(const struct rows *rows, int column);
struct bytes postgres__rows_text(const struct rows *rows, int column);
void postgres__rows_close(struct rows *rows);

/* whole.c */
MUST_CHECK struct err postgres__schema(struct conn *conn, struct schema *ret_schema);
MUST_CHECK struct err postgres__backup(const char *where, const char *to, struct why *why);
MUST_CHECK struct err postgres__restore(const char *from, const char *where, struct why *why);
MUST_CHECK struct err postgres__check(const char *where, struct store_check *ret_check,
                                      struct why *why);

#endif
