/* sqlite.c: the driver for SQLite: one file `drover.db` in a data directory, in WAL mode.
 *
 * The last commit is known to the database and to its mark (commit_mark.h). A commit that was
 * acknowledged, and is not in the database at a later start, is missed there, and at each start
 * after that until somebody accepts the loss. A database that has all of them misses none. Where a
 * damaged page hides whether the last one is there, the damage is reported.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/memory.h"
#include "store/commit_mark.h"
#include "store/datadir.h"
#include "store/driver.h"
#include "store/sqlite/conn.h"
#include "store/sqlite/page_sums.h"
#include "store/sqlite/upgrade_copy.h"

struct sqlite_database {
    struct database database;
    struct datadir *dir; /* Owned: the claim. */
    char *path;          /* Owned: of the file. */
    int64_t opened_ms;   /* Wall clock. */
    struct page_watch watch;
    struct commit_mark *mark; /* Owned. */
    /* The log was emptied, or is about to be. Pages in the writer's cache may hold, in their gaps
     * (page.h), what was deleted meanwhile, and would bring it back into the log. */
    atomic_bool stale;
};

static struct sqlite_conn *of(const struct conn *conn) {
    return sqlite_conn_of(conn);
}

static struct sqlite_database *database_of(const struct database *database) {
    return CONTAINER_OF(database, struct sqlite_database, database);
}

/* A place that is not the address of a server is a folder. */
static bool serves(const char *where) {
    return strstr(where, "://") == NULL;
}

/* --- The database ----------------------------------------------------------------------------- */

static void close_database(struct database *database) {
    if (database == NULL) {
        return;
    }
    struct sqlite_database *self = database_of(database);
    commit_mark_close(self->mark);
    datadir_release(self->dir);
    page_watch_done(&self->watch);
    mem_free(self->path);
    mem_free(self);
}

/* SQLite would say no more than that it cannot open the file. */
static struct err check_length(const char *path, struct why *why) {
    const sqlite3_vfs *vfs = sqlite3_vfs_find(NULL /* the default */);
    if (vfs == NULL) { /* SQLite found no memory to begin with. */
        return err_why(why, ERR_OUT_OF_MEMORY, "There is not enough memory to open a database.");
    }
    size_t most = (size_t)vfs->mxPathname - sizeof "-journal";
    if (strlen(path) <= most) {
        return ERR_OK;
    }
    return err_why(why, ERR_USAGE,
                   "The path of the database has %zu bytes, and SQLite allows %zu: choose a data "
                   "directory with a shorter path.",
                   strlen(path), most);
}

/* A symbolic link may lead to a file that is not there yet, which SQLite would make readable for
 * all. The claim and the log (WAL) belong to a name: a second hard link, in another data directory,
 * would let a second daemon write the same file beside the first. */
static struct err check_found(const char *path, struct why *why) {
    struct stat found;
    if (lstat(path, &found) < 0 || !S_ISREG(found.st_mode)) {
        return err_why(why, ERR_CONFIG, "%s is not a plain file. Link the data directory instead.",
                       path);
    }
    if (found.st_nlink <= 1) {
        return ERR_OK;
    }
    return err_why(
        why, ERR_CONFIG,
        "%s has %ju hard links: opened by another of its names, it would have a second lock and a "
        "second log, which would destroy it. Remove the other names; 'drover backup' makes a copy.",
        path, (uintmax_t)found.st_nlink);
}

/* Made here, because SQLite would make it readable for all; the log takes over its mode. */
static struct err make_file(const char *path, struct why *why) {
    AUTO(fd_release) int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST) {
        return check_found(path, why);
    }
    struct err err =
        fd < 0 ? err_from_errno(errno, "store: make database") : datadir_sync_folder_of(path);
    return path_why(err, path, "made", why);
}

static struct err open_database(const struct store_options *options, struct database **ret_database,
                                struct why *why) {
    /* Without its own statistics SQLite allocates without a lock that all threads share. Refused,
     * and not needed, where SQLite is already in use. */
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    struct sqlite_database *self = mem_new(sizeof *self);
    self->database.driver = &driver_sqlite;
    page_watch_init(&self->watch);
    self->opened_ms = world_wall_ms(options->world);
    self->path = datadir_path(options->where, DATADIR_DATABASE);
    struct err err = check_length(self->path, why);
    err = err_failed(err) ? err : datadir_claim(options->where, &self->dir, why);
    if (!err_failed(err)) {
        datadir_parts_remove(options->where, DATADIR_DATABASE);
        err = make_file(self->path, why);
    }
    err = err_failed(err) ? err : commit_mark_open(options->where, &self->mark, why);
    if (err_failed(err)) {
        close_database(&self->database);
        return err;
    }
    *ret_database = &self->database;
    return ERR_OK;
}

static const char rollback_sql[] = "ROLLBACK";

static struct err connect_to(struct database *database, enum conn_role role, struct conn **ret_conn,
                             struct why *why) {
    struct sqlite_database *self = database_of(database);
    struct sqlite_conn *conn = NULL;
    struct err err =
        sqlite_conn_open(self->path, role, SQLITE_ACCESS_LIVE, &self->watch, &conn, why);
    if (!err_failed(err)) {
        conn->mark = self->mark;
        conn->stale = &self->stale;
        conn->opened_ms = self->opened_ms;
        /* Prepared before it is needed, since a transaction must end also where memory has ended.
         * SQLite objects only where no transaction is open. */
        err = sqlite_exec(&conn->conn, rollback_sql, NULL /* no arguments */, 0, NULL);
        err = err.code == ERR_INTERNAL ? ERR_OK : err;
    }
    if (err_failed(err)) {
        sqlite_conn_close(conn);
        return err;
    }
    *ret_conn = &conn->conn;
    return ERR_OK;
}

static struct err look(const char *where, struct conn **ret_conn, struct why *why) {
    AUTO(mem_release) char *path = datadir_path(where, DATADIR_DATABASE);
    struct sqlite_conn *conn = NULL;
    TRY(sqlite_conn_open(path, CONN_READER, SQLITE_ACCESS_LOOK, NULL /* not counted */, &conn,
                         why));
    *ret_conn = &conn->conn;
    return ERR_OK;
}

static void disconnect(struct conn *conn) {
    if (conn != NULL) {
        sqlite_conn_close(of(conn));
    }
}

static uint64_t keep_errors(const struct database *database) {
    return commit_mark_errors(database_of(database)->mark);
}

static uint32_t damaged(const struct database *database) {
    return page_watch_damaged(&database_of(database)->watch);
}

/* --- Start ------------------------------------------------------------------------------------ */

struct err sqlite_schema(struct conn *conn, struct schema *ret_schema) {
    struct schema schema = {.version = 0};
    int64_t columns = 0;
    struct err err = sqlite_conn_int(
        of(conn),
        "SELECT count(*) FROM pragma_table_info('schema') WHERE name IN ('series', 'version')", 0,
        &columns);
    if (!err_failed(err) && columns > 0) {
        err = sqlite_conn_int(of(conn), "SELECT version FROM schema", 0, &schema.version);
    }
    if (!err_failed(err) && columns > 1) {
        err = sqlite_conn_int(of(conn), "SELECT series FROM schema", 0, &schema.series);
    }
    if (err_failed(err)) {
        return err;
    }
    if (schema.version > 0 && schema.series != SCHEMA_SERIES) {
        sqlite_conn_leave_log(of(conn)); /* The file is refused, and another build's. */
    }
    *ret_schema = schema;
    return ERR_OK;
}

static struct err run(struct conn *conn, const char *script, struct why *why) {
    char *message = NULL;
    int rc = sqlite3_exec(of(conn)->db, script, NULL /* no rows wanted */, NULL, &message);
    if (rc == SQLITE_OK) {
        return ERR_OK;
    }
    why_set(why, "The database refused a change of its schema: %s.",
            message == NULL ? sqlite3_errstr(rc) : message);
    sqlite3_free(message);
    return sqlite_error(of(conn), rc, "store: script");
}

/* --- The last commit -------------------------------------------------------------------------- */

/* A single statement, since a daemon may commit meanwhile: a stream is removed in a commit that
 * writes its number. */
struct err sqlite_missing_since(struct sqlite_conn *conn, const struct commit_point *marked,
                                int64_t *ret_missing) {
    char sql[320];
    (void)snprintf(sql, sizeof sql,
                   "SELECT CASE WHEN batch >= %lld OR (batch >= %lld AND EXISTS (SELECT 1"
                   " FROM streams WHERE id = %lld AND head >= %lld)) THEN 0 ELSE %lld - batch END"
                   " FROM nodes",
                   (long long)marked->number, (long long)marked->written, (long long)marked->stream,
                   (long long)marked->head, (long long)marked->number);
    bool streams = marked->stream != 0;
    struct err err = sqlite_conn_int(conn, sql, streams ? 0 : marked->number, ret_missing);
    /* The damage is reported, and what it hides is no loss of a commit. */
    return streams && err.code == ERR_STORE_CORRUPT ? ERR_OK : err;
}

/* Before the transaction of the epoch: SQLite does not commit one that has met a damaged page. */
static struct err mark_begin(struct sqlite_conn *writer) {
    const struct commit_point marked = commit_mark_get(writer->mark);
    int64_t batch = 0, missing = 0;
    struct err err = sqlite_conn_int(writer, "SELECT batch FROM nodes", 0, &batch);
    err = err_failed(err) ? err : sqlite_missing_since(writer, &marked, &missing);
    if (!err_failed(err)) {
        writer->batch = batch > marked.number ? batch : marked.number;
        writer->batch_row = batch;
        atomic_store(&writer->missing, missing);
    }
    return err;
}

/* In the transaction of the epoch. After this start's own commits the mark tells of no loss any
 * more, so it is kept in nodes.home: "missing COUNT FIRST_MS". The word is no place, so each daemon
 * holds until somebody releases it (engine/base/home.h). */
static struct err missing_note(struct sqlite_conn *writer) {
    /* `before`: of earlier starts, whose losses nobody has accepted by a release. */
    int64_t found = atomic_load(&writer->missing), before = 0, at_ms = 0;
    TRY(sqlite_conn_int(writer, SQLITE_MISSING_AT, 0, &at_ms));
    TRY(sqlite_conn_int(writer, SQLITE_MISSING_COUNT, 0, &before));
    writer->missing_at_ms = before > 0 ? at_ms : writer->opened_ms;
    atomic_store(&writer->missing, before + found);
    if (found == 0) {
        return ERR_OK;
    }
    return sqlite_exec(&writer->conn,
                       "UPDATE nodes SET home = 'missing ' || CAST($1 AS TEXT) || ' ' ||"
                       " CAST($2 AS TEXT)",
                       ARGS(arg_int(before + found), arg_int(writer->missing_at_ms)),
                       NULL /* there is one row */);
}

static int64_t sqlite_missing(const struct conn *writer, int64_t *ret_at_ms) {
    *ret_at_ms = of(writer)->missing_at_ms;
    return atomic_load(&of(writer)->missing);
}

static void missing_accept(struct conn *writer) {
    atomic_store(&of(writer)->missing, 0);
}

/* Before COMMIT. The point has number 0 where the transaction changed nothing: it is no commit, and
 * nothing of it would be missing. */
static struct err mark_prepare(struct sqlite_conn *writer, struct commit_point *ret_point) {
    const struct raised *raised = &writer->conn.raised;
    struct commit_point point = {.number = writer->batch + 1, .written = writer->batch + 1};
    struct err err = ERR_OK;
    if (sqlite3_total_changes64(writer->db) == writer->changes_at_begin) {
        point = (struct commit_point){.number = 0};
    } else if (raised->stream != 0 && !raised->removed &&
               point.number - writer->batch_row < COMMIT_MARK_STRIDE) {
        point.written = writer->batch_row;
        point.stream = raised->stream;
        point.head = raised->head;
    } else { /* Where a row of `streams` is gone, an earlier commit may be found by it alone. */
        err = sqlite_exec(&writer->conn, "UPDATE nodes SET batch = $1", ARGS(arg_int(point.number)),
                          NULL /* there is one row */);
    }
    *ret_point = point;
    return err;
}

/* --- Transactions ----------------------------------------------------------------------------- */

static struct err plain(struct conn *conn, const char *sql) {
    return sqlite_exec(conn, sql, NULL /* no arguments */, 0, NULL);
}

static struct err sqlite_begin(struct conn *conn) {
    of(conn)->met_damage = false;
    conn->raised = (struct raised){.stream = 0};
    of(conn)->changes_at_begin = sqlite3_total_changes64(of(conn)->db);
    if (conn->role != CONN_WRITER) {
        return plain(conn, "BEGIN");
    }
    struct err err = plain(conn, "BEGIN IMMEDIATE");
    /* Nobody empties the log from here on: what was done before is seen. */
    if (!err_failed(err) && of(conn)->stale != NULL && atomic_exchange(of(conn)->stale, false)) {
        (void)sqlite3_db_release_memory(of(conn)->db); /* Pages that are not in use. */
    }
    return err;
}

static struct err savepoint(struct conn *conn) {
    return plain(conn, "SAVEPOINT f");
}

static struct err release(struct conn *conn) {
    return plain(conn, "RELEASE f");
}

static struct err rollback_to(struct conn *conn) {
    struct err err = plain(conn, "ROLLBACK TO f");
    return err_failed(err) ? err : release(conn);
}

static bool transaction_ended(struct conn *conn) {
    return sqlite3_get_autocommit(of(conn)->db) != 0;
}

/* SQLite commits no transaction that has met a damaged page, not even after ROLLBACK TO, and after
 * a COMMIT that failed for that reason nobody could tell what happened. */
static bool transaction_lost(struct conn *conn) {
    return transaction_ended(conn) || of(conn)->met_damage;
}

static int64_t changes(struct conn *conn) {
    return sqlite3_total_changes64(of(conn)->db);
}

static void rollback(struct conn *conn) {
    if (transaction_ended(conn)) {
        return;
    }
    /* A rollback may fail, when an error has ended the transaction in between; then there is none
     * left, which is all that is wanted. */
    (void)plain(conn, rollback_sql);
    assert(transaction_ended(conn));
}

/* Somebody removed or replaced the file under us: what was committed lies where nobody will look
 * for it, so nobody may be told that it is safe. Costs one stat beside a sync. */
static bool file_moved(struct conn *conn) {
    int moved = 0;
    int rc = sqlite3_file_control(of(conn)->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    return rc == SQLITE_OK && moved != 0; /* A file system that cannot tell is trusted. */
}

static enum commit_outcome sqlite_commit(struct conn *conn, struct err *ret_err) {
    struct sqlite_conn *self = of(conn);
    bool writer = conn->role == CONN_WRITER;
    struct commit_point point = {.number = 0};
    struct err err = writer ? mark_prepare(self, &point) : ERR_OK;
    if (err_failed(err)) {
        rollback(conn);
        *ret_err = err;
        return COMMIT_NOT;
    }
    errno = 0;
    err = plain(conn, "COMMIT");
    int os = errno;
    if (err_failed(err)) {
        enum commit_outcome outcome =
            sqlite_commit_error(sqlite3_extended_errcode(self->db), os, ret_err);
        if (outcome == COMMIT_NOT) {
            rollback(conn);
        }
        return outcome;
    }
    if (writer && file_moved(conn)) {
        *ret_err = err_make(ERR_STORE_LOST, "store: the database file was removed or replaced");
        return COMMIT_UNKNOWN;
    }
    if (point.number != 0) {
        self->batch = point.number;
        self->batch_row = point.written;
        commit_mark_set(self->mark, &point);
    }
    return COMMIT_DONE;
}

/* SQLite lets the index of its log grow inside COMMIT, after the sync: on a disk that is full just
 * then, nobody could tell whether the commit happened. So the index has its size from the start, as
 * much as a log of 64 MB needs: 32 kB for about 4,096 pages. Inside a transaction, because only
 * then the log is surely open, and takes the index along when it is closed. */
static struct err reserve_index(struct sqlite_conn *conn) {
    enum { REGIONS = 4, REGION_BYTES = 32768 };
    sqlite3_file *file = NULL;
    void volatile *region = NULL;
    int rc = sqlite3_file_control(conn->db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (rc == SQLITE_OK) {
        rc = file->pMethods->xShmMap(file, REGIONS, REGION_BYTES, 1 /* extend */, &region);
    }
    return rc == SQLITE_OK ? ERR_OK : sqlite_error(conn, rc, "store: index of the log");
}

static struct err raise_epoch(struct conn *conn, int64_t *ret_epoch) {
    int64_t epoch = 0;
    TRY(mark_begin(of(conn)));
    TRY(sqlite_begin(conn));
    struct err err = reserve_index(of(conn));
    err = err_failed(err) ? err : missing_note(of(conn));
    err = err_failed(err) ? err : plain(conn, "UPDATE nodes SET epoch = epoch + 1");
    err = err_failed(err) ? err : sqlite_conn_int(of(conn), "SELECT epoch FROM nodes", 0, &epoch);
    /* Without its row the commit would write nothing, and so sync nothing either. */
    if (!err_failed(err) && epoch == 0) {
        err = err_make(ERR_STORE_CORRUPT, "store: nodes");
    }
    if (err_failed(err)) {
        rollback(conn);
        return err;
    }
    if (sqlite_commit(conn, &err) != COMMIT_DONE) {
        return err; /* Unknown is as good as failed: nothing was served yet. */
    }
    *ret_epoch = epoch;
    return ERR_OK;
}

const char *store_library_version(void) {
    return sqlite3_libversion();
}

/* --- The log ---------------------------------------------------------------------------------- */

static int64_t log_bytes(struct conn *writer) {
    return of(writer)->log_bytes;
}

static void keep(struct conn *conn) {
    commit_mark_sync(of(conn)->mark);
}

static struct err checkpoint(struct conn *conn, enum checkpoint_kind kind) {
    /* Between two groups nobody waits for a reader: if one is in the way, another time. */
    static const struct {
        int mode, wait_ms;
    } ways[] = {[CHECKPOINT_PASSIVE] = {SQLITE_CHECKPOINT_PASSIVE, SQLITE_BUSY_MS},
                [CHECKPOINT_RESTART] = {SQLITE_CHECKPOINT_RESTART, 0},
                [CHECKPOINT_EMPTY] = {SQLITE_CHECKPOINT_TRUNCATE, 0},
                [CHECKPOINT_EMPTY_WAIT] = {SQLITE_CHECKPOINT_TRUNCATE, 250},
                [CHECKPOINT_WAIT] = {SQLITE_CHECKPOINT_RESTART, SQLITE_BUSY_MS}};
    struct sqlite_conn *self = of(conn);
    if (ways[kind].mode == SQLITE_CHECKPOINT_TRUNCATE && self->stale != NULL) {
        atomic_store(self->stale, true);
    }
    (void)sqlite3_busy_timeout(self->db, ways[kind].wait_ms);
    int rc = sqlite3_wal_checkpoint_v2(self->db, "main", ways[kind].mode,
                                       NULL /* sizes not wanted */, NULL);
    struct err err = rc == SQLITE_OK ? ERR_OK : sqlite_error(self, rc, "store: checkpoint");
    (void)sqlite3_busy_timeout(self->db, SQLITE_BUSY_MS);
    return err;
}

const struct driver driver_sqlite = {
    .cure = SQLITE_CURE,
    .words = {.id = "INTEGER PRIMARY KEY", .integer = "INTEGER", .strict = "STRICT"},
    .serves = serves,
    .open = open_database,
    .close = close_database,
    .connect = connect_to,
    .disconnect = disconnect,
    .damaged = damaged,
    .keep_errors = keep_errors,
    .schema = sqlite_schema,
    .run = run,
    .raise_epoch = raise_epoch,
    .missing = sqlite_missing,
    .missing_accept = missing_accept,
    .begin = sqlite_begin,
    .savepoint = savepoint,
    .release = release,
    .rollback_to = rollback_to,
    .commit = sqlite_commit,
    .rollback = rollback,
    .transaction_lost = transaction_lost,
    .changes = changes,
    .exec = sqlite_exec,
    .query = sqlite_query,
    .rows_next = sqlite_rows_next,
    .rows_null = sqlite_rows_null,
    .rows_int = sqlite_rows_int,
    .rows_text = sqlite_rows_text,
    .rows_close = sqlite_rows_close,
    .log_bytes = log_bytes,
    .keep = keep,
    .checkpoint = checkpoint,
    .backup = sqlite_backup,
    .restore = sqlite_restore,
    .check = sqlite_check,
    .look = look,
    .check_pages = sqlite_check_pages,
    .rewrite_sums = sqlite_rewrite_sums,
    .copies_keep = upgrade_copies_keep,
    .copy_find = upgrade_copy_find,
};
