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
#define MOVE_AWAY                                                                                  \
    "move drover.db, drover.db-wal and drover.db-shm away, and run 'drover restore FILE' with a"   \
    " backup"
    return doctor->database != NULL ? "restore a backup by pg_restore"
           : !sums                  ? MOVE_AWAY
                   : MOVE_AWAY "; if another program (sqlite3) wrote drover.db, run"
                               " 'drover restore --rewrite-sums' instead";
#undef MOVE_AWAY
}

static void schema_tell(struct doctor *doctor, const struct store_check *check) {
    if (check->schema_other) {
        doctor_fail(doctor, ERR_OTHER_SCHEMA, "schema",
                    "the database was made by an unreleased build; start a new directory");
    } else if (check->schema > check->schema_known) {
        doctor_fail(doctor, ERR_NEWER_SCHEMA, "schema",
                    "schema %lld is newer than this drover knows (%lld); install a newer one",
                    (long long)check->schema, (long long)check->schema_known);
    } else if (check->schema_known > 0) { /* Else nothing of it could be read. */
        doctor_row(doctor, VERDICT_OK, "schema", "version %lld of %lld, started %lld time%s",
                   (long long)check->schema, (long long)check->schema_known,
                   (long long)check->epoch, check->epoch == 1 ? "" : "s");
    }
}

static void integrity_tell(struct doctor *doctor, const struct store_check *check) {
    if (check->integrity_ok) {
        doctor_row(doctor, VERDICT_OK, "integrity", "%s; %s",
                   check->detail[0] != '\0' ? check->detail : "ok", sums_tell(doctor, check->sums));
        return;
    }
    AUTO(text_done) struct text text; /* The detail is longer than a struct why. */
    text_init(&text, DOCTOR_TEXT_MAX);
    text_addf(&text, "%s; stop the daemon; %s", check->detail, integrity_cure(doctor, check->sums));
    utf8_make_plain(text.data, text.len); /* Names in a damaged schema may hold anything. */
    doctor_fail_text(doctor, ERR_STORE_CORRUPT, "integrity", text.data);
}

void doctor_check_database(struct doctor *doctor) {
    struct why why = {.text = ""};
    if (!doctor_database_exists(doctor)) {
        int64_t commits = doctor->data_exists ? commit_mark_look(doctor->data).number : 0;
        if (commits == 0) {
            doctor_row(doctor, VERDICT_WARN, "database",
                       "there is none yet; 'drover serve' makes it");
            return;
        }
        doctor_fail(doctor, ERR_STORE_INCOMPLETE, "database",
                    "drover.db is missing, with %lld acknowledged commits: put it back, or move"
                    " drover.db-wal and drover.db-shm away and run 'drover restore FILE' with a"
                    " backup",
                    (long long)commits);
        return;
    }
    struct store_check check = {0};
    const char *where = doctor->database != NULL ? doctor->database : doctor->data;
    struct err err = store_check(where, &check, &why);
    if (err_failed(err)) {
        doctor_fail(doctor, err.code, "database", "%s", doctor_words(err, &why));
        return;
    }
    schema_tell(doctor, &check);
    if (check.missing != 0) {
        doctor_fail(doctor, ERR_STORE_INCOMPLETE, "commits",
                    "about %lld acknowledged commit%s missing%s%s: drover.db-wal was damaged, cut"
                    " or removed, or an older drover.db was put in its place; restore a newer"
                    " backup, or accept the loss with 'drover release'",
                    (long long)check.missing, check.missing == 1 ? " is" : "s are",
                    check.missing_at_ms > 0 ? ", found " : "",
                    check.missing_at_ms > 0 ? talk_time(check.missing_at_ms).text : "");
    }
    integrity_tell(doctor, &check);
}

void doctor_check_pages(struct doctor *doctor) {
    struct store_pages pages = {.pages = 0};
    struct why why = {.text = ""};
    if (doctor->database != NULL || !doctor_database_exists(doctor)) {
        return; /* doctor_check_database has read every row. */
    }
    struct err err = store_check_pages(doctor->data, &pages, &why);
    if (err_failed(err)) {
        doctor_fail(doctor, err.code, "file", "%s", doctor_words(err, &why));
        return;
    }
    if (!pages.sums) {
        doctor_row(doctor, VERDICT_WARN, "file", "its pages have no checksums to compare with");
        return;
    }
    if (pages.damaged == 0) {
        doctor_row(doctor, VERDICT_OK, "file",
                   "each of its %lld pages is what was written; free pages: %lld",
                   (long long)pages.pages, (long long)pages.free);
        return;
    }
    AUTO(text_done) struct text text;
    text_init(&text, DOCTOR_TEXT_MAX);
    text_addf(&text, "%lld of %lld pages of the file are not what was written (",
              (long long)pages.damaged, (long long)pages.pages);
    for (int64_t i = 0; i < pages.damaged && i < STORE_PAGES_SHOWN; i++) {
        text_addf(&text, "%s%lu", i == 0 ? "" : ", ", (unsigned long)pages.numbers[i]);
    }
    text_add_str(&text, pages.damaged > STORE_PAGES_SHOWN ? ", …)" : ")");
    text_add_str(&text, "; stop the daemon and restore a backup; if another program wrote the file,"
                        " 'drover restore --rewrite-sums'");
    doctor_fail_text(doctor, ERR_STORE_CORRUPT, "file", text.data);
}
