/* error.c: what SQLite's result codes mean to us.
 *
 * The system's errno decides where SQLite says only "disk I/O error": a quota, a file size limit
 * and a file system that became read-only refuse a write as a whole, and are as well known not to
 * have happened as a full disk is.
 */
#include <errno.h>
#include <string.h>

#include "store/sqlite/conn.h"

static bool no_space(int os) {
    return os == ENOSPC || os == EDQUOT || os == EFBIG;
}

static enum err_code io_code(int rc, int os) {
    if (rc == SQLITE_IOERR_NOMEM) {
        return ERR_OUT_OF_MEMORY;
    }
    if (no_space(os)) {
        return ERR_DISK_FULL;
    }
    return os == EROFS ? ERR_READ_ONLY : ERR_STORE_IO;
}

static enum err_code code_of(int rc, int os) {
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return ERR_DISK_FULL;
    case SQLITE_READONLY:
        return ERR_READ_ONLY;
    case SQLITE_IOERR:
        return io_code(rc, os);
    case SQLITE_CANTOPEN:
        return os == EACCES || os == EPERM ? ERR_NO_PERMISSION : io_code(rc, os);
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
static enum commit_outcome outcome_of(int rc, int os) {
    switch (rc & 0xff) {
    case SQLITE_FULL:
    case SQLITE_READONLY:
    case SQLITE_BUSY:
    case SQLITE_CONSTRAINT:
        return COMMIT_NOT;
    case SQLITE_IOERR:
        return rc == SQLITE_IOERR_WRITE && (no_space(os) || os == EROFS) ? COMMIT_NOT
                                                                         : COMMIT_UNKNOWN;
    default:
        return COMMIT_UNKNOWN;
    }
}

enum commit_outcome sqlite_commit_error(int rc, int os, struct err *ret_err) {
    enum commit_outcome outcome = outcome_of(rc, os);
    *ret_err = (struct err){.code = outcome == COMMIT_UNKNOWN ? ERR_STORE_LOST : code_of(rc, os),
                            .os = has_errno(rc) ? os : 0,
                            .step = "store: commit"};
    return outcome;
}
