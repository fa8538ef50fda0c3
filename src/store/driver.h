/* driver.h: what the core of the store asks of a database. Only store/ includes it.
 *
 * Promise    the core keeps order, groups, reruns, notes and threads; a driver speaks SQL. The core
 *            never sends a statement after one that failed: it rolls back first.
 * Ownership  a driver embeds struct database, struct conn and struct rows in its own (CONTAINER_OF)
 *            and fills the public fields. `struct why` may be NULL wherever one is taken.
 * Threads    `open`, `connect`, `disconnect`, `close`: the thread that opened the store. All other
 *            calls: one thread at a time for each connection, and not always the same one.
 * Failure    outputs are untouched. Errors are mapped to the codes of base/err.h by the driver:
 *            ERR_DISK_FULL, ERR_READ_ONLY, ERR_STORE_IO, ERR_STORE_CORRUPT, ERR_STORE_DOWN,
 *            ERR_BUSY (another transaction was in the way, or a statement was cancelled),
 *            ERR_OVERLOADED (the server lacks memory or another resource), ERR_OUT_OF_MEMORY,
 *            ERR_TEXT_TOO_LONG, ERR_CONFLICT (a constraint), ERR_STORE_LOST (somebody else owns the
 *            database now, or nobody can tell what happened: the daemon must exit), else
 *            ERR_INTERNAL (our SQL is wrong).
 */
#ifndef DROVER_STORE_DRIVER_H
#define DROVER_STORE_DRIVER_H

#include "base/base.h"
#include "base/err.h"
#include "store/store.h"

struct driver;

enum { DRIVER_ARGS_MAX = 64 }; /* Arguments of a statement: a row has as many columns at most. */

struct database {
    const struct driver *driver;
};

/* Number of a database's schema. Versions count from 1 within a series, and each leads to the next;
 * no way leads from one series to another. The series stays. */
struct schema {
    int64_t version; /* 0: an empty database. */
    int64_t series;  /* 0: of a build that knew no series. */
};
enum { SCHEMA_SERIES = 22 };

enum conn_role {
    CONN_WRITER,     /* The only writer. PostgreSQL: holds the schema's lock. */
    CONN_READER,     /* Reads only; several. */
    CONN_CHECKPOINT, /* Asked for only by a driver that has `checkpoint`. */
};

/* What the open transaction of the writer has done to rows of `streams` (tx_stream_raised). */
struct raised {
    int64_t stream, head; /* The last one; 0: none. */
    bool removed;         /* A row is gone. */
};

struct conn {
    const struct driver *driver;
    enum conn_role role;
    struct raised raised; /* The core's; a driver that looks at it empties it in `begin`. */
};

struct rows {
    struct conn *conn; /* Filled by the driver; borrowed until close. */
    struct tx *tx;     /* Filled and used by the core. */
};

enum commit_outcome {
    COMMIT_DONE,    /* Durable. */
    COMMIT_NOT,     /* Known not to have happened; no transaction is open any more. */
    COMMIT_UNKNOWN, /* Nobody can tell: nobody is answered, the daemon exits. */
};

enum { SAVEPOINTS_MAX = 2 };

enum checkpoint_kind {
    CHECKPOINT_PASSIVE, /* Disturbs nobody; on CONN_CHECKPOINT. */
    CHECKPOINT_RESTART, /* The next commit begins the log anew; on CONN_WRITER, between groups. */
    CHECKPOINT_EMPTY,   /* The log has no bytes afterwards: ERR_BUSY where somebody uses it. */
    CHECKPOINT_EMPTY_WAIT, /* As EMPTY, waiting for at most a quarter of a second. */
    CHECKPOINT_WAIT, /* As RESTART, waiting some seconds for who is in the way: ERR_BUSY then. */
};

/* The words by which the two dialects of DDL differ: in a migration, `@id@` is a table's integer
 * primary key that numbers itself, `@int@` a 64-bit integer, `@strict@` what closes a CREATE
 * TABLE. */
struct driver_words {
    const char *id, *integer, *strict;
};

struct driver {
    const char *cure; /* Sentence: how to repair a database that is too damaged to be opened. */
    struct driver_words words;
    bool (*serves)(const char *where);

    /* --- A database. `open` claims it where a claim needs no connection (a data directory).
     * `where` is borrowed during the call, all else as store.h says. --- */
    struct err (*open)(const struct store_options *options, struct database **ret_database,
                       struct why *why);
    void (*close)(struct database *database); /* After every connection. NULL is allowed. */
    /* From any thread, as is the next. The store closes: what waits for a server gives up soon, in
     * every thread. NULL: nothing waits. */
    void (*closing)(struct database *database);
    /* Did the server answer when it was last needed? NULL: there is none. */
    bool (*reachable)(const struct database *database);
    /* After ERR_STORE_LOST: another daemon serves the database. NULL: nobody else can. */
    bool (*replaced)(const struct conn *writer);
    /* From any thread: number of damaged pages that were read. NULL: the server knows. */
    uint32_t (*damaged)(const struct database *database);
    /* From any thread: number of times that the mark of the last commit could not be kept. NULL:
     * there is none. */
    uint64_t (*keep_errors)(const struct database *database);
    /* CONN_WRITER comes first, and alone, and is the one that may stand by for a lock. */
    struct err (*connect)(struct database *database, enum conn_role role, struct conn **ret_conn,
                          struct why *why);
    void (*disconnect)(struct conn *conn); /* NULL is allowed. */

    /* --- The writer at start, outside any transaction, in this order. --- */
    /* The row of the table `schema`, which the first migration makes. */
    struct err (*schema)(struct conn *conn, struct schema *ret_schema);
    /* Several statements in one text, unprepared; stops at the first failure. Brings its own BEGIN
     * and COMMIT; on failure the core calls `rollback`. */
    struct err (*run)(struct conn *conn, const char *script, struct why *why);
    /* One durable commit of `UPDATE nodes SET epoch = epoch + 1`. What the driver needs later for
     * its fence (epoch, batch) it remembers by itself. */
    struct err (*raise_epoch)(struct conn *conn, int64_t *ret_epoch);

    /* After raise_epoch, from any thread: number of commits that were acknowledged, and are not in
     * the database, and the wall clock when a start first found so. NULL: the server's log is its
     * own affair. */
    int64_t (*missing)(const struct conn *writer, int64_t *ret_at_ms);
    void (*missing_accept)(struct conn *writer); /* From any thread; see store.h. */

    /* --- Transactions. --- */
    /* Writer: BEGIN IMMEDIATE, or BEGIN and the fence `UPDATE nodes SET batch …`; reader: one
     * snapshot. A connection found dead is made again here. On failure no transaction is open. */
    struct err (*begin)(struct conn *conn);
    /* At most SAVEPOINTS_MAX are open at once, one inside the other; the next two calls are for the
     * innermost. */
    struct err (*savepoint)(struct conn *conn);
    struct err (*release)(struct conn *conn);
    struct err (*rollback_to)(struct conn *conn); /* And releases it. */
    /* A connection lost in COMMIT is settled here: reconnect, lock, look at `batch`.
     * *ret_err is filled unless COMMIT_DONE. */
    enum commit_outcome (*commit)(struct conn *conn, struct err *ret_err);
    void (*rollback)(struct conn *conn); /* In any state; afterwards no transaction is open. */
    /* After a failed statement: is the whole transaction gone, so that nothing of it happened? */
    bool (*transaction_lost)(struct conn *conn);
    /* Rises with each row that this connection changes, also where that is taken back again. NULL:
     * nobody counts, or a statement that fails takes the transaction along: savepoints are used. */
    int64_t (*changes)(struct conn *conn);

    /* --- Statements: `sql` is a literal, found prepared by its address (statements.h). --- */
    struct err (*exec)(struct conn *conn, const char *sql, const struct arg *args, size_t count,
                       int64_t *ret_changed); /* May be NULL. */
    /* `args` are copied where they must outlive the call. Two cursors may be open at once, also on
     * the same `sql`. */
    struct err (*query)(struct conn *conn, const char *sql, const struct arg *args, size_t count,
                        struct rows **ret_rows);
    struct err (*rows_next)(struct rows *rows, bool *ret_row);
    bool (*rows_null)(const struct rows *rows, int column);
    int64_t (*rows_int)(const struct rows *rows, int column);
    struct bytes (*rows_text)(const struct rows *rows, int column);
    void (*rows_close)(struct rows *rows);

    /* --- The log; all NULL where the server looks after it by itself. --- */
    int64_t (*log_bytes)(struct conn *writer); /* After a commit, on the writer's thread. */
    struct err (*checkpoint)(struct conn *conn, enum checkpoint_kind kind);
    /* The mark of the last commit becomes durable. On CONN_CHECKPOINT: each second in which there
     * was a commit, and before each checkpoint. */
    void (*keep)(struct conn *conn);

    /* --- Whole databases, with no store open in this process. See store.h. --- */
    struct err (*backup)(const char *where, const char *to, struct why *why);
    struct err (*restore)(const char *from, const char *where, struct why *why);
    struct err (*check)(const char *where, struct store_check *ret_check, struct why *why);
    /* A reader beside whatever daemon there is, which claims nothing; `disconnect` ends it. NULL:
     * none (offline.h). */
    struct err (*look)(const char *where, struct conn **ret_conn, struct why *why);
    /* NULL: the server's files are its own affair. */
    struct err (*check_pages)(const char *where, struct store_pages *ret_pages, struct why *why);
    struct err (*rewrite_sums)(const char *where, struct store_pages *ret_pages, struct why *why);

    /* --- The way back from an upgrade. Both NULL: by the server's own tools. --- */
    /* Before the migrations of a database that has tables: keeps a copy where there are any, and
     * removes old ones. */
    struct err (*copies_keep)(struct conn *writer, const char *where, struct why *why);
    /* See store_upgrade_copy. */
    char *(*copy_find)(const char *where, int64_t version);
};

extern const struct driver driver_sqlite;
extern const struct driver driver_postgres;

const struct driver *driver_for(const char *where); /* Never NULL: a path is SQLite's. */

/* migrate.c. Brings the writer's database to the newest schema, or refuses it. *ret_from: version
 * before; written on success. */
MUST_CHECK struct err store__migrate(struct conn *writer, const char *where, int64_t *ret_from,
                                     struct why *why);
/* ERR_OTHER_SCHEMA, ERR_NEWER_SCHEMA: this binary cannot bring it to its own. `subject`: "The
 * database", or a path. `copy`: path of a copy made before the upgrade; NULL: none is known. */
MUST_CHECK struct err store__schema_refuse(const struct schema *schema, const char *subject,
                                           const char *copy, struct why *why);
int64_t store__schema_known(void);

#endif
