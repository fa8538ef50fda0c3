/* backup.c: whole SQLite databases: copied while in use, put back, looked at.
 *
 * A copy is made by SQLite's backup interface in one step, from one snapshot, into a temporary file
 * beside the target; it gets its name when it is whole and synced, and never takes the place of a
 * file that exists. So a crash leaves a `.part` file at worst, and never half a backup by the name
 * that was asked for; in a data directory, the next start or restore removes that file. The copy is
 * no longer in WAL mode: it is one file, and can be read where nothing can be written.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "store/commit_mark.h"
#include "store/datadir.h"
#include "store/sqlite/conn.h"
#include "store/sqlite/mark.h"
#include "store/sqlite/page_scan.h"
#include "store/sqlite/page_sums.h"

#define PART_ENDING ".part-"

/* A file that goes away with its scope, unless it was given its name. */
struct part {
    char *path; /* Owned; NULL: nothing to remove. */
};

/* *ret_file is owned. */
static void beside(const char *path, const char *ending, char **ret_file) {
    size_t size = strlen(path) + strlen(ending) + 1;
    *ret_file = mem_new(size);
    (void)snprintf(*ret_file, size, "%s%s", path, ending); /* Fits: `size` was measured. */
}

/* With what SQLite leaves beside a file that it could not finish. */
static void part_release(struct part *part) {
    static const char *const endings[] = {"", "-journal", "-wal", "-shm"};
    for (size_t i = 0; part->path != NULL && i < COUNT_OF(endings); i++) {
        AUTO(mem_release) char *file = NULL;
        beside(part->path, endings[i], &file);
        (void)unlink(file); /* The file may never have been made. */
    }
    mem_free(part->path);
}

static struct err part_make(const char *target, struct part *ret_part, struct why *why) {
    size_t size = strlen(target) + sizeof PART_ENDING "XXXXXX";
    AUTO(mem_release) char *path = mem_new(size);
    (void)snprintf(path, size, "%s" PART_ENDING "XXXXXX", target); /* It fits: it was measured. */
    AUTO(fd_release) int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) {
        struct err err = err_from_errno(errno, "backup: temporary file");
        why_set(why, "%s cannot be made: %s.", path, strerrordesc_np(err.os));
        return err;
    }
    ret_part->path = path;
    path = NULL; /* Handed over. */
    return ERR_OK;
}

static struct err sync_file(const char *path) {
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0) {
        return err_from_errno(errno, "backup: sync");
    }
    return ERR_OK;
}

static struct err already_there(const char *path, struct why *why) {
    return err_why(why, ERR_CONFLICT, "%s exists already, and is never overwritten.", path);
}

/* Where a file system has no rename that refuses to replace, a hard link does the same. */
static int rename_to_absent(const char *from, const char *to) {
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) {
        return 0;
    }
    if (errno != EINVAL && errno != ENOSYS) {
        return -1;
    }
    return link(from, to) < 0 ? -1 : unlink(from);
}

static struct err publish(struct part *part, const char *to, struct why *why) {
    struct err err = sync_file(part->path);
    if (err_failed(err)) {
        why_set(why, "%s cannot be written: %s.", part->path, strerrordesc_np(err.os));
        return err;
    }
    if (rename_to_absent(part->path, to) < 0) {
        if (errno == EEXIST) {
            return already_there(to, why);
        }
        err = err_from_errno(errno, "backup: rename");
        why_set(why, "%s cannot be made: %s.", to, strerrordesc_np(err.os));
        return err;
    }
    mem_free(part->path);
    part->path = NULL;
    err = datadir_sync_folder_of(to);
    if (err_failed(err)) {
        why_set(why, "%s is whole, but its name may not survive a power cut: %s.", to,
                strerrordesc_np(err.os));
    }
    return err;
}

/* --- Copying ---------------------------------------------------------------------------------- */

static struct err copy_failed(struct sqlite_conn *conn, int rc, const char *path, struct why *why) {
    struct err err = sqlite_error(conn, rc, "backup: copy");
    why_set(why, "%s cannot be copied: %s.", path, sqlite3_errstr(rc));
    return err;
}

static int copy_pages(sqlite3 *from, sqlite3 *to) {
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    if (backup == NULL) {
        return sqlite3_extended_errcode(to);
    }
    int rc = sqlite3_backup_step(backup, -1);
    int finished = sqlite3_backup_finish(backup);
    if (rc != SQLITE_DONE) {
        return rc;
    }
    return finished;
}

/* The file is synced as a whole afterwards, so nothing has to be safe in between. */
static struct err copy(const char *from, const char *to, struct why *why) {
    AUTO(sqlite_conn_release) struct sqlite_conn *source = NULL;
    AUTO(sqlite_conn_release) struct sqlite_conn *target = NULL;
    struct err err = sqlite_conn_open(from, CONN_READER, SQLITE_ACCESS_LOOK, NULL /* not counted */,
                                      &source, why);
    if (!err_failed(err)) {
        err = sqlite_conn_open(to, CONN_READER, SQLITE_ACCESS_LOOK, NULL /* not counted */, &target,
                               why);
    }
    if (err_failed(err)) {
        return err;
    }
    int rc = sqlite3_exec(target->db, "PRAGMA synchronous=OFF", NULL /* no rows */, NULL, NULL);
    if (rc == SQLITE_OK) {
        page_sums_like(target->db, source->db);
        rc = copy_pages(source->db, target->db);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(target->db, "PRAGMA journal_mode=DELETE", NULL /* no rows */, NULL, NULL);
    }
    return rc == SQLITE_OK ? ERR_OK : copy_failed(target, rc, from, why);
}

static bool is_there(const char *path) {
    struct stat found;
    return stat(path, &found) == 0;
}

struct err sqlite_must_be_there(const char *path, struct why *why) {
    if (is_there(path)) {
        return ERR_OK;
    }
    return err_why(why, ERR_NOT_FOUND, "There is no database at %s.", path);
}

struct err sqlite_backup(const char *where, const char *to, struct why *why) {
    AUTO(mem_release) char *from = datadir_path(where, DATADIR_DATABASE);
    struct err err = sqlite_must_be_there(from, why);
    if (err_failed(err)) {
        return err;
    }
    if (is_there(to)) {
        return already_there(to, why);
    }
    AUTO(part_release) struct part part = {.path = NULL};
    err = part_make(to, &part, why);
    if (!err_failed(err)) {
        err = copy(from, part.path, why);
    }
    return err_failed(err) ? err : publish(&part, to, why);
}

/* --- Looking ---------------------------------------------------------------------------------- */

/* Cut where the detail is full. */
static void detail_add(struct store_check *check, const char *said) {
    size_t len = strlen(check->detail);
    (void)snprintf(check->detail + len, sizeof check->detail - len, "%s%s", len == 0 ? "" : "; ",
                   said);
}

static struct err check_integrity(struct sqlite_conn *conn, struct store_check *check) {
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(conn->db, "PRAGMA integrity_check(20)", -1, &stmt, NULL /* one */);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(stmt);
    }
    struct err err = ERR_OK;
    for (; rc == SQLITE_ROW; rc = sqlite3_step(stmt)) {
        const char *said = (const char *)sqlite3_column_text(stmt, 0);
        check->integrity_ok = said != NULL && strcmp(said, "ok") == 0;
        detail_add(check, said == NULL ? "" : said);
    }
    if ((rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB) {
        check->integrity_ok = false;
        detail_add(check, sqlite3_errstr(rc));
    } else if (rc != SQLITE_DONE) {
        err = sqlite_error(conn, rc, "store: integrity");
    }
    (void)sqlite3_finalize(stmt); /* Repeats the error of the step. */
    return err;
}

static struct err check_numbers(struct sqlite_conn *conn, const struct commit_point *marked,
                                struct store_check *check) {
    check->schema_known = store__schema_known();
    struct schema schema = {.version = 0};
    struct err err = sqlite_schema(&conn->conn, &schema);
    check->schema = schema.version;
    check->schema_other = schema.version > 0 && schema.series != SCHEMA_SERIES;
    if (err_failed(err) || schema.version == 0 || check->schema_other) {
        return err; /* The rows are not ours to read. */
    }
    err = sqlite_conn_int(conn, "SELECT epoch FROM nodes", 0, &check->epoch);
    if (!err_failed(err)) {
        err = sqlite_conn_int(conn, SQLITE_MISSING_COUNT, 0, &check->missing);
    }
    if (!err_failed(err)) {
        err = sqlite_conn_int(conn, SQLITE_MISSING_AT, 0, &check->missing_at_ms);
    }
    int64_t missing = 0;
    if (!err_failed(err)) {
        err = sqlite_mark_compare(conn, marked, &missing);
    }
    check->missing += missing;
    return err;
}

/* marked: what the database has to hold; number 0: nobody knows. */
static struct err check_file(const char *path, const struct commit_point *marked,
                             struct store_check *ret_check, struct why *why) {
    AUTO(sqlite_conn_release) struct sqlite_conn *conn = NULL;
    struct store_check check = {.integrity_ok = false};
    struct err err =
        sqlite_conn_open(path, CONN_READER, SQLITE_ACCESS_LOOK, NULL /* not counted */, &conn, why);
    if (err_failed(err)) {
        return err;
    }
    check.sums = page_sums_on(conn->db);
    err = check_integrity(conn, &check);
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
    struct err err = sqlite_must_be_there(path, why);
    return err_failed(err) ? err : check_file(path, &marked, ret_check, why);
}

struct err sqlite_check_pages(const char *where, struct store_pages *ret_pages, struct why *why) {
    AUTO(mem_release) char *path = datadir_path(where, DATADIR_DATABASE);
    struct err err = sqlite_must_be_there(path, why);
    if (!err_failed(err)) {
        err = page_scan(path, ret_pages);
        why_set(err_failed(err) ? why : NULL, "%s cannot be read: %s.", path,
                strerrordesc_np(err.os));
    }
    return err;
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
        return err_why(why, ERR_STORE_CORRUPT, "%s is a database, but not one of drover's.", from);
    }
    const struct schema schema = {.version = check.schema,
                                  .series = check.schema_other ? 0 : SCHEMA_SERIES};
    return store__schema_refuse(&schema, from, why);
}

/* A log without its database would be applied to the one that we put there. */
static struct err must_be_absent(const char *path, struct why *why) {
    const char *const endings[] = {"", "-wal", "-journal"};
    for (size_t i = 0; i < COUNT_OF(endings); i++) {
        AUTO(mem_release) char *file = NULL;
        beside(path, endings[i], &file);
        if (is_there(file)) {
            return already_there(file, why);
        }
    }
    return ERR_OK;
}

/* A restored database is not at home, even in its old folder: commands that it calls running may
 * have ended since, and notices been delivered. (engine/base/home.h; the word is no place.) */
static struct err mark(const char *path, struct why *why) {
    AUTO(sqlite_conn_release) struct sqlite_conn *conn = NULL;
    struct err err =
        sqlite_conn_open(path, CONN_READER, SQLITE_ACCESS_LOOK, NULL /* not counted */, &conn, why);
    if (err_failed(err)) {
        return err;
    }
    int rc = sqlite3_exec(conn->db, "UPDATE nodes SET home = 'restored'", NULL /* no rows */, NULL,
                          NULL /* errstr says it */);
    if (rc == SQLITE_OK) {
        return ERR_OK;
    }
    err = sqlite_error(conn, rc, "restore: mark");
    why_set(why, "%s cannot be written: %s.", path, sqlite3_errstr(rc));
    return err;
}

static struct err restore_into(const char *from, const char *where, const char *to,
                               struct why *why) {
    struct err err = must_be_absent(to, why);
    if (err_failed(err)) {
        return err;
    }
    AUTO(part_release) struct part part = {.path = NULL};
    err = part_make(to, &part, why);
    if (!err_failed(err)) {
        err = copy(from, part.path, why);
    }
    if (!err_failed(err)) {
        err = must_be_ours(part.path, from, why);
    }
    if (!err_failed(err)) {
        err = mark(part.path, why);
    }
    if (!err_failed(err)) {
        err = commit_mark_remove(where); /* The mark is of the database that was here. */
    }
    return err_failed(err) ? err : publish(&part, to, why);
}

struct err sqlite_claim(const char *file, const char *where, struct datadir **ret_dir,
                        struct why *why) {
    struct err err = sqlite_must_be_there(file, why);
    return err_failed(err) ? err : datadir_claim(where, ret_dir, why);
}

/* Of a restore that was killed: a whole database, of which no deletion knows. */
void sqlite_parts_remove(const char *where) {
    static const char begin[] = DATADIR_DATABASE PART_ENDING;
    DIR *folder = opendir(where);
    if (folder == NULL) {
        return; /* Who works there next says why. */
    }
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (strncmp(entry->d_name, begin, sizeof begin - 1) == 0) {
            (void)unlinkat(dirfd(folder), entry->d_name, 0); /* Tried again at the next start. */
        }
    }
    (void)closedir(folder); /* Nothing was written. */
}

struct err sqlite_restore(const char *from, const char *where, struct why *why) {
    AUTO(mem_release) char *to = datadir_path(where, DATADIR_DATABASE);
    AUTO(datadir_drop) struct datadir *dir = NULL;
    struct err err = sqlite_claim(from, where, &dir, why);
    if (!err_failed(err)) {
        sqlite_parts_remove(where);
        err = must_be_absent(to, why);
    }
    return err_failed(err) ? err : restore_into(from, where, to, why);
}
