/* doctor_database.c: what drover doctor says of the database as a whole. */
#include <unistd.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "cli/system/doctor.h"
#include "store/commit_mark.h"
#include "store/datadir.h"
#include "store/store.h"

bool doctor_database_exists(const struct doctor *doctor) {
    if (doctor->database != NULL) {
        return true;
    }
    AUTO(mem_release) char *path = datadir_path(doctor->data, DATADIR_DATABASE);
    return doctor->data_exists && access(path, F_OK) == 0;
}

static const char *sums_tell(const struct doctor *doctor, bool sums) {
    if (doctor->database != NULL) {
        return sums ? "data_checksums is on"
                    : "data_checksums is off: a byte that a disk changes "
                      "is not noticed ('pg_checksums --enable')";
    }
    return sums ? "each page has the checksum that it was written with"
                : "pages have no checksums, since an older drover made the file: a byte that a disk"
                  " changes is not noticed";
}

static const char *integrity_cure(const struct doctor *doctor, bool sums) {
    if (doctor->database != NULL) {
        return "restore a backup by pg_restore";
    }
    return sums ? "move drover.db, drover.db-wal and drover.db-shm away, and run 'drover restore "
                  "FILE'"
                  " with a backup; if another program (sqlite3) wrote drover.db, run"
                  " 'drover restore --rewrite-sums' instead"
                : "move drover.db, drover.db-wal and drover.db-shm away, and run 'drover restore "
                  "FILE'"
                  " with a backup";
}

static void no_database_tell(struct doctor *doctor) {
    struct why why = {.text = ""};
    int64_t commits = doctor->data_exists ? commit_mark_look(doctor->data).number : 0;
    if (commits == 0) {
        doctor_row(doctor, VERDICT_WARN, "database", "there is none yet; 'drover serve' makes it");
        return;
    }
    why_set(&why,
            "drover.db is missing, with %lld acknowledged commits: put it back, or move"
            " drover.db-wal and drover.db-shm away and run 'drover restore FILE' with a backup",
            (long long)commits);
    doctor_fail(doctor, "database", err_make(ERR_STORE_INCOMPLETE, "doctor: database"), &why);
}

static void schema_tell(struct doctor *doctor, const struct store_check *check) {
    struct why why = {.text = ""};
    if (check->schema_other) {
        why_set(&why, "the database was made by an unreleased build; start a new directory");
        doctor_fail(doctor, "schema", err_make(ERR_OTHER_SCHEMA, "doctor: schema"), &why);
    } else if (check->schema > check->schema_known) {
        why_set(&why, "schema %lld is newer than this drover knows (%lld); install a newer one",
                (long long)check->schema, (long long)check->schema_known);
        doctor_fail(doctor, "schema", err_make(ERR_NEWER_SCHEMA, "doctor: schema"), &why);
    } else if (check->schema_known > 0) { /* Else nothing of it could be read. */
        why_set(&why, "version %lld of %lld, started %lld time%s", (long long)check->schema,
                (long long)check->schema_known, (long long)check->epoch,
                check->epoch == 1 ? "" : "s");
        doctor_row(doctor, VERDICT_OK, "schema", why.text);
    }
}

static void missing_tell(struct doctor *doctor, const struct store_check *check) {
    struct why why = {.text = ""};
    if (check->missing == 0) {
        return;
    }
    why_set(&why,
            "about %lld acknowledged commit%s missing%s%s: drover.db-wal was damaged, cut or"
            " removed, or an older drover.db was put in its place; restore a newer backup, or"
            " accept the loss with 'drover release'",
            (long long)check->missing, check->missing == 1 ? " is" : "s are",
            check->missing_at_ms > 0 ? ", found " : "",
            check->missing_at_ms > 0 ? talk_time(check->missing_at_ms).text : "");
    doctor_fail(doctor, "commits", err_make(ERR_STORE_INCOMPLETE, "doctor: commits"), &why);
}

static void integrity_tell(struct doctor *doctor, const struct store_check *check) {
    AUTO(text_done) struct text text; /* The detail is longer than a struct why. */
    text_init(&text, DOCTOR_TEXT_MAX);
    if (check->integrity_ok) {
        text_addf(&text, "%s; %s", check->detail[0] != '\0' ? check->detail : "ok",
                  sums_tell(doctor, check->sums));
        doctor_row(doctor, VERDICT_OK, "integrity", text.data);
        return;
    }
    text_addf(&text, "%s; stop the daemon; %s", check->detail, integrity_cure(doctor, check->sums));
    utf8_make_plain(text.data, text.len); /* Names in a damaged schema may hold anything. */
    doctor->failure = doctor->failed ? doctor->failure : ERR_STORE_CORRUPT;
    doctor_row(doctor, VERDICT_FAIL, "integrity", text.data);
}

void doctor_check_database(struct doctor *doctor) {
    struct why why = {.text = ""};
    if (!doctor_database_exists(doctor)) {
        no_database_tell(doctor);
        return;
    }
    struct store_check check = {0};
    const char *where = doctor->database != NULL ? doctor->database : doctor->data;
    struct err err = store_check(where, &check, &why);
    if (err_failed(err)) {
        doctor_fail(doctor, "database", err, &why);
        return;
    }
    schema_tell(doctor, &check);
    missing_tell(doctor, &check);
    integrity_tell(doctor, &check);
}
