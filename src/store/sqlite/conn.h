/* conn.h: a connection to SQLite and its statements. Only the sqlite files include it.
 *
 * Ownership  sqlite_conn_close takes NULL and half-built connections.
 * Threads    one at a time: connections are opened without SQLite's own locks.
 */
#ifndef DROVER_STORE_SQLITE_CONN_H
#define DROVER_STORE_SQLITE_CONN_H

#include <sqlite3.h>
#include <stdatomic.h>

#include "base/base.h"
#include "store/commit_mark.h"
#include "store/driver.h"
#include "store/statements.h"

struct page_watch;

struct sqlite_conn {
    struct conn conn;
    sqlite3 *db;                  /* Owned. */
    struct statements statements; /* Values: struct sqlite_statement. Owned. */
    int64_t log_bytes, page_bytes;
    struct commit_mark *mark; /* Borrowed; NULL: not of a live database. */
    int64_t batch;            /* Writer: number of the last commit. */
    int64_t batch_row;        /* Writer: number in nodes.batch. */
    int64_t changes_at_begin; /* Writer: number of changed rows before the transaction. */
    atomic_bool *stale;       /* Borrowed, as of the database; NULL: not of a live one. */
    int64_t opened_ms;        /* Wall clock, when the database was opened. */
    /* Number of commits that a start did not find and nobody has accepted; time of that start. */
    atomic_int_fast64_t missing;
    int64_t missing_at_ms;
    bool met_damage; /* SQLite has reported a damaged page since the last BEGIN. */
};

static inline struct sqlite_conn *sqlite_conn_of(const struct conn *conn) {
    return CONTAINER_OF(conn, struct sqlite_conn, conn);
}

#define SQLITE_CURE                                                                                \
    "Restore a backup: move drover.db, drover.db-wal and drover.db-shm out of the directory, then" \
    " run 'drover restore FILE'. If another program wrote drover.db, run"                          \
    " 'drover restore --rewrite-sums'."

/* Lost commits as nodes.home has them: "missing COUNT FIRST_MS"; no row: nothing. */
#define SQLITE_MISSING_COUNT                                                                       \
    "SELECT CAST(substr(home, 9) AS INTEGER) FROM nodes WHERE home LIKE 'missing %'"
#define SQLITE_MISSING_AT                                                                          \
    "SELECT CAST(substr(home, 9 + instr(substr(home, 9), ' ')) AS INTEGER) FROM nodes"             \
    " WHERE home LIKE 'missing % %'"

/* Longest wait for a lock of another process: a backup, or a user's own shell. */
enum { SQLITE_BUSY_MS = 5000 };

enum sqlite_access { SQLITE_ACCESS_LIVE, SQLITE_ACCESS_LOOK };

/* Access LIVE makes the file where there is none, and puts it into WAL mode with synchronous=FULL,
 * both read back; LOOK opens an existing file, changes no setting of it, and leaves a log as it is.
 * `watch`: or NULL. */
MUST_CHECK struct err sqlite_conn_open(const char *path, enum conn_role role,
                                       enum sqlite_access access, struct page_watch *watch,
                                       struct sqlite_conn **ret_conn, struct why *why);
void sqlite_conn_close(struct sqlite_conn *conn);
void sqlite_conn_release(struct sqlite_conn **conn);  /* For AUTO. */
void sqlite_conn_leave_log(struct sqlite_conn *conn); /* A log with content stays as it is. */

/* The first column of the first row of any SQL, unprepared; `missing` when there is no row. */
MUST_CHECK struct err sqlite_conn_int(struct sqlite_conn *conn, const char *sql, int64_t missing,
                                      int64_t *ret_number);
int sqlite_script(sqlite3 *db, const char *sql); /* Without rows. Answers SQLite's code. */

/* statement.c */
MUST_CHECK struct err sqlite_exec(struct conn *conn, const char *sql, const struct arg *args,
                                  size_t count, int64_t *ret_changed);
MUST_CHECK struct err sqlite_query(struct conn *conn, const char *sql, const struct arg *args,
                                   size_t count, struct rows **ret_rows);
MUST_CHECK struct err sqlite_rows_next(struct rows *rows, bool *ret_row);
bool sqlite_rows_null(const struct rows *rows, int column);
int64_t sqlite_rows_int(const struct rows *rows, int column);
struct bytes sqlite_rows_text(const struct rows *rows, int column);
void sqlite_rows_close(struct rows *rows);
void sqlite_statement_free(void *statement);

/* conn.c. `step` is static text; `rc` an extended result code. */
struct err sqlite_error(struct sqlite_conn *conn, int rc, const char *step);
struct err sqlite_open_error(sqlite3 *db, int rc, const char *path, struct why *why);
/* After a COMMIT that failed. `os` is the errno that it left, having been zero before: SQLite's own
 * sqlite3_system_errno is not set by a COMMIT, and would tell of an earlier error. */
enum commit_outcome sqlite_commit_error(int rc, int os, struct err *ret_err);

/* sqlite.c */
MUST_CHECK struct err sqlite_schema(struct conn *conn, struct schema *ret_schema);
/* About how many commits up to `marked` are not in the database; 0: none. */
MUST_CHECK struct err sqlite_missing_since(struct sqlite_conn *conn,
                                           const struct commit_point *marked, int64_t *ret_missing);

/* backup.c */
MUST_CHECK struct err sqlite_backup(const char *where, const char *to, struct why *why);
MUST_CHECK struct err sqlite_restore(const char *from, const char *where, struct why *why);
MUST_CHECK struct err sqlite_check(const char *where, struct store_check *ret_check,
                                   struct why *why);
MUST_CHECK struct err sqlite_check_pages(const char *where, struct store_pages *ret_pages,
                                         struct why *why);
MUST_CHECK struct err sqlite_rewrite_sums(const char *where, struct store_pages *ret_pages,
                                          struct why *why);

#endif
