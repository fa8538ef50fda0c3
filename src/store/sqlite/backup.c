/* backup.c: whole SQLite databases: copied while in use, put back, looked at, given checksums.
 *
 * A copy is made by SQLite's backup interface in one step, from one snapshot, into a temporary file
 * beside the target; it gets its name when it is whole and synced, and never takes the place of a
 * file that exists. So a crash leaves a `.part` file at worst, and never half a backup by the name
 * that was asked for; in a data directory, the next start or restore removes that file. The copy is
 * no longer in WAL mode: it is one file, and can be read where nothing can be written.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "store/datadir.h"
#include "store/sqlite/conn.h"
#include "store/sqlite/page_scan.h"
#include "store/sqlite/page_sums.h"

/* A file that goes away with its scope, unless it was given its name. */
struct part {
    char *path; /* Owned; NULL: nothing to remove. */
};

/* With what SQLite leaves beside a file that it could not finish. */
static void part_release(struct part *part) {
    static const char *const endings[] = {"", "-journal", "-wal", "-shm"};
    for (size_t i = 0; part->path != NULL && i < COUNT_OF(endings); i++) {
        AUTO(mem_release) char *file = datadir_beside(part->path, endings[i]);
        (void)unlink(file); /* The file may never have been made. */
    }
    mem_free(part->path);
}

static struct err part_make(const char *target, struct part *ret_part, struct why *why) {
    AUTO(mem_release) char *path = datadir_beside(target, DATADIR_PART "XXXXXX");
    AUTO(fd_release) int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) {
        return path_why(err_from_errno(errno, "backup: temporary file"), path, "made", why);
    }
    ret_part->path = path;
    path = NULL; /* Handed over. */
    return ERR_OK;
}

static struct err already_there(const char *path, struct why *why) {
    return err_why(why, ERR_CONFLICT, "%s already exists and is not overwritten.", path);
}

static struct err publish(struct part *part, const char *to, struct why *why) {
    AUTO(fd_release) int fd = open(part->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0) {
        return path_why(err_from_errno(errno, "backup: sync"), part->path, "written", why);
    }
    int rc = renameat2(AT_FDCWD, part->path, AT_FDCWD, to, RENAME_NOREPLACE);
    if (rc < 0 && (errno == EINVAL || errno == ENOSYS)) {
        /* Where a file system has no rename that refuses to replace, a hard link does the same. */
        rc = link(part->path, to) < 0 ? -1 : unlink(part->path);
    }
    if (rc < 0) {
        return errno == EEXIST ? already_there(to, why)
                               : path_why(err_from_errno(errno, "backup: rename"), to, "made", why);
    }
    mem_free(part->path);
    part->path = NULL;
    struct err err = datadir_sync_folder_of(to);
    if (err_failed(err)) {
        why_set(why, "%s is complete, but its name may be lost in a power cut: %s.", to,
                strerrordesc_np(err.os));
    }
    return err;
}

/* --- Copying ---------------------------------------------------------------------------------- */

/* Neither a daemon's nor counted. */
static struct err open_look(const char *path, struct sqlite_conn **ret_conn, struct why *why) {
    return sqlite_conn_open(path, CONN_READER, SQLITE_ACCESS_LOOK, NULL /* no watch */, ret_conn,
                            why);
}

/* The file is synced as a whole afterwards, so nothing has to be safe in between. */
static struct err database_copy(const char *from, const char *to, struct why *why) {
    AUTO(sqlite_conn_release) struct sqlite_conn *source = NULL;
    AUTO(sqlite_conn_release) struct sqlite_conn *target = NULL;
    TRY(open_look(from, &source, why));
    TRY(open_look(to, &target, why));
    int rc = sqlite_script(target->db, "PRAGMA synchronous=OFF");
    if (rc == SQLITE_OK) {
        page_sums_like(target->db, source->db);
        sqlite3_backup *backup = sqlite3_backup_init(target->db, "main", source->db, "main");
        rc = backup == NULL ? sqlite3_extended_errcode(target->db)
                            : sqlite3_backup_step(backup, -1 /* all pages */);
        int finished = backup == NULL ? rc : sqlite3_backup_finish(backup);
        rc = rc == SQLITE_DONE ? finished : rc;
    }
    rc = rc == SQLITE_OK ? sqlite_script(target->db, "PRAGMA journal_mode=DELETE") : rc;
    if (rc == SQLITE_OK) {
        return ERR_OK;
    }
    why_set(why, "%s cannot be copied: %s.", from, sqlite3_errstr(rc));
    return sqlite_error(target, rc, "backup: copy");
}

static bool is_there(const char *path) {
    struct stat found;
    return stat(path, &found) == 0;
}

static struct err must_be_there(const char *path, struct why *why) {
    if (is_there(path)) {
        return ERR_OK;
    }
    return err_why(why, ERR_NOT_FOUND, "There is no database at %s.", path);
}

struct err sqlite_backup(const char *where, const char *to, struct why *why) {
    AUTO(mem_release) char *from = datadir_path(where, DATADIR_DATABASE);
    TRY(must_be_there(from, why));
    if (is_there(to)) {
        return already_there(to, why);
    }
    AUTO(part_release) struct part part = {.path = NULL};
    TRY(part_make(to, &part, why));
    TRY(database_copy(from, part.path, why));
    return publish(&part, to, why);
}

/* --- Looking ---------------------------------------------------------------------------------- */

/* Cut where it is full. */
static void finding_add(char *findings, size_t size, const char *said) {
    size_t len = strlen(findings);
    (void)snprintf(findings + len, size - len, "%s%s", len == 0 ? "" : "; ", said);
}

static bool is_damage(int rc) {
    return (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB;
}

/* SQLite's own check. SQLITE_DONE: *ret_ok says whether nothing was found; else what was. */
static int integrity_check(sqlite3 *db, const char *pragma, char *findings, size_t size,
                           bool *ret_ok) {
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, pragma, -1, &stmt, NULL /* one statement */);
    rc = rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
    *ret_ok = false;
    findings[0] = '\0';
    for (; rc == SQLITE_ROW; rc = sqlite3_step(stmt)) {
        const char *said = (const char *)sqlite3_column_text(stmt, 0);
        *ret_ok = said != NULL && strcmp(said, "ok") == 0;
        finding_add(findings, size, said == NULL ? "" : said);
    }
    (void)sqlite3_finalize(stmt); /* Repeats the error of the step. */
    return rc;
}

static struct err check_numbers(struct sqlite_conn *conn, const struct commit_point *marked,
                                struct store_check *check) {
    check->schema_known = store__schema_known();
    struct schema schema = {.version = 0};
    struct err err = sqlite_schema(&conn->conn, &schema);
    check->series = schema.series;
    check->schema = schema.version;
    check->schema_other = schema.version > 0 && schema.series != SCHEMA_SERIES;
    if (err_failed(err) || schema.version == 0 || check->schema_other) {
        return err; /* The rows are not ours to read. */
    }
    int64_t missing = 0;
    err = sqlite_conn_int(conn, "SELECT epoch FROM nodes", 0, &check->epoch);
    err = err_failed(err) ? err : sqlite_conn_int(conn, SQLITE_MISSING_COUNT, 0, &check->missing);
    err =
        err_failed(err) ? err : sqlite_conn_int(conn, SQLITE_MISSING_AT, 0, &check->missing_at_ms);
    err = err_failed(err) ? err : sqlite_missing_since(conn, marked, &missing);
    check->missing += missing;
    return err;
}

/* marked: what the database has to hold; number 0: nobody knows. */
static struct err check_file(const char *path, const struct commit_point *marked,
                             struct store_check *ret_check, struct why *why) {
    AUTO(sqlite_conn_release) struct sqlite_conn *conn = NULL;
    struct store_check check = {.integrity_ok = false};
    struct err err = open_look(path, &conn, why);
    if (err_failed(err)) {
        return err;
    }
    check.sums = page_sums_on(conn->db);
    int rc = integrity_check(conn->db, "PRAGMA integrity_check(20)", check.detail,
                             sizeof check.detail, &check.integrity_ok);
    if (is_damage(rc)) {
        check.integrity_ok = false;
        finding_add(check.detail, sizeof check.detail, sqlite3_errstr(rc));
    } else if (rc != SQLITE_DONE) {
        err = sqlite_error(conn, rc, "store: integrity");
    }
    if (!err_failed(err) && check.integrity_ok) {
        err = check_numbers(conn, marked, &check);
    }
    if (err_failed(err)) {
        why_set(why, "%s cannot be read: %s.", path, err_title(err.code));
        return err;
    }
    *ret_check = check;
    return ERR_OK;
}

struct err sqlite_check(const char *where, struct store_check *ret_check, struct why *why) {
    AUTO(mem_release) char *path = datadir_path(where, DATADIR_DATABASE);
    /* Before the row, which a daemon may raise. */
    const struct commit_point marked = commit_mark_look(where);
    struct err err = must_be_there(path, why);
    return err_failed(err) ? err : check_file(path, &marked, ret_check, why);
}

struct err sqlite_check_pages(const char *where, struct store_pages *ret_pages, struct why *why) {
    AUTO(mem_release) char *path = datadir_path(where, DATADIR_DATABASE);
    struct err err = must_be_there(path, why);
    return err_failed(err)
               ? err
               : path_why(page_scan(path, PAGE_SCAN_LOOK, ret_pages), path, "read", why);
}

/* --- Putting back ----------------------------------------------------------------------------- */

static struct err must_be_ours(const char *path, const char *from, struct why *why) {
    static const struct commit_point another_history = {.number = 0};
    struct store_check check;
    struct err err =
        check_file(path, &another_history, &check, NULL /* `from` is what the user knows */);
    if (err_failed(err) || !check.integrity_ok) {
        why_set(why, "%s is damaged or not a database.", from);
        return err_failed(err) ? err : err_make(ERR_STORE_CORRUPT, "restore: check");
    }
    if (check.schema == 0) {
        return err_why(why, ERR_STORE_CORRUPT, "%s is a database, but not a drover database.",
                       from);
    }
    const struct schema schema = {.version = check.schema,
                                  .series = check.schema_other ? 0 : SCHEMA_SERIES};
    return store__schema_refuse(&schema, from, NULL /* no copy of a copy */, why);
}

/* A log without its database would be applied to the one that we put there. */
static struct err must_be_absent(const char *path, struct why *why) {
    const char *const endings[] = {"", "-wal", "-journal"};
    for (size_t i = 0; i < COUNT_OF(endings); i++) {
        AUTO(mem_release) char *file = datadir_beside(path, endings[i]);
        if (is_there(file)) {
            return already_there(file, why);
        }
    }
    return ERR_OK;
}

/* A restored database is not at home, even in its old folder: commands that it calls running may
 * have ended since, and notices been delivered. (engine/base/home.h; the word is no place.) */
static struct err mark_restored(const char *path, struct why *why) {
    AUTO(sqlite_conn_release) struct sqlite_conn *conn = NULL;
    TRY(open_look(path, &conn, why));
    int rc = sqlite_script(conn->db, "UPDATE nodes SET home = 'restored'");
    if (rc == SQLITE_OK) {
        return ERR_OK;
    }
    why_set(why, "%s cannot be written: %s.", path, sqlite3_errstr(rc));
    return sqlite_error(conn, rc, "restore: mark");
}

struct err sqlite_restore(const char *from, const char *where, struct why *why) {
    AUTO(mem_release) char *to = datadir_path(where, DATADIR_DATABASE);
    AUTO(datadir_drop) struct datadir *dir = NULL;
    AUTO(part_release) struct part part = {.path = NULL};
    TRY(must_be_there(from, why));
    TRY(datadir_claim(where, &dir, why));
    datadir_parts_remove(where, DATADIR_DATABASE);
    TRY(must_be_absent(to, why));
    TRY(part_make(to, &part, why));
    TRY(database_copy(from, part.path, why));
    TRY(must_be_ours(part.path, from, why));
    TRY(mark_restored(part.path, why));
    /* The mark is of the database that was here. */
    TRY(commit_mark_remove(where));
    return publish(&part, to, why);
}

/* --- New checksums ---------------------------------------------------------------------------- */

/* A program with SQLite's own VFS that checkpoints the log, or VACUUMs the file, leaves pages whose
 * checksums are old or zero, and drover refuses all of them. Nobody but the person at hand knows
 * that this is the reason. So the checksums are rewritten only after SQLite's own check of all
 * tables and indexes, through a connection that doesn't compare them. That check doesn't see a
 * changed byte within a text, which gets a right checksum, too.
 *
 * The connection also empties the log into the file: a page in the log gets its checksum when it is
 * copied, no matter which program wrote it, but this connection copies without. It is closed before
 * the file is opened by itself (page_scan.h). */
static struct err check_and_empty_log(const char *path, struct why *why) {
    enum { FINDINGS_SIZE = 200 }; /* Of struct why, beside the sentence around it. */
    sqlite3 *db = NULL;
    bool ok = false;
    char findings[FINDINGS_SIZE] = "";
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL /* not ours: no checksums */);
    if (rc == SQLITE_OK) {
        /* Else the close would copy the log after a check that found faults, too: pages that
         * drover could read until then would lose their checksums. */
        (void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL); /* Cannot fail. */
        rc = sqlite_script(db, "PRAGMA busy_timeout=5000");
    }
    if (rc == SQLITE_OK) {
        rc = integrity_check(db, "PRAGMA integrity_check(5)", findings, sizeof findings, &ok);
    }
    if (rc == SQLITE_DONE && ok) {
        rc = sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    }
    struct err err = ERR_OK;
    if (is_damage(rc) || (rc == SQLITE_DONE && !ok)) {
        err = err_why(why, ERR_STORE_CORRUPT,
                      "%s is damaged, so nothing was written: %s. Restore a backup.", path,
                      findings[0] != '\0' ? findings : sqlite3_errstr(rc));
    } else if (rc != SQLITE_OK) {
        err = sqlite_open_error(db, rc, path, why);
    }
    (void)sqlite3_close(db); /* No statement is left. */
    return err;
}

struct err sqlite_rewrite_sums(const char *where, struct store_pages *ret_pages, struct why *why) {
    AUTO(mem_release) char *path = datadir_path(where, DATADIR_DATABASE);
    AUTO(datadir_drop) struct datadir *dir = NULL;
    struct store_pages pages = {.sums = false};
    TRY(must_be_there(path, why));
    TRY(datadir_claim(where, &dir, why));
    TRY(check_and_empty_log(path, why));
    TRY(path_why(page_scan(path, PAGE_SCAN_REWRITE, &pages), path, "written", why));
    if (!pages.sums) {
        return err_why(why, ERR_CONFLICT, "%s has no checksums, so there are none to rewrite.",
                       path);
    }
    *ret_pages = pages;
    return ERR_OK;
}
