/* request.c: the fields of a job whose value is more than that of a flag: a function for each. The
 * others follow from their rows (rules/job/fields.c). */
#include "cli/job/request.h"

#include <string.h>

#include "base/id.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "cli/base/flags.h"
#include "cli/budget/limits.h"
#include "rules/job/job.h"

const struct flag job_request_flags[] = {
    {.name = "detach",
     .letter = 'd',
     .kind = FLAG_SWITCH,
     .about = "Print the run's id and leave; otherwise its output is followed."},
    FLAGS_OF(&job_fields),
    {.name = "retry-for",
     .kind = FLAG_DURATION,
     .value = "TIME",
     .min = 0,
     .max = INT64_C(24) * 3600 * 1000,
     .absent = "5m",
     .about = "Give up following when the daemon is away for so long."},
    {.name = NULL},
};

/* --- What to run, and where ------------------------------------------------------------------- */

static struct err argv_add(const void *ctx, struct text *body, struct why *why) {
    const struct job_request *request = ctx;
    const struct args *args = request->args;
    struct err err = ERR_OK;
    if (args_on(args, "shell")) {
        return err;
    }
    text_add_name(body, "argv");
    for (unsigned i = 0; i < args->rest_count && !err_failed(err); i++) {
        struct why what;
        why_set(&what, "word %u of the command", i + 1);
        text_add_char(body, i == 0 ? '[' : ',');
        text_add_json(body, args->rest[i], strlen(args->rest[i]));
        err = flags_text_check(args->rest[i], what.text, why);
    }
    text_add_char(body, ']');
    return err;
}

static struct err shell_add(const void *ctx, struct text *body, struct why *why) {
    const struct job_request *request = ctx;
    const struct args *args = request->args;
    if (!args_on(args, "shell")) {
        return ERR_OK;
    }
    if (args->rest_count != 1) {
        why_set(why, "--shell takes one word: put the line in quotes");
        return err_make(ERR_USAGE, "job: shell");
    }
    text_add_name(body, "shell");
    text_add_json(body, args->rest[0], strlen(args->rest[0]));
    return flags_text_check(args->rest[0], "the line", why);
}

static struct err cwd_add(const void *ctx, struct text *body, struct why *why) {
    const struct job_request *request = ctx;
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
        return err_make(ERR_USAGE, "job: cwd");
    }
    text_add_name(body, "cwd");
    text_add_json(body, path.data, path.len);
    return flags_text_check(path.data, "the folder's path", why);
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
        return err_make(ERR_USAGE, "job: env");
    }
    text_add_char(object, object->len > 0 ? ',' : '{');
    text_add_json(object, variable, len);
    text_add_char(object, ':');
    text_add_json(object, value, strlen(value));
    struct why what;
    why_set(&what, "--env: %.*s", (int)(len < 100 ? len : 100), variable);
    struct err err = flags_text_check(variable, "--env", why);
    return err_failed(err) ? err : flags_text_check(value, what.text, why);
}

/* A program on a terminal asks TERM what it can do; the one that will show it is ours. */
static struct err term_add(const struct job_request *request, bool given, struct text *object,
                           struct why *why) {
    bool known = request->env->get(request->env->ctx, "TERM") != NULL;
    bool wanted = args_on(request->args, "pty") && request->on_terminal && !given && known;
    return wanted ? variable_add(request, "TERM", object, why) : ERR_OK;
}

static struct err env_add(const void *ctx, struct text *body, struct why *why) {
    const struct job_request *request = ctx;
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
            return err_make(ERR_USAGE, "job: env");
        }
        err = variable_add(request, variable, &object, why);
    }
    if (!err_failed(err)) {
        err = term_add(request, term, &object, why);
    }
    if (!err_failed(err) && object.len > 0) {
        text_add_char(&object, '}');
        text_add_name(body, "env");
        text_add(body, object.data, object.len);
    }
    return text_failed(&object) ? err_make(ERR_BODY_TOO_LARGE, "job: env") : err;
}

/* --- The rest --------------------------------------------------------------------------------- */

static struct err input_add(const void *ctx, struct text *body, struct why *why) {
    const struct job_request *request = ctx;
    if (request->input.data == NULL) {
        return ERR_OK;
    }
    text_add_name(body, "stdin");
    text_add_json(body, request->input.data, request->input.len);
    if (!utf8_valid(request->input.data, request->input.len) ||
        memchr(request->input.data, '\0', request->input.len) != NULL) {
        why_set(why,
                "--stdin: the input is not UTF-8 text; put it in a file that the command reads");
        return err_make(ERR_USAGE, "job: stdin");
    }
    return ERR_OK;
}

static struct err input_open_add(const void *ctx, struct text *body, struct why *why) {
    const struct job_request *request = ctx;
    if (request->input_open) {
        text_add_name(body, "stdin_open");
        text_add_str(body, "true");
    }
    return ERR_OK;
}

/* What a list shows of a job is its label; without one it is the command itself. */
static struct err label_add(const void *ctx, struct text *body, struct why *why) {
    const struct job_request *request = ctx;
    const struct args *args = request->args;
    const char *given = args_text(args, "label");
    if (given != NULL) {
        text_add_name(body, "label");
        text_add_json(body, given, strlen(given));
        return flags_text_check(given, "--label", why);
    }
    AUTO(text_done) struct text label = {0};
    text_init(&label, LIMIT_BODY_MAX);
    for (unsigned i = 0; i < args->rest_count; i++) {
        text_addf(&label, "%s%s", i > 0 ? " " : "", args->rest[i]);
    }
    if (label.len > 0 && !text_failed(&label)) {
        size_t len = utf8_cut((struct bytes){label.data, label.len}, JOB_LABEL_MAX);
        utf8_make_plain(label.data, len);
        text_add_name(body, "label");
        text_add_json(body, label.data, len);
    }
    return ERR_OK;
}

static struct err pty_add(const void *ctx, struct text *body, struct why *why) {
    const struct job_request *request = ctx;
    if (args_on(request->args, "pty")) {
        text_add_name(body, "pty");
        if (request->on_terminal) {
            text_addf(body, "{\"rows\":%d,\"columns\":%d}", request->size.rows,
                      request->size.columns);
        } else {
            text_add_str(body, "true");
        }
    }
    return ERR_OK;
}

static struct err notify_add(const void *ctx, struct text *body, struct why *why) {
    const struct job_request *request = ctx;
    const struct args *args = request->args;
    unsigned cursor = 0, count = 0;
    struct err err = ERR_OK;
    for (const char *url = NULL;
         !err_failed(err) && (url = args_next(args, "notify", &cursor)) != NULL;) {
        if (count++ == 0) {
            text_add_name(body, "notify");
        }
        text_add_str(body, count == 1 ? "[" : ",");
        text_add_str(body, id_valid(url, strlen(url), "ses") ? "{\"session\":" : "{\"webhook\":");
        text_add_json(body, url, strlen(url));
        text_add_char(body, '}');
        err = flags_text_check(url, "--notify", why);
    }
    text_add_str(body, count > 0 ? "]" : "");
    return err;
}

static struct err budget_add(const void *ctx, struct text *body, struct why *why) {
    const struct job_request *request = ctx;
    const struct args *args = request->args;
    unsigned cursor = 0;
    const char *word = args_next(args, "budget", &cursor);
    if (word == NULL) {
        return ERR_OK;
    }
    text_add_name(body, "budget");
    text_add_char(body, '{');
    struct err err = ERR_OK;
    for (; word != NULL && !err_failed(err); word = args_next(args, "budget", &cursor)) {
        err = budget_words_add(body, word, why);
    }
    text_add_char(body, '}');
    return err;
}

/* --- All of it -------------------------------------------------------------------------------- */

/* A flag that says nothing without another one. */
static struct err together_check(const struct args *args, struct why *why) {
    if (args_given(args, "key-max") && !args_given(args, "key")) {
        why_set(why, "--key-max needs --key KEY: of what at most so many?");
        return err_make(ERR_USAGE, "job: key");
    }
    bool on = args_given(args, "retry-on");
    if (!args_given(args, "retry") && (on || args_given(args, "backoff"))) {
        why_set(why, "%s needs --retry N: how often?", on ? "--retry-on" : "--backoff");
        return err_make(ERR_USAGE, "job: retry");
    }
    return ERR_OK;
}

struct err job_request_write(const struct job_request *request, struct text *body,
                             struct why *why) {
    static const struct flags_part parts[] = {
        {"argv", argv_add},     {"shell", shell_add}, {"cwd", cwd_add},
        {"env", env_add},       {"stdin", input_add}, {"stdin_open", input_open_add},
        {"pty", pty_add},       {"label", label_add}, {"notify", notify_add},
        {"budget", budget_add}, {.name = NULL},
    };
    const struct flags_body all = {.args = request->args,
                                   .fields = &job_fields,
                                   .use = FIELD_GIVEN,
                                   .parts = parts,
                                   .ctx = request};
    struct err err = together_check(request->args, why);
    if (!err_failed(err)) {
        err = flags_body_write(&all, body, why);
    }
    if (!err_failed(err) && text_failed(body)) {
        why_set(why, "the command with its input and environment is too large to be sent");
        return err_make(ERR_BODY_TOO_LARGE, "job: body");
    }
    return err;
}
