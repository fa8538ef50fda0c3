/* command_doctor.c: drover doctor. Each check is one row: its subject, its verdict, and what to do
 * where something is wrong. Only a `fail` makes the exit code other than 0. */
#include <errno.h>
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
#include "store/datadir.h"
#include "store/library.h"
#include "store/store.h"

enum { DAMAGE_SHOWN_MAX = 20 };

static const struct flag doctor_flags[] = {
    OPTION_TEXT("database", 0, "URL", "postgres://…; without it, SQLite in the data directory.",
                .env = "DROVER_DATABASE"),
    OPTION_SWITCH("deep", 0, "Read everything: all pages of the file, all folders of the spool."),
    OPTION_END,
};

void doctor_row(struct doctor *doctor, enum verdict verdict, const char *what, const char *text) {
    static const char *const names[] = {"ok", "warn", "fail"};
    static const char *const colours[] = {"\033[32m", "\033[33m", "\033[31m"};
    if (verdict == VERDICT_FAIL) {
        doctor->failed = true;
    }
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

void doctor_fail(struct doctor *doctor, const char *what, struct err err, const struct why *why) {
    if (!doctor->failed) {
        doctor->failure = err.code;
    }
    doctor_row(doctor, VERDICT_FAIL, what, why->text[0] != '\0' ? why->text : err_title(err.code));
}

/* --- The checks ------------------------------------------------------------------------------- */

static void check_permissions(struct doctor *doctor, const struct stat *info) {
    struct why why;
    unsigned mode = (unsigned)info->st_mode & 0777;
    if ((mode & S_IWOTH) != 0) {
        why_set(&why,
                "everybody may write into it (mode %03o), so 'drover serve' refuses it;"
                " 'chmod 700 %s'",
                mode, doctor->data);
        doctor_fail(doctor, "permissions", err_make(ERR_CONFIG, "doctor: permissions"), &why);
    } else if (info->st_uid != geteuid()) {
        why_set(&why, "it belongs to another user (number %lu), who can change all that is in it",
                (unsigned long)info->st_uid);
        doctor_row(doctor, VERDICT_WARN, "permissions", why.text);
    } else if ((mode & 077) != 0) {
        why_set(&why, "others may %s (mode %03o); 'chmod 700 %s' keeps them out",
                (mode & S_IWGRP) != 0 ? "write into it" : "enter", mode, doctor->data);
        doctor_row(doctor, VERDICT_WARN, "permissions", why.text);
    } else {
        doctor_row(doctor, VERDICT_OK, "permissions", "only the owner may enter");
    }
}

static void check_data(struct doctor *doctor) {
    struct why why;
    struct stat info;
    if (stat(doctor->data, &info) < 0) {
        bool absent = errno == ENOENT;
        why_set(&why, "%s: %s", doctor->data,
                absent ? "does not exist yet; 'drover serve' makes it" : strerror(errno));
        doctor_row(doctor, absent ? VERDICT_WARN : VERDICT_FAIL, "data", why.text);
        return;
    }
    doctor->data_exists = S_ISDIR(info.st_mode);
    if (!doctor->data_exists) {
        why_set(&why, "%s is not a directory", doctor->data);
        doctor_fail(doctor, "data", err_make(ERR_CONFIG, "doctor: data"), &why);
    } else if (access(doctor->data, R_OK | W_OK | X_OK) < 0) {
        why_set(&why, "%s: %s", doctor->data, strerror(errno));
        doctor_fail(doctor, "data", err_make(ERR_READ_ONLY, "doctor: data"), &why);
    } else {
        doctor_row(doctor, VERDICT_OK, "data", doctor->data);
    }
    if (doctor->data_exists) {
        check_permissions(doctor, &info);
    }
}

static void check_space(struct doctor *doctor) {
    struct statvfs info;
    if (!doctor->data_exists || statvfs(doctor->data, &info) < 0) {
        return;
    }
    uint64_t free_mb = (uint64_t)info.f_bavail * info.f_frsize >> 20;
    struct why why;
    enum verdict verdict = free_mb < 100    ? VERDICT_FAIL
                           : free_mb < 1024 ? VERDICT_WARN
                                            : VERDICT_OK;
    why_set(&why, "%llu MB free%s", (unsigned long long)free_mb,
            verdict == VERDICT_OK ? "" : "; make room on this disk");
    doctor_row(doctor, verdict, "space", why.text);
    if (verdict == VERDICT_FAIL && doctor->failure == ERR_NONE) {
        doctor->failure = ERR_DISK_FULL;
    }
}

/* --- Damaged rows ----------------------------------------------------------------------------- */

static void damage_print(struct doctor *doctor, const json_t *damage) {
    AUTO(text_done) struct text text;
    text_init(&text, DOCTOR_TEXT_MAX);
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
        doctor->failure = doctor->failed ? doctor->failure : ERR_STORE_CORRUPT;
        doctor_row(doctor, VERDICT_FAIL, "row", text.data);
    }
}

/* A page of the search. *io_cursor: owned; NULL after the last page. */
static struct err damage_page(struct doctor *doctor, struct talk *talk, struct doctor_down *down,
                              char **io_cursor, size_t *io_found, struct why *why) {
    AUTO(text_done) struct text target;
    AUTO(json_release) json_t *answer = NULL;
    text_init(&target, DOCTOR_TARGET_MAX);
    text_addf(&target, "/api/v1/damage%s%s",
              *io_cursor == NULL ? "" : "?after=", *io_cursor == NULL ? "" : *io_cursor);
    struct client_request request = {
        .method = "GET", .target = target.data, .timeout_ms = DOCTOR_LOOK_MS};
    struct err err = down != NULL
                         ? doctor_down_rows(down, &answer)
                         : talk_ask(talk, &request, NULL /* parsed is enough */, &answer, why);
    if (err_failed(err)) {
        return err;
    }
    const json_t *items = json_object_get(answer, "items");
    for (size_t i = 0; i < json_array_size(items); i++) {
        if ((*io_found)++ < DAMAGE_SHOWN_MAX) {
            damage_print(doctor, json_array_get(items, i));
        }
    }
    const char *next = json_string_value(json_object_get(answer, "next"));
    mem_free(*io_cursor);
    *io_cursor = next == NULL ? NULL : mem_copy(next, strlen(next));
    return ERR_OK;
}

static void check_rows(struct doctor *doctor, struct talk *talk, struct doctor_down *down) {
    struct why why = {.text = ""};
    AUTO(mem_release) char *cursor = NULL;
    size_t found = 0;
    struct err err = ERR_OK;
    do {
        err = damage_page(doctor, talk, down, &cursor, &found, &why);
    } while (!err_failed(err) && cursor != NULL);
    if (err_failed(err)) {
        doctor_row(doctor, VERDICT_WARN, "rows",
                   why.text[0] != '\0' ? why.text : err_title(err.code));
    } else if (found == 0) {
        doctor_row(doctor, VERDICT_OK, "rows", "all text and JSON can be read");
    } else if (found > DAMAGE_SHOWN_MAX) {
        why_set(&why, "%zu columns are damaged; the first %d are shown", found, DAMAGE_SHOWN_MAX);
        doctor_row(doctor, VERDICT_WARN, "rows", why.text);
    }
}

/* --- The daemon and the system ---------------------------------------------------------------- */

/* Without a daemon nobody else reads the rows, and this takes a while. */
static void check_down(struct doctor *doctor) {
    struct doctor_down *down = NULL;
    struct why why = {.text = ""};
    if (!doctor->deep || !doctor_database_exists(doctor)) {
        doctor_row(doctor, VERDICT_WARN, "daemon", "not running; rows are not searched for damage");
        return;
    }
    doctor_row(doctor, VERDICT_WARN, "daemon", "not running");
    struct err err = doctor_down_open(doctor, &down, &why);
    if (err_failed(err)) {
        doctor_row(doctor, VERDICT_WARN, "rows",
                   why.text[0] != '\0' ? why.text : err_title(err.code));
        return;
    }
    check_rows(doctor, NULL /* nobody to ask */, down);
    doctor_check_folders(doctor, NULL, down);
    doctor_down_close(down);
}

static void check_daemon(struct doctor *doctor) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(json_release) json_t *answer = NULL;
    struct client_request request = {
        .method = "GET", .target = "/api/v1/version", .timeout_ms = 5000};
    struct why why = {.text = ""};
    struct err err = talk_open(&talk, doctor->invocation);
    if (!err_failed(err)) {
        err = talk_ask(&talk, &request, NULL /* parsed is enough */, &answer, &why);
    }
    if (err.code == ERR_UNREACHABLE) {
        check_down(doctor);
        return;
    }
    if (err_failed(err)) {
        doctor_fail(doctor, "daemon", err, &why);
        return;
    }
    const char *version = talk_text(answer, "version");
    bool same = strcmp(version, DROVER_VERSION) == 0;
    why_set(&why, "running, version %s, %s%s", version, talk_text(answer, "database"),
            same ? "" : "; this program is another version: restart the daemon");
    doctor_row(doctor, same ? VERDICT_OK : VERDICT_WARN, "daemon", why.text);
    if (same) {
        check_rows(doctor, &talk, NULL /* it runs */);
    }
    if (same && doctor->deep) {
        doctor_check_folders(doctor, &talk, NULL);
    }
}

/* Crashes of the daemon, soon after its start, in a row. */
static void check_starts(struct doctor *doctor, const json_t *ready) {
    const json_t *runs = json_object_get(ready, "last_runs");
    int64_t deaths = talk_int(ready, "failed_starts");
    struct why why = {.text = ""};
    if (deaths > 0) {
        why_set(&why,
                "the daemon crashed soon after its last start, %lld in a row%s%s: look into its"
                " log, and end a hold with drover release",
                (long long)deaths, json_array_size(runs) == 0 ? "" : ", at last at ",
                json_array_size(runs) == 0 ? "" : json_string_value(json_array_get(runs, 0)));
        doctor_row(doctor, VERDICT_WARN, "starts", why.text);
    }
}

/* Of a daemon that runs, which may lack what it needs to begin anything. */
static void check_descriptors(struct doctor *doctor, const json_t *ready) {
    const json_t *descriptors = json_object_get(ready, "descriptors");
    if (descriptors == NULL) {
        return; /* An older daemon. */
    }
    const int64_t since_ms = talk_int(descriptors, "waiting_since_ms");
    struct why why = {.text = ""}, used = {.text = "an unknown number"};
    if (json_is_integer(json_object_get(descriptors, "used"))) {
        why_set(&used, "%lld", (long long)talk_int(descriptors, "used"));
    }
    if (since_ms > 0) {
        int64_t for_ms = world_wall_ms(world_real()) - since_ms;
        why_set(&why,
                "nothing begins since %lld s: no file descriptor is free, %s of %lld in use; raise"
                " the limit of the service (LimitNOFILE=, ulimit -Hn) or of the system"
                " (fs.file-max)",
                (long long)(for_ms > 0 ? for_ms / 1000 : 0), used.text,
                (long long)talk_int(descriptors, "limit"));
    } else {
        why_set(&why, "%s of %lld file descriptors in use", used.text,
                (long long)talk_int(descriptors, "limit"));
    }
    doctor_row(doctor, since_ms > 0 ? VERDICT_WARN : VERDICT_OK, "descriptors", why.text);
}

/* A daemon may live and make no progress: `detail` of the answer says why. */
static void check_progress(struct doctor *doctor) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(json_release) json_t *answer = NULL;
    struct client_request request = {.method = "GET", .target = "/readyz", .timeout_ms = 5000};
    struct why why = {.text = ""};
    struct err err = talk_open(&talk, doctor->invocation);
    if (!err_failed(err)) {
        err = talk_ask(&talk, &request, NULL /* parsed is enough */, &answer, &why);
    }
    if (err.code == ERR_UNREACHABLE) {
        return; /* check_daemon has said so. */
    }
    if (err_failed(err)) {
        doctor_fail(doctor, "progress", err, &why);
        return;
    }
    doctor_row(doctor, VERDICT_OK, "progress", "every run goes on, or waits for something");
    check_starts(doctor, answer);
    check_descriptors(doctor, answer);
    if (talk_int(answer, "damaged") > 0) {
        why_set(
            &why,
            "%lld damaged pages were read since the start: what needs them fails; stop the daemon"
            " and restore a backup",
            (long long)talk_int(answer, "damaged"));
        doctor_fail(doctor, "pages", err_make(ERR_STORE_CORRUPT, "doctor: pages"), &why);
    }
    if (talk_int(answer, "mark_errors") > 0) {
        why_set(&why,
                "drover.mark could not be written %lld times since the start: commits that are lost"
                " now may not be missed at the next start; look for a full or failing disk, and"
                " restart the daemon where the file was removed",
                (long long)talk_int(answer, "mark_errors"));
        doctor_row(doctor, VERDICT_WARN, "mark", why.text);
    }
    if (talk_int(answer, "unknown_folders") > 0) {
        why_set(&why,
                "%lld folders of the spool belong to runs that the database does not know: it has"
                " lost them; copy what is of use out of them: they are removed after a day",
                (long long)talk_int(answer, "unknown_folders"));
        doctor_fail(doctor, "spool", err_make(ERR_STORE_INCOMPLETE, "doctor: spool"), &why);
    }
}

static void check_libraries(struct doctor *doctor) {
    struct why why;
    why_set(&why, "drover %s, libuv %s, SQLite %s, jansson %s, wslay %s", DROVER_VERSION,
            uv_version_string(), store_library_version(), jansson_version_str(), WSLAY_VERSION);
    doctor_row(doctor, VERDICT_OK, "versions", why.text);
}

static void check_sandbox(struct doctor *doctor) {
    struct sandbox_probe probe = sandbox_probe();
    struct why why;
    sandbox_probe_tell(&probe, &why);
    bool none = sandbox_probe_lack(&probe) != NULL;
    doctor_row(doctor, none ? VERDICT_WARN : VERDICT_OK, "sandbox", why.text);
}

/* Judged for this process: a service has other rights, and its log says whether. */
static void check_cgroups(struct doctor *doctor) {
    struct why why;
    bool usable = cgroups_probe(&why);
    doctor_row(doctor, usable ? VERDICT_OK : VERDICT_WARN, "cgroups", why.text);
}

/* --- The command ------------------------------------------------------------------------------ */

static struct err doctor_run(struct invocation *invocation) {
    AUTO(mem_release) char *owned = NULL;
    struct doctor doctor = {.invocation = invocation,
                            .data = args_directory(&invocation->args),
                            .database = args_text(&invocation->args, "database"),
                            .deep = args_on(&invocation->args, "deep")};
    if (doctor.data == NULL) {
        owned = config_data_default(&invocation->env);
        doctor.data = owned;
    }
    if (doctor.data == NULL) {
        why_set(&invocation->why, "no data directory: neither HOME nor XDG_STATE_HOME is set");
        return err_make(ERR_USAGE, "doctor: data");
    }
    check_libraries(&doctor);
    check_data(&doctor);
    check_space(&doctor);
    doctor_check_database(&doctor);
    if (doctor.deep) {
        doctor_check_pages(&doctor);
    }
    check_daemon(&doctor);
    check_progress(&doctor);
    check_sandbox(&doctor);
    check_cgroups(&doctor);
    invocation->told = true;
    return doctor.failed
               ? err_make(doctor.failure != ERR_NONE ? doctor.failure : ERR_INTERNAL, "doctor")
               : ERR_OK;
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
