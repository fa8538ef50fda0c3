/* command_doctor.c: drover doctor. Each check is one row: its subject, its verdict, and what to do
 * where something is wrong. Only a `fail` makes the exit code other than 0. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <wslay/wslay.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/system/doctor.h"
#include "loop/loop_uv.h"
#include "proc/cgroups.h"
#include "proc/sandbox/probe.h"
#include "store/commit_mark.h"
#include "store/datadir.h"
#include "store/store.h"

static const struct flag doctor_flags[] = {
    OPTION_TEXT("database", 0, "URL", "postgres://…; without it, SQLite in the data directory.",
                .env = "DROVER_DATABASE"),
    OPTION_SWITCH("deep", 0, "Read everything: all pages of the file, all folders of the spool."),
    OPTION_END,
};

/* --- Rows of the report ----------------------------------------------------------------------- */

static void verdict_print(const struct doctor *doctor, enum verdict verdict, const char *what,
                          const char *text) {
    static const char *const names[] = {"ok", "warn", "fail"};
    static const char *const colours[] = {"\033[32m", "\033[33m", "\033[31m"};
    if (doctor->invocation->json) {
        AUTO(text_done) struct text line = {0};
        text_init(&line, 2 * DOCTOR_TEXT_MAX);
        text_addf(&line, "{\"check\":\"%s\",\"verdict\":\"%s\",\"detail\":", what, names[verdict]);
        text_add_json(&line, text, strlen(text));
        text_add_str(&line, "}\n");
        fputs(text_failed(&line) ? "" : line.data, stdout);
        return;
    }
    const struct config_env *env = &doctor->invocation->env;
    const char *no_colour = env->get(env->ctx, "NO_COLOR");
    bool colour = isatty(STDOUT_FILENO) && (no_colour == NULL || no_colour[0] == '\0');
    printf("%s%-4s%s  %-12s %s\n", colour ? colours[verdict] : "", names[verdict],
           colour ? "\033[0m" : "", what, text);
}

void doctor_row(struct doctor *doctor, enum verdict verdict, const char *what, const char *format,
                ...) {
    struct why why;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(why.text, sizeof why.text, format, args); /* Cut at worst. */
    va_end(args);
    verdict_print(doctor, verdict, what, why.text);
}

void doctor_fail_text(struct doctor *doctor, enum err_code code, const char *what,
                      const char *text) {
    doctor->failure = doctor->failure != ERR_NONE ? doctor->failure : code;
    verdict_print(doctor, VERDICT_FAIL, what, text);
}

void doctor_fail(struct doctor *doctor, enum err_code code, const char *what, const char *format,
                 ...) {
    struct why why;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(why.text, sizeof why.text, format, args); /* Cut at worst. */
    va_end(args);
    doctor_fail_text(doctor, code, what, why.text);
}

const char *doctor_words(struct err err, const struct why *why) {
    return why->text[0] != '\0' ? why->text : err_title(err.code);
}

/* --- The data directory ----------------------------------------------------------------------- */

static void check_permissions(struct doctor *doctor, const struct stat *info) {
    unsigned mode = (unsigned)info->st_mode & 0777;
    if ((mode & S_IWOTH) != 0) {
        doctor_fail(doctor, ERR_CONFIG, "permissions",
                    "everybody may write into it (mode %03o), so 'drover serve' refuses it;"
                    " 'chmod 700 %s'",
                    mode, doctor->data);
    } else if (info->st_uid != geteuid()) {
        doctor_row(doctor, VERDICT_WARN, "permissions",
                   "it belongs to another user (number %lu), who can change all that is in it",
                   (unsigned long)info->st_uid);
    } else if ((mode & 077) != 0) {
        doctor_row(doctor, VERDICT_WARN, "permissions",
                   "others may %s (mode %03o); 'chmod 700 %s' keeps them out",
                   (mode & S_IWGRP) != 0 ? "write into it" : "enter", mode, doctor->data);
    } else {
        doctor_row(doctor, VERDICT_OK, "permissions", "only the owner may enter");
    }
}

static void check_data(struct doctor *doctor) {
    const char *data = doctor->data;
    struct stat info;
    if (stat(data, &info) < 0 && errno == ENOENT) {
        doctor_row(doctor, VERDICT_WARN, "data", "%s: does not exist yet; 'drover serve' makes it",
                   data);
        return;
    }
    if (stat(data, &info) < 0) {
        doctor_fail(doctor, ERR_INTERNAL, "data", "%s: %s", data, strerror(errno));
        return;
    }
    doctor->data_exists = S_ISDIR(info.st_mode);
    if (!doctor->data_exists) {
        doctor_fail(doctor, ERR_CONFIG, "data", "%s is not a directory", data);
        return;
    }
    if (access(data, R_OK | W_OK | X_OK) < 0) {
        doctor_fail(doctor, ERR_READ_ONLY, "data", "%s: %s", data, strerror(errno));
    } else {
        verdict_print(doctor, VERDICT_OK, "data", data);
    }
    check_permissions(doctor, &info);
}

static void check_space(struct doctor *doctor) {
    struct statvfs info;
    if (!doctor->data_exists || statvfs(doctor->data, &info) < 0) {
        return;
    }
    uint64_t free_mb = (uint64_t)info.f_bavail * info.f_frsize >> 20;
    if (free_mb < 100) {
        doctor_fail(doctor, ERR_DISK_FULL, "space", "%llu MB free; make room on this disk",
                    (unsigned long long)free_mb);
    } else {
        doctor_row(doctor, free_mb < 1024 ? VERDICT_WARN : VERDICT_OK, "space", "%llu MB free%s",
                   (unsigned long long)free_mb, free_mb < 1024 ? "; make room on this disk" : "");
    }
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

static void check_database(struct doctor *doctor) {
    struct why why = {.text = ""};
    if (!database_exists(doctor)) {
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

/* Also pages that no row needs. */
static void check_pages(struct doctor *doctor) {
    struct store_pages pages = {.pages = 0};
    struct why why = {.text = ""};
    if (doctor->database != NULL || !database_exists(doctor)) {
        return; /* check_database has read every row. */
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
    AUTO(text_done) struct text text = text_up_to(DOCTOR_TEXT_MAX);
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

/* --- The daemon ------------------------------------------------------------------------------- */

static struct err daemon_get(struct doctor *doctor, struct talk *talk, const char *target,
                             json_t **ret_answer, struct why *why) {
    struct client_request request = {.method = "GET", .target = target, .timeout_ms = 5000};
    struct err err = talk_open(talk, doctor->invocation);
    return err_failed(err) ? err
                           : talk_ask(talk, &request, NULL /* parsed is enough */, ret_answer, why);
}

static void check_daemon(struct doctor *doctor) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(json_release) json_t *answer = NULL;
    struct why why = {.text = ""};
    struct err err = daemon_get(doctor, &talk, "/api/v1/version", &answer, &why);
    if (err.code == ERR_UNREACHABLE) {
        /* Without a daemon nobody else reads the rows, and this takes a while. */
        bool reads = doctor->deep && database_exists(doctor);
        doctor_row(doctor, VERDICT_WARN, "daemon", "not running%s",
                   reads ? "" : "; rows are not searched for damage");
        if (reads) {
            doctor_check_rows(doctor, NULL);
        }
        return;
    }
    if (err_failed(err)) {
        doctor_fail(doctor, err.code, "daemon", "%s", doctor_words(err, &why));
        return;
    }
    const char *version = talk_text(answer, "version");
    bool same = strcmp(version, DROVER_VERSION) == 0;
    doctor_row(doctor, same ? VERDICT_OK : VERDICT_WARN, "daemon", "running, version %s, %s%s",
               version, talk_text(answer, "database"),
               same ? "" : "; this program is another version: restart the daemon");
    if (same) {
        doctor_check_rows(doctor, &talk);
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

/* A daemon may live and make no progress: `detail` of the answer says why. */
static void check_progress(struct doctor *doctor) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(json_release) json_t *answer = NULL;
    struct why why = {.text = ""};
    struct err err = daemon_get(doctor, &talk, "/readyz", &answer, &why);
    if (err.code == ERR_UNREACHABLE) {
        return; /* check_daemon has said so. */
    }
    if (err_failed(err)) {
        doctor_fail(doctor, err.code, "progress", "%s", doctor_words(err, &why));
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
    if (talk_int(answer, "damaged") > 0) {
        doctor_fail(doctor, ERR_STORE_CORRUPT, "pages",
                    "%lld damaged pages were read since the start: what needs them fails; stop the"
                    " daemon and restore a backup",
                    (long long)talk_int(answer, "damaged"));
    }
    if (talk_int(answer, "mark_errors") > 0) {
        doctor_row(doctor, VERDICT_WARN, "mark",
                   "drover.mark could not be written %lld times since the start: commits that are"
                   " lost now may not be missed at the next start; look for a full or failing disk,"
                   " and restart the daemon where the file was removed",
                   (long long)talk_int(answer, "mark_errors"));
    }
    if (talk_int(answer, "unknown_folders") > 0) {
        doctor_fail(doctor, ERR_STORE_INCOMPLETE, "spool",
                    "%lld folders of the spool belong to runs that the database does not know: it"
                    " has lost them; copy what is of use out of them: they are removed after a day",
                    (long long)talk_int(answer, "unknown_folders"));
    }
}

/* --- The command ------------------------------------------------------------------------------ */

static struct err doctor_run(struct invocation *invocation) {
    AUTO(mem_release) char *owned = NULL;
    struct doctor doctor = {.invocation = invocation,
                            .database = args_text(&invocation->args, "database"),
                            .deep = args_on(&invocation->args, "deep")};
    struct err err =
        config_data(&invocation->args, &invocation->env, &owned, &doctor.data, &invocation->why);
    if (err_failed(err)) {
        return err;
    }
    doctor_row(&doctor, VERDICT_OK, "versions",
               "drover %s, libuv %s, SQLite %s, jansson %s, wslay %s", DROVER_VERSION,
               uv_version_string(), store_library_version(), jansson_version_str(), WSLAY_VERSION);
    check_data(&doctor);
    check_space(&doctor);
    check_database(&doctor);
    if (doctor.deep) {
        check_pages(&doctor);
    }
    check_daemon(&doctor);
    check_progress(&doctor);

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
    .name = "doctor",
    .summary = "Check the daemon, its database and this system, and say what to do.",
    .flags = doctor_flags,
    .talks = true,
    .about = "--deep also reads each page of the database file, free ones too, and compares all "
             "folders\n"
             "of the spool with their runs. It changes nothing, and may run beside the daemon.\n",
    .run = doctor_run,
};
