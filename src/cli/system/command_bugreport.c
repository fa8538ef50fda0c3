/* command_bugreport.c: drover bugreport: a text file that goes with the report of a fault.
 *
 * Every text passes two filters. The first one reads JSON, and keeps a string only as the value of
 * a member that holds words of drover (states, causes, ids, names) or a sentence about a failure:
 * prompts, answers, command lines, instructions and headers are left out wherever they stand. The
 * second one (base/redact.h) reads all bytes of the report, and replaces secrets and what looks
 * like a secret. --with-texts turns off the first filter, never the second.
 *
 * The second filter knows these secrets: each variable in the environment of this command and of
 * the daemon, unless base/process/variables.h says that the value is no secret; keys of providers;
 * the key of webhooks; secrets of the configuration file.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/process/variables.h"
#include "base/redact.h"
#include "cli/base/action.h"
#include "cli/base/api_request.h"
#include "cli/base/autostart.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "store/datadir.h"
#include "store/log_file.h"

static const struct flag bugreport_flags[] = {
    OPTION_TEXT("output", 'o', "FILE", "Write to FILE; - is stdout [drover-bugreport-TIME.txt]."),
    OPTION_SWITCH("with-texts", 0, "Include messages, prompts, command lines and results."),
    OPTION_END,
};

enum {
    REPORT_MAX = 32 << 20,
    FILE_READ_MAX = 1 << 20,
    LOG_LINES = 1000,
    LOG_MAX = 1 << 20,
    SECRETS_MAX = 1024,
    VARIABLE_MIN = 8, /* Shorter values of harmless-looking variables are ordinary words. */
    EVENTS_READ = 1000,
    DEPTH_MAX = 64,
    QUOTE_MAX = 20,
    ASK_MS = 20000,
};

struct report {
    struct invocation *invocation;
    struct talk talk;
    const char *data;
    bool with_texts;
    struct text out;                   /* Owned: the report. */
    struct text variables;             /* Owned: names of those that matter to drover. */
    int64_t left_out;                  /* Number of strings. */
    struct bytes secrets[SECRETS_MAX]; /* Owned. */
    size_t secret_count;
};

/* --- Secrets ---------------------------------------------------------------------------------- */

static void secret_keep(struct report *report, struct bytes value) {
    if (value.len >= REDACT_SECRET_MIN && report->secret_count < SECRETS_MAX) {
        report->secrets[report->secret_count++] =
            (struct bytes){mem_copy(value.data, value.len), value.len};
    }
}

/* Again, as JSON writes it, without its quotes: so it stands in the log and in answers. */
static void secret_add(struct report *report, struct bytes value) {
    AUTO(text_done) struct text json = text_up_to(FILE_READ_MAX);
    secret_keep(report, value);
    text_add_json(&json, value.data, value.len);
    if (!text_failed(&json) && json.len > value.len + 2) {
        secret_keep(report, (struct bytes){json.data + 1, json.len - 2});
    }
    if (json.len > 0) {
        explicit_bzero(json.data, json.len);
    }
}

static void report_done(struct report *report) {
    for (size_t i = 0; i < report->secret_count; i++) {
        char *copy = (char *)(uintptr_t)report->secrets[i].data;
        explicit_bzero(copy, report->secrets[i].len);
        mem_free(copy);
    }
    talk_close(&report->talk);
    text_done(&report->out);
    text_done(&report->variables);
}

/* The first line; AUTO(mem_release) is the caller's. NULL: there is no such file. */
static char *file_text(const struct report *report, const char *folder, const char *name) {
    AUTO(mem_release) char *inner = datadir_path(report->data, folder);
    AUTO(mem_release)
    char *path = folder[0] == '\0' ? datadir_path(report->data, name) : datadir_path(inner, name);
    const struct world *world = report->invocation->world;
    char *content = NULL;
    size_t len = 0;
    struct err err = world->file_read(world->ctx, path, FILE_READ_MAX, &content, &len);
    return err_failed(err) ? NULL : content;
}

static void secret_file(struct report *report, const char *folder, const char *name) {
    AUTO(mem_release) char *content = file_text(report, folder, name);
    if (content != NULL) {
        secret_add(report, (struct bytes){content, strcspn(content, "\r\n")});
        explicit_bzero(content, strlen(content));
    }
}

static void variable_take(struct report *report, const char *variable) {
    const char *equals = strchr(variable, '=');
    if (equals == NULL) {
        return;
    }
    const struct bytes name = {variable, (size_t)(equals - variable)};
    const struct bytes value = bytes_of(equals + 1);
    const bool named = redact_name(name);
    const bool harmless = !named && variable_is_for(variable, VARIABLE_REPORT);
    if (named || (value.len >= VARIABLE_MIN && value.data[0] != '/' && !harmless)) {
        secret_add(report, value);
    }
    if (named || strncmp(variable, "DROVER_", 7) == 0) {
        text_addf(&report->variables, "%.*s\n", (int)name.len, name.data);
    }
}

/* The daemon, whose pid the lock holds, may have other keys than this command. */
static void daemon_variables(struct report *report) {
    AUTO(mem_release) char *pid = file_text(report, "", DATADIR_LOCK);
    char path[64];
    int64_t number = 0;
    const struct bytes digits = {pid, pid == NULL ? 0 : strcspn(pid, "\r\n")};
    if (!number_parse(digits, (struct number_bounds){1, INT32_MAX}, &number)) {
        return;
    }
    (void)snprintf(path, sizeof path, "/proc/%lld/environ", (long long)number); /* Fits. */
    AUTO(mem_release) char *content = mem_new(FILE_READ_MAX);
    text_add_str(&report->variables, "of the daemon:\n");
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = 0, len = 0;
    while (fd >= 0 && len < FILE_READ_MAX - 1 &&
           (got = read(fd, content + len, (size_t)(FILE_READ_MAX - 1 - len))) > 0) {
        len += got;
    }
    for (ssize_t at = 0; at < len; at += (ssize_t)strlen(content + at) + 1) {
        variable_take(report, content + at);
    }
    explicit_bzero(content, (size_t)len);
}

static void config_secrets(struct report *report) {
    AUTO(mem_release) char *content = file_text(report, "", "config.json");
    AUTO(json_release) json_t *config = content == NULL ? NULL : json_loads(content, 0, NULL);
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach(config, name, value) {
        if (redact_name(bytes_of(name)) && json_is_string(value)) {
            secret_add(report, bytes_of(json_string_value(value)));
        }
    }
}

static void secrets_find(struct report *report) {
    const char *const *all = report->invocation->env.all;
    text_add_str(&report->variables, "of this command:\n");
    for (size_t i = 0; all != NULL && all[i] != NULL; i++) {
        variable_take(report, all[i]);
    }
    daemon_variables(report);
    secret_file(report, "", "webhook.key");
    secret_file(report, "", "run.key");
    AUTO(mem_release) char *folder = datadir_path(report->data, "provider-keys");
    DIR *keys = opendir(folder);
    for (const struct dirent *key = keys == NULL ? NULL : readdir(keys); key != NULL;
         key = readdir(keys)) {
        if (key->d_name[0] != '.') {
            secret_file(report, "provider-keys", key->d_name);
        }
    }
    if (keys != NULL) {
        (void)closedir(keys); /* Read only. */
    }
    config_secrets(report);
}

/* --- The report ------------------------------------------------------------------------------- */

static void report_add(struct report *report, struct bytes text) {
    const struct redact_secrets secrets = {report->secrets, report->secret_count};
    redact_add(&report->out, text, &secrets);
}

static void section(struct report *report, const char *title) {
    text_addf(&report->out, "\n=== %s ===\n", title);
}

static void lacks(struct report *report, struct err err, const struct why *why) {
    AUTO(text_done) struct text line = text_up_to(4096);
    text_addf(&line, "(not available: %s)\n", err_words(err, why));
    report_add(report, text_bytes(&line));
}

/* --- The filter of JSON ----------------------------------------------------------------------- */

/* Words of drover: states, causes, ids, names of models and tools. Never of several words. */
static const char *const words[] = {
    "id",      "run",           "parent",       "root",        "session", "state",    "cause",
    "gate",    "kind",          "type",         "event",       "name",    "model",    "provider",
    "level",   "status",        "role",         "code",        "outcome", "mode",     "host",
    "stream",  "message",       "reply_to",     "origin",      "effort",  "database", "version",
    "owner",   "default_model", "review_model", "title_model", "scopes",  "by",       "model_from",
    "fork",    "tool",          "verdict",      "engine",      "stop",    "step",     "base_url",
    "sandbox", "signal",        "signal_name",  "isolation",   NULL};
/* Sentences about a failure; of several words. */
static const char *const sentences[] = {"note", "error", "detail", "about", "title", NULL};

static bool is_one_word(const char *text) {
    size_t len = strlen(text);
    return len <= 200 && strcspn(text, " \t\r\n") == len;
}

/* The program is a word of the command line, and after it comes the PATH of the daemon. */
static const char *program_cut(const char *text, struct text *cut) {
    static const struct bytes begin = BYTES_INIT("There is no program '");
    if (strncmp(text, begin.data, begin.len) != 0) {
        return text;
    }
    text_addf(cut, "There is no program [%zu bytes]", strlen(text) - begin.len);
    return "";
}

/* Some failures quote what was sent. */
static json_t *without_quotes(const char *text) {
    AUTO(text_done) struct text cut = text_up_to(REPORT_MAX);
    text = program_cut(text, &cut);
    while (*text != '\0') {
        const char *end = *text == '"' ? strchr(text + 1, '"') : NULL;
        if (end != NULL && end - text > QUOTE_MAX) {
            text_addf(&cut, "\"[%td bytes]\"", end - text - 1);
            text = end + 1;
        } else {
            text_add_char(&cut, *text++);
        }
    }
    return json_stringn(text_bytes(&cut).data, cut.len);
}

/* `title` is a sentence of a problem, and the words of a user in a session. */
static bool passes(const struct report *report, const char *name, const char *text) {
    unsigned at = 0;
    if (bytes_find(bytes_of(name), words, &at) && is_one_word(text)) {
        return true;
    }
    return report->with_texts ||
           (strcmp(name, "title") != 0 && bytes_find(bytes_of(name), sentences, &at));
}

static json_t *filter_value(struct report *report, const char *name, const json_t *value,
                            int depth);

static json_t *filter_string(struct report *report, const char *name, const json_t *value) {
    const char *text = json_string_value(value);
    if (redact_name(bytes_of(name)) || strcmp(name, "headers") == 0 || strcmp(name, "env") == 0) {
        return json_string("[removed]");
    }
    if (text[0] == '\0' || passes(report, name, text)) {
        return report->with_texts ? json_string(text) : without_quotes(text);
    }
    char said[48];
    (void)snprintf(said, sizeof said, "[%zu bytes]", json_string_length(value)); /* Fits. */
    report->left_out++;
    return json_string(said);
}

/* Headers and variables are removed whole: each of them is a string by a name of its own. A span
 * of a process is named after its command line. */
static json_t *filter_object(struct report *report, const char *name, const json_t *value,
                             int depth) {
    const bool hidden = strcmp(name, "headers") == 0 || strcmp(name, "env") == 0;
    json_t *copy = json_object(), *member = NULL;
    const bool process = strcmp(json_str(value, "kind", ""), "process") == 0;
    const char *key = NULL;
    json_object_foreach((json_t *)(uintptr_t)value, key, member) {
        const char *as = hidden ? name : process && strcmp(key, "name") == 0 ? "label" : key;
        (void)json_object_set_new(copy, key, filter_value(report, as, member, depth + 1));
    }
    return copy;
}

static json_t *filter_value(struct report *report, const char *name, const json_t *value,
                            int depth) {
    if (depth > DEPTH_MAX) {
        return json_string("[too deep]");
    }
    if (json_is_string(value)) {
        return filter_string(report, name, value);
    }
    if (json_is_object(value)) {
        return filter_object(report, name, value, depth);
    }
    if (!json_is_array(value)) {
        return json_deep_copy(value);
    }
    json_t *copy = json_array();
    const char *before = ""; /* A flag of a command line; its value is the next item. */
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *item = json_array_get(value, i);
        const bool hidden = before[0] == '-' && redact_name(bytes_of(before));
        (void)json_array_append_new(copy,
                                    filter_value(report, hidden ? before : name, item, depth + 1));
        before = json_is_string(item) ? json_string_value(item) : "";
    }
    return copy;
}

static void json_add(struct report *report, const json_t *value) {
    AUTO(json_release) json_t *copy = filter_value(report, "", value, 0);
    AUTO(text_done) struct text line = text_up_to(REPORT_MAX);
    struct err err = json_write(copy, &line);
    if (err_failed(err)) {
        lacks(report, err, &(struct why){.text = ""});
        return;
    }
    report_add(report, text_bytes(&line));
    text_add_char(&report->out, '\n');
}

/* --- What the daemon says --------------------------------------------------------------------- */

/* `id` NULL: the path is `base`. */
static struct err ask(struct report *report, const char *base, const char *id, const char *rest,
                      json_t **ret_answer, struct why *why) {
    const struct api_request request = {.base = base,
                                        .id = id,
                                        .rest = rest,
                                        .timeout_ms = ASK_MS,
                                        .unknown = "there is no run '{}'"};
    return api_ask(&report->talk, &request, ret_answer, why);
}

/* The items of a list, each on a line; of anything else the whole. */
static void path_add(struct report *report, const char *title, const char *base, const char *id,
                     const char *rest) {
    AUTO(json_release) json_t *answer = NULL;
    struct why why = {.text = ""};
    section(report, title);
    struct err err = ask(report, base, id, rest, &answer, &why);
    const json_t *items = json_object_get(answer, "items");
    if (err_failed(err)) {
        lacks(report, err, &why);
    } else if (!json_is_array(items)) {
        json_add(report, answer);
    }
    for (size_t i = 0; i < json_array_size(items); i++) {
        json_add(report, json_array_get(items, i));
    }
}

static void target_add(struct report *report, const char *title, const char *target) {
    path_add(report, title, target, NULL /* no id */, NULL);
}

/* A stream of a session has events of other runs. */
static bool is_of_run(const json_t *event, const char *run) {
    const json_t *data = json_object_get(event, "data");
    const char *of = json_str(data, "run", json_str(json_object_get(data, "message"), "run", NULL));
    return of == NULL || strcmp(of, run) == 0;
}

static void events_add(struct report *report, const char *stream, const char *run) {
    AUTO(json_release) json_t *end = NULL, *answer = NULL;
    struct why why = {.text = ""};
    section(report, "events of the run");
    struct err err = ask(report, "/api/v1/streams/", stream, "/events?limit=1", &end, &why);
    int64_t after = talk_int(end, "head") - EVENTS_READ;
    char rest[64];
    (void)snprintf(rest, sizeof rest, "/events?limit=%d&after=%lld", EVENTS_READ,
                   (long long)(after > 0 ? after : 0)); /* Fits. */
    err = err_failed(err) ? err : ask(report, "/api/v1/streams/", stream, rest, &answer, &why);
    if (err_failed(err)) {
        lacks(report, err, &why);
    }
    const json_t *events = json_object_get(answer, "events");
    for (size_t i = 0; i < json_array_size(events); i++) {
        if (is_of_run(json_array_get(events, i), run)) {
            json_add(report, json_array_get(events, i));
        }
    }
}

/* The newest run that failed, where none is named; NULL: there is none. */
static struct err run_find(struct report *report, json_t **ret_run, struct why *why) {
    AUTO(json_release) json_t *page = NULL;
    const struct args *args = &report->invocation->args;
    if (args->operand_count > 0) {
        return ask(report, "/api/v1/runs/", args->operands[0], NULL, ret_run, why);
    }
    struct err err = ask(report, "/api/v1/runs?state=failed,timed_out,lost,degraded&limit=1",
                         NULL /* no id */, NULL, &page, why);
    const json_t *newest = json_array_get(json_object_get(page, "items"), 0);
    return err_failed(err) || newest == NULL
               ? err
               : ask(report, "/api/v1/runs/", talk_text(newest, "id"), NULL, ret_run, why);
}

static struct err run_add(struct report *report) {
    AUTO(json_release) json_t *run = NULL;
    struct why why = {.text = ""};
    struct err err = run_find(report, &run, &why);
    section(report, "run");
    if (err_failed(err)) {
        lacks(report, err, &why);
        if (report->invocation->args.operand_count > 0 && err.code == ERR_NOT_FOUND) {
            report->invocation->why = why;
            return err;
        }
        return ERR_OK;
    }
    if (run == NULL) {
        text_add_str(&report->out, "(no run has failed; name one: drover bugreport RUN)\n");
        return ERR_OK;
    }
    json_add(report, run);
    const char *id = talk_text(run, "id");
    path_add(report, "spans of the run", "/api/v1/runs/", id, "/spans?limit=200");
    if (strcmp(talk_text(run, "kind"), "workflow") == 0) {
        path_add(report, "agents of the run", "/api/v1/runs/", id, "/agents?limit=200");
    }
    events_add(report, talk_text(run, "stream"), id);
    return ERR_OK;
}

/* --- What this machine says ------------------------------------------------------------------- */

/* A JSON line for each check, as in the other sections. The output of the command goes through a
 * file in memory, since it is printed to stdout. */
static void doctor_add(struct report *report) {
    const char *const argv[] = {"drover", "doctor", "--json", "--data", report->data, NULL};
    AUTO(fd_release) int file = memfd_create("drover-doctor", MFD_CLOEXEC);
    AUTO(fd_release) int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    AUTO(fd_release) int err = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    AUTO(mem_release) char *content = mem_new(FILE_READ_MAX);
    section(report, "doctor");
    (void)fflush(stdout); /* Bytes that are buffered belong to the real one. */
    if (file < 0 || out < 0 || err < 0 || dup2(file, STDOUT_FILENO) < 0 ||
        dup2(file, STDERR_FILENO) < 0) {
        lacks(report, err_from_errno(errno, "report: doctor"), &(struct why){.text = ""});
        return;
    }
    int code = cli_main(5, argv, report->invocation->serve);
    (void)fflush(stdout);
    (void)dup2(out, STDOUT_FILENO); /* Both were open just now. */
    (void)dup2(err, STDERR_FILENO);
    ssize_t got = pread(file, content, FILE_READ_MAX - 1, 0);
    report_add(report, (struct bytes){content, got < 0 ? 0 : (size_t)got});
    text_addf(&report->out, "exit code %d\n", code);
}

static void log_add(struct report *report) {
    AUTO(text_done) struct text end = text_up_to(LOG_MAX);
    section(report, "end of the log");
    if (err_failed(log_file_end(report->data, LOG_LINES, &end)) || end.len == 0) {
        text_add_str(&report->out, "(there is no file 'log' in the data directory: the daemon logs"
                                   " to its stderr; of a service: journalctl -u drover)\n");
        return;
    }
    report_add(report, text_bytes(&end));
}

static void config_add(struct report *report) {
    AUTO(mem_release) char *content = file_text(report, "", "config.json");
    AUTO(json_release) json_t *config = content == NULL ? NULL : json_loads(content, 0, NULL);
    section(report, "config.json");
    if (config == NULL) {
        text_add_str(&report->out, content == NULL ? "(there is none)\n" : "(it is no JSON)\n");
    } else {
        json_add(report, config);
    }
}

/* --- The command ------------------------------------------------------------------------------ */

static struct err report_make(struct report *report) {
    section(report, "versions");
    text_addf(&report->out, "drover %s\n", DROVER_VERSION);
    (void)talk_open(&report->talk, report->invocation); /* Each request tells of an error. */
    target_add(report, "daemon", "/api/v1/version");
    target_add(report, "readiness", "/readyz");
    doctor_add(report);
    target_add(report, "settings", "/api/v1/settings");
    config_add(report);
    section(report, "names of variables that are set");
    report_add(report, text_bytes(&report->variables));
    target_add(report, "providers", "/api/v1/providers");
    target_add(report, "newest runs", "/api/v1/runs?limit=50");
    struct err err = run_add(report);
    log_add(report);
    return err;
}

static void head_write(const struct report *report, int64_t now_ms, struct text *head) {
    text_addf(head, "drover bug report, %s\n\n", talk_time(now_ms).text);
    text_add_str(head,
                 "In it: versions; what 'drover doctor' says; settings; names of variables;"
                 " connections\nto providers; the newest runs; one run with its spans and events;"
                 " the end of the log.\n");
    if (report->with_texts) {
        text_add_str(head, "With --with-texts: messages, prompts, command lines and results are in"
                           " it.\n");
    } else {
        text_addf(head,
                  "Left out: messages, prompts, command lines, results, labels, titles (%lld texts;"
                  " [N bytes]\nstands for each).\n",
                  (long long)report->left_out);
    }
    text_add_str(head, "Never in it: values of variables, keys, tokens, headers. What looked like"
                       " one is [removed].\nRead it before you hand it on.\n");
}

static struct err file_write(const struct report *report, const char *path, const struct text *head,
                             struct why *why) {
    const bool to_stdout = strcmp(path, "-") == 0;
    AUTO(fd_release)
    int fd = to_stdout ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
                       : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    const struct text *const texts[] = {head, &report->out};
    for (size_t i = 0; i < COUNT_OF(texts) && fd >= 0; i++) {
        for (size_t at = 0; at < texts[i]->len;) {
            ssize_t put = write(fd, texts[i]->data + at, texts[i]->len - at);
            if (put < 0 && errno != EINTR) {
                return path_why(err_from_errno(errno, "report: write"), path, "written", why);
            }
            at += put > 0 ? (size_t)put : 0;
        }
    }
    return fd >= 0 ? ERR_OK
                   : path_why(err_from_errno(errno, "report: create"), path, "created", why);
}

static struct err bugreport_run(struct invocation *invocation) {
    AUTO(mem_release) char *owned = NULL;
    AUTO(text_done) struct text head = text_up_to(8192);
    AUTO(text_done) struct text path = text_up_to(4096);
    const int64_t now_ms = world_wall_ms(invocation->world);
    AUTO(report_done)
    struct report report = {.invocation = invocation,
                            .talk = {.interrupt_fd = -1},
                            .with_texts = args_on(&invocation->args, "with-texts"),
                            .out = text_up_to(REPORT_MAX),
                            .variables = text_up_to(FILE_READ_MAX)};
    struct err err =
        config_data(&invocation->args, &invocation->env, &owned, &report.data, &invocation->why);
    if (!err_failed(err)) {
        secrets_find(&report);
        err = report_make(&report);
    }
    const char *output = args_text(&invocation->args, "output");
    if (output != NULL) {
        text_add_str(&path, output);
    } else {
        text_addf(&path, "drover-bugreport-%lld.txt", (long long)(now_ms / 1000));
    }
    if (!err_failed(err)) {
        head_write(&report, now_ms, &head);
        err = text_failed(&report.out) ? text_error(&report.out, "report")
                                       : file_write(&report, path.data, &head, &invocation->why);
    }
    if (!err_failed(err) && strcmp(path.data, "-") != 0) {
        if (invocation->json) {
            AUTO(json_release) json_t *answer = json_object();
            (void)json_object_set_new(answer, "report", json_string(path.data));
            talk_print(answer);
        } else {
            printf("report: %s\nRead it before you hand it on.\n", path.data);
        }
    }
    return err;
}

const struct command command_bugreport = {
    COMMAND(NULL, "bugreport", "[RUN]", "Write a report about a fault, without secrets."),
    HELP(HELP, "drover bugreport last -o report.txt\n"),
    .flags = bugreport_flags,
    .talks = true,
    .starts_none = true,
    .about = "The report is one text file: versions, what doctor says, settings, the end of\n"
             "the log, and RUN with its spans and events (without RUN: the newest that\n"
             "failed). Texts of messages and keys are left out; the file says what is in it.\n",
    .run = bugreport_run,
};
