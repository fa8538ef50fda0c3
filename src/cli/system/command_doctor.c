/* command_doctor.c: drover doctor. Each check is one row: its subject, its verdict, and what to do
 * where something is wrong. Only a `fail` makes the exit code other than 0.
 *
 * Damaged rows, and with --deep the folders of the spool that the database does not know: the
 * daemon is asked; where none runs, the database is read here, and the answers have the form of
 * those of the daemon (api/system/system.c), so that the same code
 * shows them. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <wslay/wslay.h>

#include "base/memory.h"
#include "base/number.h"
#include "base/utf8.h"
#include "cli/base/action.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/base/quantity.h"
#include "cli/base/user_unit.h"
#include "cli/terminal/paint.h"
#include "engine/run/runs.h"
#include "engine/system/damage.h"
#include "loop/loop_uv.h"
#include "proc/cgroups.h"
#include "proc/port_owner.h"
#include "proc/sandbox/probe.h"
#include "proc/spool/spool.h"
#include "store/commit_mark.h"
#include "store/datadir.h"
#include "store/disk_usage.h"
#include "store/offline.h"
#include "store/store.h"

static const struct flag doctor_flags[] = {
    OPTION_DATABASE,
    OPTION_SWITCH("deep", 0,
                  "Read everything: all pages of the database, all folders of the spool."),
    OPTION_END,
};

enum {
    DOCTOR_TEXT_MAX = 1 << 20, /* Bytes of what a check has to say. */
    DAMAGE_SHOWN_MAX = 20,
    FOLDERS_ASKED = 50,
    FOLDERS_SHOWN_MAX = 20,
    FOLDERS_BYTES_MAX = 64 << 20,
    TARGET_MAX = 16 << 10,
    ANSWER_MS = 60000,
};

enum verdict { VERDICT_OK, VERDICT_WARN, VERDICT_FAIL };

struct doctor {
    struct invocation *invocation;
    const char *data, *database; /* database NULL: SQLite in `data`. */
    bool deep, data_exists;
    enum err_code failure; /* Code of the first check that failed; ERR_NONE: none did. */
    struct talk talk;      /* Opened when the daemon is asked first. */
};

/* --- Rows of the report ----------------------------------------------------------------------- */

static void verdict_print(const struct doctor *doctor, enum verdict verdict, const char *what,
                          const char *text) {
    static const char *const names[] = {"ok", "warn", "fail"};
    static const enum colour colours[] = {COLOUR_GREEN, COLOUR_YELLOW, COLOUR_RED};
    if (doctor->invocation->json) {
        AUTO(text_done) struct text line = text_up_to(2 * DOCTOR_TEXT_MAX);
        text_addf(&line, "{\"check\":\"%s\",\"verdict\":\"%s\",\"detail\":", what, names[verdict]);
        text_add_json(&line, text, strlen(text));
        text_add_str(&line, "}\n");
        fputs(text_failed(&line) ? "" : line.data, stdout);
        return;
    }
    const struct paint paint = paint_of(STDOUT_FILENO, &doctor->invocation->env);
    printf("%s%-4s%s  %-12s %s\n", paint_begin(&paint, colours[verdict]), names[verdict],
           paint_end(&paint, colours[verdict]), what, text);
}

PRINTF_LIKE(4, 5)
static void doctor_row(struct doctor *doctor, enum verdict verdict, const char *what,
                       const char *format, ...) {
    struct why why;
    va_list args;
    va_start(args, format);
    why_set_list(&why, format, args);
    va_end(args);
    verdict_print(doctor, verdict, what, why.text);
}

/* The verdict that makes the exit code that of `code`, unless an earlier one has. */
static enum verdict fail_of(struct doctor *doctor, enum err_code code) {
    doctor->failure = doctor->failure != ERR_NONE ? doctor->failure : code;
    return VERDICT_FAIL;
}

/* --- The data directory ----------------------------------------------------------------------- */

static void check_data(struct doctor *doctor) {
    const char *data = doctor->data;
    struct stat info;
    if (stat(data, &info) < 0 && errno == ENOENT) {
        doctor_row(doctor, VERDICT_WARN, "data", "%s: does not exist yet; 'drover serve' makes it",
                   data);
        return;
    }
    if (stat(data, &info) < 0) {
        doctor_row(doctor, fail_of(doctor, ERR_INTERNAL), "data", "%s: %s", data, strerror(errno));
        return;
    }
    doctor->data_exists = S_ISDIR(info.st_mode);
    if (!doctor->data_exists) {
        doctor_row(doctor, fail_of(doctor, ERR_CONFIG), "data", "%s is not a directory", data);
        return;
    }
    if (access(data, R_OK | W_OK | X_OK) < 0) {
        doctor_row(doctor, fail_of(doctor, ERR_READ_ONLY), "data", "%s: %s", data, strerror(errno));
    } else {
        verdict_print(doctor, VERDICT_OK, "data", data);
    }
    unsigned mode = (unsigned)info.st_mode & 0777;
    if ((mode & S_IWOTH) != 0) {
        doctor_row(doctor, fail_of(doctor, ERR_CONFIG), "permissions",
                   "everybody may write into it (mode %03o), so 'drover serve' refuses it;"
                   " 'chmod 700 %s'",
                   mode, doctor->data);
    } else if (info.st_uid != geteuid()) {
        doctor_row(doctor, VERDICT_WARN, "permissions",
                   "it belongs to another user (number %lu), who can change all that is in it",
                   (unsigned long)info.st_uid);
    } else if ((mode & 077) != 0) {
        doctor_row(doctor, VERDICT_WARN, "permissions",
                   "others may %s (mode %03o); 'chmod 700 %s' keeps them out",
                   (mode & S_IWGRP) != 0 ? "write into it" : "enter", mode, doctor->data);
    } else {
        doctor_row(doctor, VERDICT_OK, "permissions", "only the owner may enter");
    }
}

static void check_space(struct doctor *doctor) {
    struct statvfs info;
    if (!doctor->data_exists || statvfs(doctor->data, &info) < 0) {
        return;
    }
    uint64_t free_mb = (uint64_t)info.f_bavail * info.f_frsize >> 20;
    const enum verdict verdict = free_mb < 100    ? fail_of(doctor, ERR_DISK_FULL)
                                 : free_mb < 1024 ? VERDICT_WARN
                                                  : VERDICT_OK;
    doctor_row(doctor, verdict, "space", "%llu MB free%s", (unsigned long long)free_mb,
               verdict != VERDICT_OK ? "; make room on this disk" : "");
}

/* --- The database ----------------------------------------------------------------------------- */

static bool database_exists(const struct doctor *doctor) {
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
    const long long series = (long long)check->series, version = (long long)check->schema;
    const long long known = (long long)check->schema_known, epoch = (long long)check->epoch;
    if (check->schema_other) {
        doctor_row(doctor, fail_of(doctor, ERR_OTHER_SCHEMA), "schema",
                   "series %lld, version %lld: the database was made by an unreleased build; start "
                   "a new directory",
                   series, version);
    } else if (check->schema > check->schema_known) {
        AUTO(mem_release)
        char *copy = store_upgrade_copy(doctor->database != NULL ? doctor->database : doctor->data);
        doctor_row(doctor, fail_of(doctor, ERR_NEWER_SCHEMA), "schema",
                   "series %lld, version %lld is newer than this drover knows (%lld); install a "
                   "newer one%s%s",
                   series, version, known,
                   copy == NULL ? "" : "; the backup made before the upgrade is ",
                   copy == NULL ? "" : copy);
    } else if (check->schema_known > 0) { /* Else nothing of it could be read. */
        doctor_row(doctor, VERDICT_OK, "schema",
                   "series %lld, version %lld of %lld, started %lld"
                   " time%s%s",
                   series, version, known, epoch, epoch == 1 ? "" : "s",
                   version < known ? "; the daemon migrates it when it starts" : "");
    }
}

static void integrity_tell(struct doctor *doctor, const struct store_check *check) {
    if (check->integrity_ok) {
        doctor_row(doctor, VERDICT_OK, "integrity", "%s; %s",
                   check->detail[0] != '\0' ? check->detail : "ok", sums_tell(doctor, check->sums));
        return;
    }
    /* The detail is longer than a struct why. */
    AUTO(text_done) struct text text = text_up_to(DOCTOR_TEXT_MAX);
    text_addf(&text, "%s; stop the daemon; %s", check->detail, integrity_cure(doctor, check->sums));
    utf8_make_plain(text.data, text.len); /* Names in a damaged schema may hold anything. */
    verdict_print(doctor, fail_of(doctor, ERR_STORE_CORRUPT), "integrity", text.data);
}

static void check_database(struct doctor *doctor) {
    struct why why = {.text = ""};
    if (!database_exists(doctor)) {
        int64_t commits = doctor->data_exists ? commit_mark_look(doctor->data).number : 0;
        if (commits == 0) {
            doctor_row(doctor, VERDICT_WARN, "database",
                       "there is none yet; 'drover serve' makes it");
            return;
        }
        doctor_row(doctor, fail_of(doctor, ERR_STORE_INCOMPLETE), "database",
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
        doctor_row(doctor, fail_of(doctor, err.code), "database", "%s", err_words(err, &why));
        return;
    }
    schema_tell(doctor, &check);
    if (check.missing != 0) {
        const struct talk_time found =
            check.missing_at_ms > 0 ? talk_ago(check.missing_at_ms, world_wall_ms(world_real()))
                                    : (struct talk_time){""};
        doctor_row(doctor, fail_of(doctor, ERR_STORE_INCOMPLETE), "commits",
                   "about %lld acknowledged commit%s missing%s%s: drover.db-wal was damaged, cut"
                   " or removed, or an older drover.db was put in its place; restore a newer"
                   " backup, or accept the loss with 'drover release'",
                   (long long)check.missing, check.missing == 1 ? " is" : "s are",
                   check.missing_at_ms > 0 ? ", found " : "", found.text);
    }
    integrity_tell(doctor, &check);
}

/* Also pages that no row needs. */
static void check_pages(struct doctor *doctor) {
    struct store_pages pages = {.pages = 0};
    struct why why = {.text = ""};
    if (doctor->database != NULL || !database_exists(doctor)) {
        return; /* check_database has read every row. */
    }
    struct err err = store_check_pages(doctor->data, &pages, &why);
    if (err_failed(err)) {
        doctor_row(doctor, fail_of(doctor, err.code), "file", "%s", err_words(err, &why));
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
    AUTO(text_done) struct text text = text_up_to(DOCTOR_TEXT_MAX);
    text_addf(&text, "%lld of %lld pages of the file are not what was written (",
              (long long)pages.damaged, (long long)pages.pages);
    for (int64_t i = 0; i < pages.damaged && i < STORE_PAGES_SHOWN; i++) {
        text_addf(&text, "%s%lu", i == 0 ? "" : ", ", (unsigned long)pages.numbers[i]);
    }
    text_add_str(&text, pages.damaged > STORE_PAGES_SHOWN ? ", …)" : ")");
    text_add_str(&text, "; stop the daemon and restore a backup; if another program wrote the file,"
                        " 'drover restore --rewrite-sums'");
    verdict_print(doctor, fail_of(doctor, ERR_STORE_CORRUPT), "file", text.data);
}

/* --- Damaged rows, unknown folders ------------------------------------------------------------ */

struct source {
    struct doctor *doctor;
    struct store_look *look;           /* Owned; NULL: the daemon is asked. */
    struct damage_cursor cursor, next; /* next: written by the function, which may run again. */
    struct damage_page page;
    const char *names; /* Names of folders, with commas between. */
    json_t *items;     /* Owned, while a function runs. */
    struct why why;
};

/* --- Reading without a daemon ----------------------------------------------------------------- */

static void item_set(json_t *item, const char *name, struct bytes value) {
    (void)json_object_set_new(item, name, json_stringn(value.data, value.len));
}

static void row_add(void *ctx, const struct damage *damage) {
    struct source *source = ctx;
    json_t *item = json_object();
    item_set(item, "table", bytes_of(damage->table));
    item_set(item, "row", damage->where);
    item_set(item, "column", bytes_of(damage->column));
    item_set(item, "what", bytes_of(damage->what));
    item_set(item, "remove", damage->remove);
    (void)json_array_append_new(source->items, item);
}

static struct err rows_page(struct tx *tx, void *ctx) {
    struct source *source = ctx;
    json_decref(source->items);
    source->items = json_array();
    source->next = source->cursor;
    return tx_damage_page(tx, DAMAGE_ALL, &source->next, row_add, source, &source->page);
}

static struct err folder_compare(struct tx *tx, struct source *source, struct bytes name) {
    static const struct number_bounds attempts = {1, INT64_MAX};
    const char *dot = memchr(name.data, '.', name.len);
    size_t run_len = dot == NULL ? 0 : (size_t)(dot - name.data);
    int64_t attempt = 0;
    if (run_len == 0 ||
        !number_parse((struct bytes){dot + 1, name.len - run_len - 1}, attempts, &attempt)) {
        return ERR_OK; /* No name of ours. */
    }
    bool found = false;
    struct run_row row = {.attempt = 0};
    const struct run_key key = {.run = {name.data, run_len}};
    struct err err = tx_run_find_shown(tx, &key, &found, &row); /* Also a damaged one. */
    if (!err_failed(err) && (!found || row.attempt < attempt)) {
        json_t *item = json_object();
        item_set(item, "folder", name);
        item_set(item, "what", bytes_of(found ? "attempt_unknown" : "run_unknown"));
        (void)json_array_append_new(source->items, item);
    }
    return err;
}

static struct err folders_page(struct tx *tx, void *ctx) {
    struct source *source = ctx;
    struct err err = ERR_OK;
    json_decref(source->items);
    source->items = json_array();
    for (const char *at = source->names; *at != '\0' && !err_failed(err);) {
        size_t len = strcspn(at, ",");
        err = folder_compare(tx, source, (struct bytes){at, len});
        at += len + (at[len] == ',');
    }
    return err;
}

/* Asks the daemon for `target`, or else runs the function, which answers the same. *ret_answer:
 * owned. What found no memory is shown as an empty word. */
static struct err source_ask(struct source *source, const char *target,
                             struct err (*run)(struct tx *tx, void *ctx), json_t **ret_answer) {
    if (source->look == NULL) {
        return talk_look(&source->doctor->talk, target, ANSWER_MS, ret_answer, &source->why);
    }
    source->page.more = false;
    struct err err = store_look_read(source->look, run, source);
    json_t *answer = json_object();
    (void)json_object_set_new(answer, "items", source->items); /* Null is no array: no rows. */
    (void)json_object_set_new(answer, "next",
                              source->page.more ? json_string("more") : json_null());
    source->items = NULL;
    if (err_failed(err) || answer == NULL) {
        json_decref(answer);
        return err_failed(err) ? err : err_make(ERR_OUT_OF_MEMORY, "doctor: answer");
    }
    *ret_answer = answer;
    return ERR_OK;
}

/* --- Rows ------------------------------------------------------------------------------------- */

static void damage_print(struct doctor *doctor, const json_t *damage) {
    AUTO(text_done) struct text text = text_up_to(DOCTOR_TEXT_MAX);
    text_addf(&text, "table %s, row %s: %s %s; to remove the row, stop the daemon and run this in ",
              talk_text(damage, "table"), talk_text(damage, "row"), talk_text(damage, "column"),
              talk_text(damage, "what"));
    if (doctor->database != NULL) {
        text_add_str(&text, "psql: ");
    } else {
        /* Else it would copy the log into the file, without the checksums of pages. */
        text_addf(&text, "sqlite3 -cmd '.dbconfig no_ckpt_on_close on' %s/" DATADIR_DATABASE ": ",
                  doctor->data);
    }
    text_add_str(&text, talk_text(damage, "remove"));
    if (!text_failed(&text)) {
        utf8_make_plain(text.data, text.len); /* A key may hold anything. */
        verdict_print(doctor, fail_of(doctor, ERR_STORE_CORRUPT), "row", text.data);
    }
}

static void rows_check(struct source *source) {
    struct doctor *doctor = source->doctor;
    AUTO(json_release) json_t *answer = NULL;
    size_t found = 0;
    struct err err = ERR_OK;
    do {
        AUTO(text_done) struct text target = text_up_to(TARGET_MAX);
        const char *after = json_str(answer, "next", NULL);
        text_addf(&target, "/api/v1/damage%s%s",
                  after == NULL ? "" : "?after=", after == NULL ? "" : after);
        json_release(&answer);
        err = source_ask(source, target.data, rows_page, &answer);
        source->cursor = source->next;
        const json_t *items = json_object_get(answer, "items");
        for (size_t i = 0; i < json_array_size(items); i++) {
            if (found++ < DAMAGE_SHOWN_MAX) {
                damage_print(doctor, json_array_get(items, i));
            }
        }
    } while (!err_failed(err) && json_str(answer, "next", NULL) != NULL);
    if (err_failed(err)) {
        doctor_row(doctor, VERDICT_WARN, "rows", "%s", err_words(err, &source->why));
    } else if (found == 0) {
        doctor_row(doctor, VERDICT_OK, "rows", "all text and JSON can be read");
    } else if (found > DAMAGE_SHOWN_MAX) {
        doctor_row(doctor, VERDICT_WARN, "rows", "%zu columns are damaged; the first %d are shown",
                   found, DAMAGE_SHOWN_MAX);
    }
}

/* --- Folders ---------------------------------------------------------------------------------- */

static struct err folder_add(void *ctx, const char *name) {
    struct text *names = ctx;
    if (strchr(name, '.') != NULL && strchr(name, ',') == NULL) {
        text_add(names, name, strlen(name) + 1);
    }
    return ERR_OK;
}

/* A folder in which no command began says nothing, and may be gone by now with the row. */
static bool folder_ran(const struct spool *spool, const char *name) {
    struct spool_state state;
    struct err err = spool_decide(spool, name, SPOOL_LOOK, 0 /* not used */, &state);
    return !err_failed(err) &&
           (state.found == SPOOL_ALIVE || state.found == SPOOL_ENDED || state.found == SPOOL_GONE);
}

/* Compares the folders whose names are given, each terminated. */
static struct err folders_compare(struct source *source, const struct spool *spool,
                                  struct bytes names, int64_t *ret_count, int64_t *ret_unknown) {
    static const char path[] = "/api/v1/damage/folders?names=";
    struct err err = ERR_OK;
    for (size_t at = 0; at < names.len && !err_failed(err);) {
        AUTO(text_done) struct text target = text_up_to(TARGET_MAX);
        AUTO(json_release) json_t *answer = NULL;
        text_add_str(&target, path);
        for (int i = 0; i < FOLDERS_ASKED && at < names.len; i++) {
            text_addf(&target, "%s%s", i == 0 ? "" : ",", names.data + at);
            at += strlen(names.data + at) + 1;
            (*ret_count)++;
        }
        source->names = target.data + sizeof path - 1;
        err = source_ask(source, target.data, folders_page, &answer);
        const json_t *items = err_failed(err) ? NULL : json_object_get(answer, "items");
        for (size_t i = 0; i < json_array_size(items); i++) {
            const json_t *item = json_array_get(items, i);
            const char *folder = talk_text(item, "folder");
            bool attempt = strcmp(talk_text(item, "what"), "attempt_unknown") == 0;
            if (folder_ran(spool, folder) && (*ret_unknown)++ < FOLDERS_SHOWN_MAX) {
                doctor_row(source->doctor, fail_of(source->doctor, ERR_STORE_INCOMPLETE), "folder",
                           "%s/%s: the database does not know %s: it has lost it, or belongs to"
                           " another directory; copy what is of use out of it",
                           spool_path(spool), folder,
                           attempt ? "this attempt of its run" : "its run");
            }
        }
    }
    return err;
}

static void folders_check(struct source *source) {
    struct doctor *doctor = source->doctor;
    AUTO(mem_release) char *path = datadir_path(doctor->data, "spool");
    AUTO(text_done) struct text names = {0};
    struct spool *spool = NULL;
    int64_t count = 0, unknown = 0;
    if (access(path, F_OK) < 0) {
        return; /* spool_open would make it. */
    }
    struct err err = spool_open(doctor->data, &spool);
    text_init(&names, FOLDERS_BYTES_MAX);
    if (!err_failed(err)) {
        err = spool_each(spool, folder_add, &names);
    }
    if (!err_failed(err)) {
        err = folders_compare(source, spool, text_bytes(&names), &count, &unknown);
    }
    if (err_failed(err)) {
        doctor_row(doctor, VERDICT_WARN, "folders", "%s", err_words(err, &source->why));
    } else if (unknown > 0) {
        doctor_row(doctor, VERDICT_WARN, "folders",
                   "the database does not know %lld of %lld folders; %s", (long long)unknown,
                   (long long)count,
                   unknown > FOLDERS_SHOWN_MAX ? "the first 20 are shown" : "see above");
    } else {
        doctor_row(doctor, VERDICT_OK, "folders",
                   "the database knows the runs of all folders of the spool (%lld)",
                   (long long)count);
    }
    spool_close(spool);
}

/* The database is read here where no daemon `runs`. */
static void check_rows(struct doctor *doctor, bool runs) {
    struct source source = {.doctor = doctor};
    if (!runs) {
        const char *where = doctor->database != NULL ? doctor->database : doctor->data;
        struct err err =
            store_look_open(where, doctor->invocation->world, &source.look, &source.why);
        if (err_failed(err)) {
            doctor_row(doctor, VERDICT_WARN, "rows", "%s", err_words(err, &source.why));
            return;
        }
    }
    rows_check(&source);
    source.why.text[0] = '\0';
    if (doctor->deep) {
        folders_check(&source);
    }
    if (!runs) {
        store_look_close(source.look);
    }
}

/* --- The daemon ------------------------------------------------------------------------------- */

enum { DAEMON_MS = 5000 };

static void check_daemon(struct doctor *doctor) {
    AUTO(json_release) json_t *answer = NULL;
    struct why why = {.text = ""};
    struct err err = talk_look(&doctor->talk, "/api/v1/version", DAEMON_MS, &answer, &why);
    if (err.code == ERR_UNREACHABLE) {
        /* Without a daemon nobody else reads the rows, and this takes a while. */
        bool reads = doctor->deep && database_exists(doctor);
        doctor_row(doctor, VERDICT_WARN, "daemon", "not running%s",
                   reads ? "" : "; rows are not searched for damage");
        if (reads) {
            check_rows(doctor, /* runs */ false);
        }
        return;
    }
    if (err_failed(err)) {
        doctor_row(doctor, fail_of(doctor, err.code), "daemon", "%s", err_words(err, &why));
        return;
    }
    const char *version = talk_text(answer, "version");
    bool same = strcmp(version, DROVER_VERSION) == 0;
    doctor_row(doctor, same ? VERDICT_OK : VERDICT_WARN, "daemon", "running, version %s, %s%s",
               version, talk_text(answer, "database"),
               same ? "" : "; this program is another version: restart the daemon");
    if (same) {
        check_rows(doctor, /* runs */ true);
    }
}

/* Of a daemon that runs, which may lack what it needs to begin anything. */
static void check_descriptors(struct doctor *doctor, const json_t *ready) {
    const json_t *descriptors = json_object_get(ready, "descriptors");
    if (descriptors == NULL) {
        return; /* An older daemon. */
    }
    const int64_t since_ms = talk_int(descriptors, "waiting_since_ms");
    const long long limit = (long long)talk_int(descriptors, "limit");
    struct why used = {.text = "an unknown number"};
    if (json_is_integer(json_object_get(descriptors, "used"))) {
        why_set(&used, "%lld", (long long)talk_int(descriptors, "used"));
    }
    if (since_ms > 0) {
        int64_t for_ms = world_wall_ms(world_real()) - since_ms;
        doctor_row(doctor, VERDICT_WARN, "descriptors",
                   "nothing begins since %lld s: no file descriptor is free, %s of %lld in use;"
                   " raise the limit of the service (LimitNOFILE=, ulimit -Hn) or of the system"
                   " (fs.file-max)",
                   (long long)(for_ms > 0 ? for_ms / 1000 : 0), used.text, limit);
    } else {
        doctor_row(doctor, VERDICT_OK, "descriptors", "%s of %lld file descriptors in use",
                   used.text, limit);
    }
}

/* The size of the data directory, as the daemon has measured it. */
static void check_size(struct doctor *doctor, const json_t *disk) {
    const char *level = talk_text(disk, "level");
    const long long mb = (long long)(talk_int(disk, "bytes") >> 20);
    const long long limit_mb = (long long)(talk_int(disk, "limit") >> 20);
    if (strcmp(level, disk_level_names[DISK_FULL]) == 0) {
        doctor_row(doctor, fail_of(doctor, ERR_DATA_FULL), "size",
                   "%lld MB, and the limit is %lld MB: no new run is taken; 'drover du' says what"
                   " can be freed, --max-bytes of 'drover serve' raises the limit",
                   mb, limit_mb);
    } else if (json_is_integer(json_object_get(disk, "bytes"))) {
        const bool fine = strcmp(level, disk_level_names[DISK_FINE]) == 0;
        struct why of = {.text = ""};
        if (limit_mb > 0) {
            why_set(&of, " of %lld MB", limit_mb);
        }
        doctor_row(doctor, fine ? VERDICT_OK : VERDICT_WARN, "size", "%lld MB%s%s", mb, of.text,
                   fine ? "" : "; 'drover du' says what can be freed");
    }
}

/* The port that web pages have, where another program has it. */
static void check_page_port(struct doctor *doctor, const json_t *pages) {
    const long long port = (long long)talk_int(pages, "port");
    if (port == 0) {
        return;
    }
    if (!json_is_true(json_object_get(pages, "taken"))) {
        doctor_row(doctor, VERDICT_OK, "pages", "http://127.0.0.1:%lld", port);
        return;
    }
    const struct port_owner owner = port_owner_find((uint16_t)port);
    struct why by = {.text = "another program"};
    if (owner.pid != 0) {
        why_set(&by, "%s (pid %d)", owner.name, owner.pid);
    }
    doctor_row(doctor, VERDICT_WARN, "pages",
               "port %lld of 127.0.0.1 is taken by %s, so no web page of this daemon works; end"
               " that program and run 'drover open'",
               port, by.text);
}

/* A daemon may live and make no progress: `detail` of the answer says why. */
static void check_progress(struct doctor *doctor) {
    AUTO(json_release) json_t *answer = NULL;
    struct why why = {.text = ""};
    struct err err = talk_look(&doctor->talk, "/readyz", DAEMON_MS, &answer, &why);
    if (err.code == ERR_UNREACHABLE) {
        return; /* check_daemon has said so. */
    }
    if (err_failed(err)) {
        doctor_row(doctor, fail_of(doctor, err.code), "progress", "%s", err_words(err, &why));
        return;
    }
    doctor_row(doctor, VERDICT_OK, "progress", "every run goes on, or waits for something");
    const json_t *runs = json_object_get(answer, "last_runs");
    if (talk_int(answer, "failed_starts") > 0) {
        bool none = json_array_size(runs) == 0;
        doctor_row(doctor, VERDICT_WARN, "starts",
                   "the daemon crashed soon after its last start, %lld in a row%s%s: look into its"
                   " log, and end a hold with drover release",
                   (long long)talk_int(answer, "failed_starts"), none ? "" : ", at last at ",
                   none ? "" : json_string_value(json_array_get(runs, 0)));
    }
    check_descriptors(doctor, answer);
    check_size(doctor, json_object_get(answer, "disk"));
    check_page_port(doctor, json_object_get(answer, "pages"));
    const long long damaged = talk_int(answer, "damaged"), marks = talk_int(answer, "mark_errors"),
                    folders = talk_int(answer, "unknown_folders"),
                    abandoned = talk_int(answer, "abandoned");
    if (abandoned > 0) {
        doctor_row(
            doctor, VERDICT_WARN, "runs",
            "the database refused %lld step%s of runs for good, such as an end: the log names"
            " the runs; look for damaged rows, repair them, and restart the daemon",
            abandoned, plural(abandoned));
    }
    if (damaged > 0) {
        doctor_row(doctor, fail_of(doctor, ERR_STORE_CORRUPT), "pages",
                   "%lld damaged page%s read since the start: requests that need them fail; stop"
                   " the daemon and restore a backup",
                   damaged, damaged == 1 ? " was" : "s were");
    }
    if (marks > 0) {
        doctor_row(doctor, VERDICT_WARN, "mark",
                   "drover.mark could not be written %lld time%s since the start: commits that are"
                   " lost now may not be missed at the next start; look for a full or failing disk,"
                   " and restart the daemon where the file was removed",
                   marks, plural(marks));
    }
    if (folders > 0) {
        doctor_row(doctor, fail_of(doctor, ERR_STORE_INCOMPLETE), "spool",
                   "%lld folder%s to runs that the database does not know: it has lost them; copy"
                   " the useful files: unknown folders are removed after a day",
                   folders, folders == 1 ? " of the spool belongs" : "s of the spool belong");
    }
}

/* --- Agents ----------------------------------------------------------------------------------- */

/* Programs that are not installed are no fault of this system. */
static void check_agents(struct doctor *doctor) {
    AUTO(json_release) json_t *answer = NULL;
    struct why why = {.text = ""};
    if (err_failed(
            talk_look(&doctor->talk, "/api/v1/agents?limit=200", DAEMON_MS, &answer, &why))) {
        return; /* check_daemon has said so. */
    }
    const json_t *items = json_object_get(answer, "items");
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        const char *state = talk_text(item, "state"), *version = talk_text(item, "version");
        const char *name = talk_text(item, "name");
        if (strcmp(state, "broken") == 0) {
            doctor_row(doctor, VERDICT_WARN, "agent", "%s is %s: %s", name, state,
                       talk_text(item, "why"));
        } else if (strcmp(state, "not_logged_in") == 0) {
            doctor_row(doctor, VERDICT_WARN, "agent", "%s is %s: %s; it %s", name, state,
                       talk_text(item, "why"), talk_text(item, "may"));
        } else if (strcmp(talk_text(item, "kind"), "cli") == 0 && strcmp(state, "ready") == 0) {
            doctor_row(doctor, VERDICT_OK, "agent", "%s%s%s, %s: %s", name,
                       version[0] != '\0' ? " " : "", version, talk_text(item, "command"),
                       talk_text(item, "may"));
        }
    }
}

/* --- Rules that no session has ---------------------------------------------------------------- */

static void check_default_rules(struct doctor *doctor) {
    AUTO(json_release) json_t *answer = NULL;
    struct why why = {.text = ""};
    if (err_failed(
            talk_look(&doctor->talk, "/api/v1/projects/default", DAEMON_MS, &answer, &why))) {
        return; /* There is no such project, or check_daemon has said so. */
    }
    if (json_object_size(json_object_get(answer, "settings")) > 0) {
        doctor_row(
            doctor, VERDICT_WARN, "rules",
            "those of the project 'default' (drover project show default) apply to no "
            "session any more, since its sessions share no folder: give them to the projects "
            "of folders (drover project set NAME --settings JSON), and remove them (drover "
            "project set default --settings '{}')");
    }
}

/* --- The unit of systemd ---------------------------------------------------------------------- */

static bool is_this_program(const char *path) {
    struct stat ours, theirs;
    return stat("/proc/self/exe", &ours) == 0 && stat(path, &theirs) == 0 &&
           ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

/* The files are read, since systemd may be away: commands decide by the same files, too. */
static void check_unit(struct doctor *doctor, bool data_default) {
    const struct autostart start = {.data = doctor->data,
                                    .data_default = data_default,
                                    .env = &doctor->invocation->env,
                                    .world = doctor->invocation->world};
    struct user_unit unit;
    if (!user_unit_find(&start, &unit)) {
        doctor_row(doctor, VERDICT_OK, "unit", "none: commands start the daemon that they need");
    } else if (!unit.enabled) {
        doctor_row(doctor, VERDICT_OK, "unit",
                   "%s is not enabled: commands start the daemon that they need", unit.path);
    } else if (unit.program[0] == '\0' || access(unit.program, X_OK) < 0) {
        doctor_row(doctor, VERDICT_WARN, "unit",
                   "%s is enabled, and names no program that can be run (%s); 'drover service"
                   " install' writes the unit again",
                   unit.path, unit.program[0] == '\0' ? "none" : unit.program);
    } else if (!unit.serves) {
        doctor_row(doctor, VERDICT_OK, "unit", "%s serves another data directory", unit.path);
    } else if (!is_this_program(unit.program)) {
        doctor_row(doctor, VERDICT_WARN, "unit",
                   "%s runs %s, and this is another drover; 'drover service install' makes it run"
                   " this one",
                   unit.path, unit.program);
    } else {
        doctor_row(doctor, VERDICT_OK, "unit", "%s is enabled and runs this program", unit.path);
    }
}

/* --- The command ------------------------------------------------------------------------------ */

static struct err doctor_run(struct invocation *invocation) {
    AUTO(mem_release) char *owned = NULL;
    AUTO(mem_release) char *database = NULL;
    struct doctor doctor = {.invocation = invocation,
                            .deep = args_on(&invocation->args, "deep"),
                            .talk = {.interrupt_fd = -1}};
    TRY(config_data(&invocation->args, &invocation->env, &owned, &doctor.data, &invocation->why));
    doctor.database = config_database(&invocation->args, invocation->world, doctor.data, &database);
    doctor_row(&doctor, VERDICT_OK, "versions",
               "drover %s, libuv %s, SQLite %s, jansson %s, wslay %s", DROVER_VERSION,
               uv_version_string(), store_library_version(), jansson_version_str(), WSLAY_VERSION);
    check_data(&doctor);
    check_space(&doctor);
    check_database(&doctor);
    if (doctor.deep) {
        check_pages(&doctor);
    }
    (void)talk_open(&doctor.talk, invocation); /* The first request tells of an error. */
    check_daemon(&doctor);
    check_progress(&doctor);
    check_agents(&doctor);
    check_default_rules(&doctor);
    talk_close(&doctor.talk);

    check_unit(&doctor, owned != NULL);
    struct sandbox_probe probe = sandbox_probe();
    struct why why;
    sandbox_probe_tell(&probe, &why);
    bool lacks = sandbox_probe_lack(&probe) != NULL;
    doctor_row(&doctor, lacks ? VERDICT_WARN : VERDICT_OK, "sandbox", "%s", why.text);
    /* Judged for this process: a service has other rights, and its log says whether. */
    bool usable = cgroups_probe(&why);
    doctor_row(&doctor, usable ? VERDICT_OK : VERDICT_WARN, "cgroups", "%s", why.text);
    invocation->told = true;
    return doctor.failure != ERR_NONE ? err_make(doctor.failure, "doctor") : ERR_OK;
}

const struct command command_doctor = {
    COMMAND(NULL, "doctor", NULL, "Check the daemon, its database and this system."),
    HELP(DAEMON, "drover doctor\n"),
    .flags = doctor_flags,
    .talks = true,
    .starts_none = true,
    .about = "--deep also reads every page of the database file, including free ones, and\n"
             "compares all folders of the spool with their runs. It changes nothing and can\n"
             "run beside the daemon.\n",
    .run = doctor_run,
};
