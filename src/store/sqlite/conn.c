/* conn.c: how a connection to SQLite is set up, and what its result codes mean to us.
 *
 * synchronous=FULL is set and read back on every connection: distributions and other programs
 * compile other defaults in, and NORMAL would acknowledge what a power cut takes away.
 *
 * The database is not mapped into memory: a read error on a mapping is a SIGBUS that ends the
 * daemon, while a failed read() is an error that one request answers with.
 *
 * The system's errno decides where SQLite says only "disk I/O error": a quota, a file size limit
 * and a file system that became read-only refuse a write as a whole, and are as well known not to
 * have happened as a full disk is.
 */
#include "store/sqlite/conn.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "store/datadir.h"
#include "store/sqlite/page_sums.h"

enum { SYNCHRONOUS_FULL = 2 };

/* --- Errors ----------------------------------------------------------------------------------- */

static bool no_space(int os) {
    return os == ENOSPC || os == EDQUOT || os == EFBIG;
}

static enum err_code code_of(int rc, int os) {
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return ERR_DISK_FULL;
    case SQLITE_READONLY:
        return ERR_READ_ONLY;
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
        if ((rc & 0xff) == SQLITE_CANTOPEN && (os == EACCES || os == EPERM)) {
            return ERR_NO_PERMISSION;
        }
        if (rc == SQLITE_IOERR_NOMEM) {
            return ERR_OUT_OF_MEMORY;
        }
        return no_space(os) ? ERR_DISK_FULL : os == EROFS ? ERR_READ_ONLY : ERR_STORE_IO;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_STORE_CORRUPT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_BUSY;
    case SQLITE_NOMEM:
        return ERR_OUT_OF_MEMORY;
    case SQLITE_TOOBIG:
        return ERR_TEXT_TOO_LONG;
    case SQLITE_CONSTRAINT:
        return ERR_CONFLICT;
    case SQLITE_INTERRUPT:
        return ERR_INTERRUPTED;
    default:
        return ERR_INTERNAL;
    }
}

static bool has_errno(int rc) {
    return (rc & 0xff) == SQLITE_IOERR || (rc & 0xff) == SQLITE_CANTOPEN;
}

struct err sqlite_error(struct sqlite_conn *conn, int rc, const char *step) {
    int os = has_errno(rc) ? sqlite3_system_errno(conn->db) : 0;
    conn->met_damage = conn->met_damage || (rc & 0xff) == SQLITE_CORRUPT;
    return (struct err){.code = code_of(rc, os), .os = os, .step = step};
}

struct err sqlite_open_error(sqlite3 *db, int rc, const char *path, struct why *why) {
    int os = db == NULL ? 0 : sqlite3_system_errno(db);
    enum err_code code = code_of(rc, os);
    switch (code) {
    case ERR_STORE_CORRUPT:
        why_set(why, "%s is damaged or not a database: %s. " SQLITE_CURE, path, sqlite3_errstr(rc));
        break;
    case ERR_READ_ONLY:
        why_set(why, "%s cannot be written: its file system or the file itself is read-only.",
                path);
        break;
    case ERR_DISK_FULL:
        why_set(why, "There is no space left for %s.", path);
        break;
    default:
        why_set(why, "%s cannot be opened: %s%s%s.", path, sqlite3_errstr(rc), os == 0 ? "" : ", ",
                os == 0 ? "" : strerrordesc_np(os));
        break;
    }
    return (struct err){.code = code, .os = os, .step = "store: open"};
}

/* In WAL mode a COMMIT writes pages to the log, the one that commits last, then syncs the log, then
 * extends the log's index in memory. So a refused write comes before the page that commits was
 * whole; a failed sync comes after it, and nobody knows what a power cut would leave; memory that
 * runs out may do so in the index, when all is durable already. */
enum commit_outcome sqlite_commit_error(int rc, int os, struct err *ret_err) {
    bool refused = rc == SQLITE_IOERR_WRITE && (no_space(os) || os == EROFS);
    int primary = rc & 0xff;
    bool not = refused || primary == SQLITE_FULL || primary == SQLITE_READONLY ||
               primary == SQLITE_BUSY || primary == SQLITE_CONSTRAINT;
    *ret_err = (struct err){.code = not ? code_of(rc, os) : ERR_STORE_LOST,
                            .os = has_errno(rc) ? os : 0,
                            .step = "store: commit"};
    return not ? COMMIT_NOT : COMMIT_UNKNOWN;
}

/* --- Statements that are not kept ------------------------------------------------------------- */

int sqlite_script(sqlite3 *db, const char *sql) {
    return sqlite3_exec(db, sql, NULL /* no rows wanted */, NULL, NULL /* errmsg is asked for */);
}

struct err sqlite_conn_int(struct sqlite_conn *conn, const char *sql, int64_t missing,
                           int64_t *ret_number) {
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(conn->db, sql, -1, &stmt, NULL /* one statement */);
    rc = rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
    struct err err = ERR_OK;
    if (rc == SQLITE_ROW || rc == SQLITE_DONE) {
        *ret_number = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : missing;
    } else {
        err = sqlite_error(conn, rc, "store: read");
    }
    (void)sqlite3_finalize(stmt); /* Repeats the error of the step. */
    return err;
}

/* --- Opening ---------------------------------------------------------------------------------- */

/* Of a log beside no database, or an empty one, SQLite thinks that it belongs to an older one, and
 * removes it, with all that no checkpoint has copied. */
static struct err log_must_have_database(const char *path, struct why *why) {
    struct stat found;
    AUTO(mem_release) char *log = datadir_beside(path, "-wal");
    bool empty = stat(path, &found) < 0 ? errno == ENOENT : found.st_size == 0;
    if (!empty || stat(log, &found) < 0 || found.st_size == 0) {
        return ERR_OK;
    }
    return err_why(why, ERR_STORE_INCOMPLETE,
                   "%s is missing or empty, but its log %s exists and would be removed. Put the "
                   "file back, or move both away and run 'drover restore FILE' with a backup.",
                   path, log);
}

/* The last connection that closes copies the log into the file and removes it: also the rest of a
 * damaged log, which somebody may want to look at, and what a daemon would find missing. A log
 * without content is made by the look itself, and goes with it. */
void sqlite_conn_leave_log(struct sqlite_conn *conn) {
    struct stat found;
    const char *log = sqlite3_filename_wal(sqlite3_db_filename(conn->db, "main"));
    if (log != NULL && stat(log, &found) == 0 && found.st_size > 0) {
        (void)sqlite3_db_config(conn->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1,
                                NULL); /* Cannot fail. */
    }
}

/* The answer is the mode that holds now, whatever was asked. It comes before the commit that makes
 * it true, which only the step after it performs: a sync that fails there leaves the old mode. */
static int set_wal(sqlite3 *db) {
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA journal_mode=WAL", -1, &stmt, NULL /* one statement */);
    rc = rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
    if (rc == SQLITE_ROW) {
        const char *mode = (const char *)sqlite3_column_text(stmt, 0);
        bool wal = mode != NULL && strcmp(mode, "wal") == 0;
        rc = sqlite3_step(stmt);
        rc = rc != SQLITE_DONE ? rc : wal ? SQLITE_OK : SQLITE_CANTOPEN;
    }
    (void)sqlite3_finalize(stmt); /* Repeats the error of the step. */
    return rc;
}

/* Called by SQLite after each commit with the length of the log. */
static int on_commit(void *ctx, sqlite3 *db, const char *name, int pages) {
    struct sqlite_conn *conn = ctx;
    (void)db;
    (void)name;
    conn->log_bytes = (int64_t)pages * conn->page_bytes;
    return SQLITE_OK;
}

static int set_up_live(struct sqlite_conn *conn) {
    /* Settings of every connection that writes, reads or checkpoints. The cache is small because
     * events are rarely read again, and the system caches the file in any case. */
    static const char pragmas[] = "PRAGMA synchronous=FULL;"
                                  "PRAGMA foreign_keys=ON;"
                                  "PRAGMA wal_autocheckpoint=0;"
                                  "PRAGMA temp_store=MEMORY;"
                                  "PRAGMA mmap_size=0;"
                                  "PRAGMA trusted_schema=OFF;";
    static const char *const of_role[] = {
        /* A log that one long reader let grow is cut when it begins anew. What is deleted is
         * overwritten, and each page that is freed is written (page_sums.h). */
        [CONN_WRITER] = ("PRAGMA cache_size=-1024; PRAGMA journal_size_limit=67108864;"
                         "PRAGMA secure_delete=ON;"),
        [CONN_READER] = "PRAGMA cache_size=-512; PRAGMA query_only=ON;",
        [CONN_CHECKPOINT] = "PRAGMA cache_size=-64;",
    };
    if (sqlite3_db_readonly(conn->db, "main") == 1) {
        return SQLITE_READONLY; /* SQLite falls back to reading; we would rather say so. */
    }
    page_sums_reserve(conn->db);
    int rc = SQLITE_OK;
    if (conn->conn.role == CONN_WRITER) {
        /* For a new database, whatever a distribution has compiled in. */
        rc = sqlite_script(conn->db, "PRAGMA page_size=4096");
        rc = rc == SQLITE_OK ? set_wal(conn->db) : rc;
    }
    rc = rc == SQLITE_OK ? sqlite_script(conn->db, pragmas) : rc;
    return rc == SQLITE_OK ? sqlite_script(conn->db, of_role[conn->conn.role]) : rc;
}

struct err sqlite_conn_open(const char *path, enum conn_role role, enum sqlite_access access,
                            struct page_watch *watch, struct sqlite_conn **ret_conn,
                            struct why *why) {
    AUTO(sqlite_conn_release) struct sqlite_conn *conn = mem_new(sizeof *conn);
    conn->conn.driver = &driver_sqlite;
    conn->conn.role = role;
    TRY(log_must_have_database(path, why));
    const char *vfs = page_sums_vfs();
    bool live = access == SQLITE_ACCESS_LIVE;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (live ? SQLITE_OPEN_CREATE : 0);
    int rc = vfs == NULL ? SQLITE_NOMEM : sqlite3_open_v2(path, &conn->db, flags, vfs);
    if (rc == SQLITE_OK) {
        page_sums_watch(conn->db, watch);
        /* None of these can fail on an open database. Double-quoted text is a name that was
         * misspelt, never a string. */
        (void)sqlite3_extended_result_codes(conn->db, 1);
        (void)sqlite3_busy_timeout(conn->db, SQLITE_BUSY_MS);
        (void)sqlite3_db_config(conn->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
        (void)sqlite3_db_config(conn->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
        (void)sqlite3_db_config(conn->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        /* Without it, a statement that compares a column of a partial index with a parameter is
         * parsed and planned again each time that a value is bound. */
        (void)sqlite3_db_config(conn->db, SQLITE_DBCONFIG_ENABLE_QPSG, 1, NULL);
        if (live) {
            rc = set_up_live(conn);
        } else {
            sqlite_conn_leave_log(conn);
        }
    }
    if (rc != SQLITE_OK) {
        return sqlite_open_error(conn->db, rc, path, why);
    }
    int64_t synchronous = SYNCHRONOUS_FULL;
    if (live) {
        TRY(sqlite_conn_int(conn, "PRAGMA synchronous", -1, &synchronous));
        TRY(sqlite_conn_int(conn, "PRAGMA page_size", 0, &conn->page_bytes));
    }
    if (synchronous != SYNCHRONOUS_FULL) {
        return err_why(why, ERR_CONFIG,
                       "This SQLite ignores synchronous=FULL, so writes would not be durable.");
    }
    if (role == CONN_WRITER) {
        if (live) {
            page_sums_buffer_log(conn->db);
        }
        (void)sqlite3_wal_hook(conn->db, on_commit, conn); /* Answers the hook before: none. */
    }
    *ret_conn = conn;
    conn = NULL; /* Handed over. */
    return ERR_OK;
}

void sqlite_conn_close(struct sqlite_conn *conn) {
    if (conn == NULL) {
        return;
    }
    statements_done(&conn->statements, sqlite_statement_free);
    int rc = sqlite3_close(conn->db);
    assert(rc == SQLITE_OK); /* Else somebody kept a statement. */
    mem_free(conn);
}

void sqlite_conn_release(struct sqlite_conn **conn) {
    sqlite_conn_close(*conn);
    *conn = NULL;
}
