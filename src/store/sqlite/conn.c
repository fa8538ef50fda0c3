/* conn.c: how a connection to SQLite is set up.
 *
 * synchronous=FULL is set and read back on every connection: distributions and other programs
 * compile other defaults in, and NORMAL would acknowledge what a power cut takes away.
 *
 * The database is not mapped into memory: a read error on a mapping is a SIGBUS that ends the
 * daemon, while a failed read() is an error that one request answers with.
 */
#include "store/sqlite/conn.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "store/sqlite/page_sums.h"

enum { SYNCHRONOUS_FULL = 2 };

/* Settings of every connection that writes, reads or checkpoints. The cache is small because events
 * are rarely read again, and the system caches the file in any case. */
static const char pragmas[] = "PRAGMA synchronous=FULL;"
                              "PRAGMA foreign_keys=ON;"
                              "PRAGMA wal_autocheckpoint=0;"
                              "PRAGMA temp_store=MEMORY;"
                              "PRAGMA mmap_size=0;"
                              "PRAGMA trusted_schema=OFF;";

/* For a new database, whatever a distribution has compiled in. */
static const char page_size[] = "PRAGMA page_size=4096";

static const char *role_pragmas(enum conn_role role) {
    switch (role) {
    case CONN_WRITER:
        /* A log that one long reader let grow is cut when it begins anew. What is deleted is
         * overwritten, and each page that is freed is written (page_sums.h). */
        return "PRAGMA cache_size=-1024; PRAGMA journal_size_limit=67108864;"
               "PRAGMA secure_delete=ON;";
    case CONN_READER:
        return "PRAGMA cache_size=-512; PRAGMA query_only=ON;";
    case CONN_CHECKPOINT:
        return "PRAGMA cache_size=-64;";
    }
    assert(false && "a connection of no role");
    return "";
}

static int exec_text(sqlite3 *db, const char *sql) {
    return sqlite3_exec(db, sql, NULL /* no rows wanted */, NULL, NULL /* errmsg is asked for */);
}

struct err sqlite_conn_int(struct sqlite_conn *conn, const char *sql, int64_t missing,
                           int64_t *ret_number) {
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(conn->db, sql, -1, &stmt, NULL /* one statement */);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(stmt);
    }
    int64_t number = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : missing;
    struct err err = ERR_OK;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        err = sqlite_error(conn, rc, "store: read");
    }
    (void)sqlite3_finalize(stmt); /* Repeats the error of the step. */
    if (!err_failed(err)) {
        *ret_number = number;
    }
    return err;
}

/* The answer is the mode that holds now, whatever was asked. It comes before the commit that makes
 * it true, which only the step behind it performs: a sync that fails there leaves the old mode. */
static int set_wal(sqlite3 *db) {
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA journal_mode=WAL", -1, &stmt, NULL /* one statement */);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(stmt);
    }
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
    if (sqlite3_db_readonly(conn->db, "main") == 1) {
        return SQLITE_READONLY; /* SQLite falls back to reading; we would rather say so. */
    }
    page_sums_reserve(conn->db);
    int rc = conn->conn.role == CONN_WRITER ? exec_text(conn->db, page_size) : SQLITE_OK;
    if (rc == SQLITE_OK && conn->conn.role == CONN_WRITER) {
        rc = set_wal(conn->db);
    }
    if (rc == SQLITE_OK) {
        rc = exec_text(conn->db, pragmas);
    }
    if (rc == SQLITE_OK) {
        rc = exec_text(conn->db, role_pragmas(conn->conn.role));
    }
    return rc;
}

static struct err check_live(struct sqlite_conn *conn, struct why *why) {
    int64_t synchronous = 0;
    struct err err = sqlite_conn_int(conn, "PRAGMA synchronous", -1, &synchronous);
    if (!err_failed(err)) {
        err = sqlite_conn_int(conn, "PRAGMA page_size", 0, &conn->page_bytes);
    }
    if (!err_failed(err) && synchronous != SYNCHRONOUS_FULL) {
        why_set(why, "This SQLite does not keep synchronous=FULL, so nothing would be safe.");
        err = err_make(ERR_CONFIG, "store: synchronous");
    }
    return err;
}

/* Double-quoted text is a name that was misspelt, never a string. */
static void set_up_database(sqlite3 *db) {
    (void)sqlite3_extended_result_codes(db, 1); /* None of these can fail on an open database. */
    (void)sqlite3_busy_timeout(db, SQLITE_BUSY_MS);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
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

static int open_flags(enum sqlite_access access) {
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    return access == SQLITE_ACCESS_LIVE ? flags | SQLITE_OPEN_CREATE : flags;
}

/* Of a log beside no database, or an empty one, SQLite thinks that it belongs to an older one, and
 * removes it, with all that no checkpoint has copied. */
static struct err log_must_have_database(const char *path, struct why *why) {
    struct stat found;
    size_t size = strlen(path) + sizeof "-wal";
    AUTO(mem_release) char *log = mem_new(size);
    (void)snprintf(log, size, "%s-wal", path); /* It fits: it was measured. */
    bool empty = stat(path, &found) < 0 ? errno == ENOENT : found.st_size == 0;
    if (!empty || stat(log, &found) < 0 || found.st_size == 0) {
        return ERR_OK;
    }
    return err_why(
        why, ERR_STORE_INCOMPLETE,
        "%s is missing or empty, but its log %s is there, and would be removed. Put the file"
        " back, or move both away and run 'drover restore FILE' with a backup.",
        path, log);
}

struct err sqlite_conn_open(const char *path, enum conn_role role, enum sqlite_access access,
                            struct page_watch *watch, struct sqlite_conn **ret_conn,
                            struct why *why) {
    AUTO(sqlite_conn_release) struct sqlite_conn *conn = mem_new(sizeof *conn);
    conn->conn.driver = &driver_sqlite;
    conn->conn.role = role;
    statements_init(&conn->statements);
    struct err err = log_must_have_database(path, why);
    if (err_failed(err)) {
        return err;
    }
    const char *vfs = page_sums_vfs();
    int rc = vfs == NULL ? SQLITE_NOMEM : sqlite3_open_v2(path, &conn->db, open_flags(access), vfs);
    if (rc == SQLITE_OK) {
        page_sums_watch(conn->db, watch);
        set_up_database(conn->db);
        if (access == SQLITE_ACCESS_LIVE) {
            rc = set_up_live(conn);
        } else {
            sqlite_conn_leave_log(conn);
        }
    }
    if (rc != SQLITE_OK) {
        return sqlite_open_error(conn->db, rc, path, why);
    }
    err = access == SQLITE_ACCESS_LIVE ? check_live(conn, why) : ERR_OK;
    if (err_failed(err)) {
        return err;
    }
    if (role == CONN_WRITER) {
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
    sqlite_statements_close(conn);
    int rc = sqlite3_close(conn->db);
    assert(rc == SQLITE_OK); /* Else somebody kept a statement. */
    mem_free(conn);
}

void sqlite_conn_release(struct sqlite_conn **conn) {
    sqlite_conn_close(*conn);
    *conn = NULL;
}
