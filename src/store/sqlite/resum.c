/* resum.c: new checksums for a database whose pages another program wrote.
 *
 * A program with SQLite's own VFS that checkpoints the log, or VACUUMs the file, leaves pages whose
 * checksums are old or zero, and drover refuses all of them. Nobody but the person at hand knows
 * that this is the reason. So the checksums are rewritten only after SQLite's own check of all
 * tables and indexes, through a connection that doesn't compare them. That check doesn't see a
 * changed byte within a text, which gets a right checksum, too.
 *
 * The connection also empties the log into the file: a page in the log gets its checksum when it is
 * copied, whoever wrote it there, but this connection copies without. It is closed before the file
 * is opened by itself (page_scan.h).
 */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "store/datadir.h"
#include "store/sqlite/conn.h"
#include "store/sqlite/page_scan.h"

enum { FINDINGS_SIZE = 200 }; /* Of struct why, beside the sentence around it. */

static const char *const busy_pragma = "PRAGMA busy_timeout=5000";

/* SQLITE_DONE: *ret_ok says whether nothing was found; else what was, cut. */
static int integrity_check(sqlite3 *db, bool *ret_ok, char findings[FINDINGS_SIZE]) {
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, "PRAGMA integrity_check(5)", -1, &stmt, NULL /* one */);
    rc = rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
    *ret_ok = false;
    findings[0] = '\0';
    for (; rc == SQLITE_ROW; rc = sqlite3_step(stmt)) {
        const char *said = (const char *)sqlite3_column_text(stmt, 0);
        size_t len = strlen(findings);
        *ret_ok = said != NULL && strcmp(said, "ok") == 0;
        (void)snprintf(findings + len, FINDINGS_SIZE - len, "%s%s", len == 0 ? "" : "; ",
                       said == NULL ? "" : said);
    }
    (void)sqlite3_finalize(stmt); /* Repeats the error of the step. */
    return rc;
}

static struct err damaged(const char *path, const char *findings, struct why *why) {
    return err_why(why, ERR_STORE_CORRUPT,
                   "%s is damaged, so nothing was written: %s. Restore a backup.", path, findings);
}

static struct err check_and_empty_log(const char *path, struct why *why) {
    sqlite3 *db = NULL;
    bool ok = false;
    char findings[FINDINGS_SIZE] = "";
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL /* not ours: no checksums */);
    if (rc == SQLITE_OK) {
        /* Else the close would copy the log after a check that found faults, too: pages that
         * drover could read until then would lose their checksums. */
        (void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL); /* Cannot fail. */
        rc = sqlite3_exec(db, busy_pragma, NULL /* no rows */, NULL, NULL);
    }
    if (rc == SQLITE_OK) {
        rc = integrity_check(db, &ok, findings);
    }
    if (rc == SQLITE_DONE && ok) {
        rc = sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    }
    int primary = rc & 0xff;
    struct err err = ERR_OK;
    if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB || (primary == SQLITE_DONE && !ok)) {
        err = damaged(path, findings[0] != '\0' ? findings : sqlite3_errstr(rc), why);
    } else if (rc != SQLITE_OK) {
        err = sqlite_open_error(db, rc, path, why);
    }
    (void)sqlite3_close(db); /* No statement is left. */
    return err;
}

static struct err file_rewrite(const char *path, struct store_pages *ret_pages, struct why *why) {
    struct store_pages pages = {.sums = false};
    struct err err = page_scan_rewrite(path, &pages);
    if (err_failed(err)) {
        why_set(why, "%s cannot be written: %s.", path, strerrordesc_np(err.os));
        return err;
    }
    if (!pages.sums) {
        return err_why(why, ERR_CONFLICT, "%s has no checksums, so there are none to rewrite.",
                       path);
    }
    *ret_pages = pages;
    return ERR_OK;
}

struct err sqlite_rewrite_sums(const char *where, struct store_pages *ret_pages, struct why *why) {
    AUTO(mem_release) char *path = datadir_path(where, DATADIR_DATABASE);
    AUTO(datadir_drop) struct datadir *dir = NULL;
    struct err err = sqlite_claim(path, where, &dir, why);
    if (!err_failed(err)) {
        err = check_and_empty_log(path, why);
    }
    return err_failed(err) ? err : file_rewrite(path, ret_pages, why);
}
