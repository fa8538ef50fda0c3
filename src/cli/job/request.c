/* request.c: one function for each group of members. */
#include "cli/job/request.h"

#include <string.h>

#include "base/id.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "cli/budget/limits.h"
#include "engine/job/spec.h"

#define TIME_MAX_MS (INT64_C(366) * 24 * 3600 * 1000)
#define SIZE_MAX_BYTES (INT64_C(1) << 50)

const struct flag job_request_flags[] = {
    {.name = "detach",
     .letter = 'd',
     .kind = FLAG_SWITCH,
     .about = "Print the run's id and leave; otherwise its output is followed."},
    {.name = "shell",
     .kind = FLAG_SWITCH,
     .about = "CMD is one word, a line for /bin/sh; otherwise no shell sees it."},
    {.name = "cwd", .kind = FLAG_TEXT, .value = "DIR", .about = "Folder to run in [this one]."},
    {.name = "env",
     .letter = 'e',
     .kind = FLAG_LIST,
     .value = "NAME[=VALUE]",
     .about = "Sets a variable; without a value it is passed on from here. Repeatable."},
    {.name = "stdin",
     .kind = FLAG_TEXT,
     .value = "FILE",
     .about = "Its input, to its end; '-' is this command's own, as it comes [none]."},
    {.name = "pty",
     .letter = 't',
     .kind = FLAG_SWITCH,
     .about = "Give it a terminal; stdout and stderr are one then."},
    {.name = "timeout",
     .kind = FLAG_DURATION,
     .value = "TIME",
     .min = 1,
     .max = TIME_MAX_MS,
     .about = "End each attempt after so long, like 30s or 2h."},
    {.name = "memory",
     .kind = FLAG_SIZE,
     .value = "SIZE",
     .min = 1,
     .max = SIZE_MAX_BYTES,
     .about = "Limit on the memory of each of its processes, like 1G."},
    {.name = "output",
     .kind = FLAG_SIZE,
     .value = "SIZE",
     .min = 1,
     .max = SIZE_MAX_BYTES,
     .about = "Bytes that are kept of each output stream: its head and its tail."},
    {.name = "processes",
     .kind = FLAG_INT,
     .value = "N",
     .min = 1,
     .max = 1000000,
     .about = "It is ended when it has more processes at once."},
    {.name = "key",
     .kind = FLAG_TEXT,
     .value = "KEY",
     .about = "Jobs with the same key share a limit: see --key-max."},
    {.name = "key-max",
     .kind = FLAG_INT,
     .value = "N",
     .min = 1,
     .max = 100000,
     .about = "At most so many of its key run at once [1]."},
    {.name = "priority",
     .kind = FLAG_INT,
     .value = "N",
     .min = -JOB_PRIORITY_MAX,
     .max = JOB_PRIORITY_MAX,
     .about = "Larger is sooner [0]."},
    {.name = "once",
     .kind = FLAG_SWITCH,
     .about = "Never run it twice: rather lost (outcome_unknown) after a crash."},
    {.name = "sandbox",
     .kind = FLAG_SWITCH,
     .about = "Let it write in its folder only, and see nothing of drover's."},
    {.name = "label",
     .letter = 'l',
     .kind = FLAG_TEXT,
     .value = "TEXT",
     .about = "What it is for, for whoever reads the list [the command]."},
    {.name = "retry",
     .kind = FLAG_INT,
     .value = "N",
     .min = 0,
     .max = 100,
     .about = "Attempts after the first one [0]."},
    {.name = "retry-on",
     .kind = FLAG_TEXT,
     .value = "STATES",
     .about = "Of failed, timed_out, lost; commas between [failed]."},
    {.name = "backoff",
     .kind = FLAG_DURATION,
     .value = "TIME",
     .min = 0,
     .max = RETRY_BACKOFF_MAX_MS,
     .about = "Wait before the first retry; it doubles [1s]."},
    {.name = "notify",
     .kind = FLAG_LIST,
     .value = "URL",
     .about = "Tell this URL, or the session ses_…, when it has ended. Repeatable."},
    {.name = "project",
     .kind = FLAG_TEXT,
     .value = "NAME",
     .about = "Whose budget it is charged to, too."},
    {.name = "budget",
     .kind = FLAG_LIST,
     .value = "LIMIT=VALUE",
     .about = "Give it a budget of its own: wall=30m, cost=2.50, agents=5. Repeatable."},
    {.name = "retry-for",
     .kind = FLAG_DURATION,
     .value = "TIME",
     .min = 0,
     .max = INT64_C(24) * 3600 * 1000,
     .absent = "5m",
     .about = "Give up following when the daemon is away for so long."},
    {.name = NULL},
};

static void member(struct text *body, const char *name) {
    bool first = body->len > 0 && body->data[body->len - 1] == '{';
    text_addf(body, "%s\"%s\":", first ? "" : ",", name);
}

static void text_member(struct text *body, const char *name, const char *value) {
    member(body, name);
    text_add_json(body, value, strlen(value));
}

static struct err usage(const char *step) {
    return err_make(ERR_USAGE, step);
}

/* JSON carries text only. `what` is how the user knows it. */
static struct err text_check(const char *text, const char *what, struct why *why) {
    if (utf8_valid(text, strlen(text))) {
        return ERR_OK;
    }
    why_set(why, "%s is not UTF-8 text", what);
    return usage("job: text");
}

/* --- What to run, and where ------------------------------------------------------------------- */

static struct err command_add(const struct args *args, struct text *body, struct why *why) {
    if (args_on(args, "shell")) {
        if (args->rest_count != 1) {
            why_set(why, "--shell takes one word: put the line in quotes");
            return usage("job: shell");
        }
        text_member(body, "shell", args->rest[0]);
        return text_check(args->rest[0], "the line", why);
    }
    member(body, "argv");
    struct err err = ERR_OK;
    for (unsigned i = 0; i < args->rest_count && !err_failed(err); i++) {
        struct why what;
        why_set(&what, "word %u of the command", i + 1);
        text_add_char(body, i == 0 ? '[' : ',');
        text_add_json(body, args->rest[i], strlen(args->rest[i]));
        err = text_check(args->rest[i], what.text, why);
    }
    text_add_char(body, ']');
    return err;
}

static struct err cwd_add(const struct job_request *request, struct text *body, struct why *why) {
    const char *cwd = args_text(request->args, "cwd");
    AUTO(text_done) struct text path = {0};
    text_init(&path, 64 << 10);
    if (cwd == NULL || cwd[0] != '/') {
        text_add_str(&path, request->here);
    }
    if (cwd != NULL) {
        text_addf(&path, "%s%s", cwd[0] != '/' ? "/" : "", cwd);
    }
    if (text_failed(&path)) {
        why_set(why, "--cwd: the path is too long");
        return usage("job: cwd");
    }
    text_member(body, "cwd", path.data);
    return text_check(path.data, "the folder's path", why);
}

/* --- Environment ------------------------------------------------------------------------------ */

static size_t name_len(const char *variable) {
    return strcspn(variable, "=");
}

static bool same_name(const char *a, const char *b) {
    size_t len = name_len(a);
    return len == name_len(b) && memcmp(a, b, len) == 0;
}

/* One object cannot hold a name twice, and which one was meant is not for us to guess. */
static bool came_before(const struct args *args, unsigned end, const char *variable) {
    unsigned cursor = 0;
    for (const char *other = NULL; (other = args_next(args, "env", &cursor)) != NULL;) {
        if (cursor >= end) {
            return false;
        }
        if (same_name(other, variable)) {
            return true;
        }
    }
    return false;
}

static struct err variable_add(const struct job_request *request, const char *variable,
                               struct text *object, struct why *why) {
    size_t len = name_len(variable);
    const char *value =
        variable[len] == '=' ? variable + len + 1 : request->env->get(request->env->ctx, variable);
    if (len == 0 || value == NULL) {
        why_set(why, len == 0 ? "--env: '%.100s' has no name" : "--env: %.100s is not set here",
                variable);
        return usage("job: env");
    }
    text_add_char(object, object->len > 0 ? ',' : '{');
    text_add_json(object, variable, len);
    text_add_char(object, ':');
    text_add_json(object, value, strlen(value));
    struct why what;
    why_set(&what, "--env: %.*s", (int)(len < 100 ? len : 100), variable);
    struct err err = text_check(variable, "--env", why);
    return err_failed(err) ? err : text_check(value, what.text, why);
}

/* A program on a terminal asks TERM what it can do; the one that will show it is ours. */
static struct err term_add(const struct job_request *request, bool given, struct text *object,
                           struct why *why) {
    bool known = request->env->get(request->env->ctx, "TERM") != NULL;
    bool wanted = args_on(request->args, "pty") && request->on_terminal && !given && known;
    return wanted ? variable_add(request, "TERM", object, why) : ERR_OK;
}

static struct err env_add(const struct job_request *request, struct text *body, struct why *why) {
    AUTO(text_done) struct text object = {0};
    text_init(&object, body->size_max);
    bool term = false;
    unsigned cursor = 0;
    struct err err = ERR_OK;
    for (const char *variable = NULL;
         !err_failed(err) && (variable = args_next(request->args, "env", &cursor)) != NULL;) {
        term = term || same_name(variable, "TERM");
        if (came_before(request->args, cursor, variable)) {
            why_set(why, "--env: %.*s was given twice", (int)name_len(variable), variable);
            return usage("job: env");
        }
        err = variable_add(request, variable, &object, why);
    }
    if (!err_failed(err)) {
        err = term_add(request, term, &object, why);
    }
    if (!err_failed(err) && object.len > 0) {
        text_add_char(&object, '}');
        member(body, "env");
        text_add(body, object.data, object.len);
    }
    return text_failed(&object) ? err_make(ERR_BODY_TOO_LARGE, "job: env") : err;
}

/* --- The rest --------------------------------------------------------------------------------- */

static void int_add(const struct args *args, const char *flag, const char *name,
                    struct text *body) {
    if (args_given(args, flag)) {
        member(body, name);
        text_add_int(body, args_int(args, flag, 0));
    }
}

static void switch_add(const struct args *args, const char *flag, struct text *body) {
    if (args_on(args, flag)) {
        member(body, flag);
        text_add_str(body, "true");
    }
}

static struct err text_flag_add(const struct args *args, const char *flag, struct text *body,
                                struct why *why) {
    const char *value = args_text(args, flag);
    if (value == NULL) {
        return ERR_OK;
    }
    struct why what;
    why_set(&what, "--%s", flag);
    text_member(body, flag, value);
    return text_check(value, what.text, why);
}

static struct err input_add(const struct job_request *request, struct text *body, struct why *why) {
    if (request->input_open) {
        member(body, "stdin_open");
        text_add_str(body, "true");
    }
    if (request->input.data == NULL) {
        return ERR_OK;
    }
    member(body, "stdin");
    text_add_json(body, request->input.data, request->input.len);
    if (!utf8_valid(request->input.data, request->input.len) ||
        memchr(request->input.data, '\0', request->input.len) != NULL) {
        why_set(why,
                "--stdin: the input is not UTF-8 text; put it in a file that the command reads");
        return usage("job: stdin");
    }
    return ERR_OK;
}

/* What a list shows of a job is its label; without one it is the command itself. */
static struct err label_add(const struct args *args, struct text *body, struct why *why) {
    if (args_given(args, "label")) {
        return text_flag_add(args, "label", body, why);
    }
    AUTO(text_done) struct text label = {0};
    text_init(&label, LIMIT_BODY_MAX);
    for (unsigned i = 0; i < args->rest_count; i++) {
        text_addf(&label, "%s%s", i > 0 ? " " : "", args->rest[i]);
    }
    if (label.len > 0 && !text_failed(&label)) {
        size_t len = utf8_cut((struct bytes){label.data, label.len}, JOB_LABEL_MAX);
        utf8_make_plain(label.data, len);
        member(body, "label");
        text_add_json(body, label.data, len);
    }
    return ERR_OK;
}

static void pty_add(const struct job_request *request, struct text *body) {
    if (args_on(request->args, "pty")) {
        member(body, "pty");
        if (request->on_terminal) {
            text_addf(body, "{\"rows\":%d,\"columns\":%d}", request->size.rows,
                      request->size.columns);
        } else {
            text_add_str(body, "true");
        }
    }
}

static void limits_add(const struct args *args, struct text *body) {
    if (args_given(args, "memory") || args_given(args, "output") || args_given(args, "processes")) {
        member(body, "limits");
        text_add_char(body, '{');
        int_add(args, "memory", "memory", body);
        int_add(args, "output", "output", body);
        int_add(args, "processes", "processes", body);
        text_add_char(body, '}');
    }
}

static bool may_retry_on(const char *name, size_t len) {
    static const char *const states[] = {"failed", "timed_out", "lost"};
    for (size_t i = 0; i < COUNT_OF(states); i++) {
        if (strlen(states[i]) == len && memcmp(states[i], name, len) == 0) {
            return true;
        }
    }
    return false;
}

static struct err retry_on_add(const char *names, struct text *body, struct why *why) {
    member(body, "on");
    text_add_char(body, '[');
    for (const char *at = names;; at++) {
        size_t len = strcspn(at, ",");
        if (!may_retry_on(at, len)) {
            why_set(why, "--retry-on: '%.*s' is none of failed, timed_out, lost",
                    (int)(len < 100 ? len : 100), at);
            return usage("job: retry-on");
        }
        text_addf(body, "%s\"%.*s\"", at == names ? "" : ",", (int)len, at);
        at += len;
        if (at[0] == '\0') {
            text_add_char(body, ']');
            return ERR_OK;
        }
    }
}

static struct err retry_add(const struct args *args, struct text *body, struct why *why) {
    const char *on = args_text(args, "retry-on");
    if (!args_given(args, "retry")) {
        if (on == NULL && !args_given(args, "backoff")) {
            return ERR_OK;
        }
        why_set(why, "%s needs --retry N: how often?", on != NULL ? "--retry-on" : "--backoff");
        return usage("job: retry");
    }
    member(body, "retry");
    text_add_char(body, '{');
    int_add(args, "retry", "max", body);
    struct err err = on != NULL ? retry_on_add(on, body, why) : ERR_OK;
    int_add(args, "backoff", "backoff", body);
    text_add_char(body, '}');
    return err;
}

static struct err notify_add(const struct args *args, struct text *body, struct why *why) {
    unsigned cursor = 0, count = 0;
    struct err err = ERR_OK;
    for (const char *url = NULL;
         !err_failed(err) && (url = args_next(args, "notify", &cursor)) != NULL;) {
        if (count++ == 0) {
            member(body, "notify");
        }
        text_add_str(body, count == 1 ? "[" : ",");
        text_add_str(body, id_valid(url, strlen(url), "ses") ? "{\"session\":" : "{\"webhook\":");
        text_add_json(body, url, strlen(url));
        text_add_char(body, '}');
        err = text_check(url, "--notify", why);
    }
    text_add_str(body, count > 0 ? "]" : "");
    return err;
}

static struct err budget_add(const struct args *args, struct text *body, struct why *why) {
    unsigned cursor = 0;
    const char *word = args_next(args, "budget", &cursor);
    if (word == NULL) {
        return ERR_OK;
    }
    member(body, "budget");
    text_add_char(body, '{');
    struct err err = ERR_OK;
    for (; word != NULL && !err_failed(err); word = args_next(args, "budget", &cursor)) {
        err = budget_words_add(body, word, why);
    }
    text_add_char(body, '}');
    return err;
}

static struct err texts_add(const struct job_request *request, struct text *body, struct why *why) {
    struct err err = input_add(request, body, why);
    if (!err_failed(err)) {
        err = text_flag_add(request->args, "key", body, why);
    }
    if (!err_failed(err)) {
        err = label_add(request->args, body, why);
    }
    if (!err_failed(err)) {
        err = retry_add(request->args, body, why);
    }
    if (!err_failed(err)) {
        err = notify_add(request->args, body, why);
    }
    if (!err_failed(err)) {
        err = text_flag_add(request->args, "project", body, why);
    }
    if (!err_failed(err)) {
        err = budget_add(request->args, body, why);
    }
    return err;
}

struct err job_request_write(const struct job_request *request, struct text *body,
                             struct why *why) {
    const struct args *args = request->args;
    if (args_given(args, "key-max") && !args_given(args, "key")) {
        why_set(why, "--key-max needs --key KEY: of what at most so many?");
        return usage("job: key");
    }
    text_add_char(body, '{');
    struct err err = command_add(args, body, why);
    if (!err_failed(err)) {
        err = cwd_add(request, body, why);
    }
    if (!err_failed(err)) {
        err = env_add(request, body, why);
    }
    if (!err_failed(err)) {
        err = texts_add(request, body, why);
    }
    if (err_failed(err)) {
        return err;
    }
    pty_add(request, body);
    limits_add(args, body);
    int_add(args, "timeout", "timeout_ms", body);
    int_add(args, "key-max", "key_max", body);
    int_add(args, "priority", "priority", body);
    switch_add(args, "once", body);
    if (args_on(args, "sandbox")) {
        text_member(body, "sandbox", "on");
    }
    text_add_char(body, '}');
    if (text_failed(body)) {
        why_set(why, "the command with its input and environment is too large to be sent");
        return err_make(ERR_BODY_TOO_LARGE, "job: body");
    }
    return ERR_OK;
}
