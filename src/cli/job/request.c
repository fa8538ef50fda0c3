/* request.c: the fields of a job whose value is more than that of a flag: a function for each. The
 * others follow from their rows (rules/job/fields.c). */
#include "cli/job/request.h"

#include <string.h>

#include "base/id.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "cli/base/flags.h"
#include "cli/base/options.h"
#include "cli/budget/limits.h"
#include "rules/job/job.h"

const struct flag job_request_flags[] = {
    OPTION_SWITCH("detach", 'd', "Print the job's id and exit instead of following its output."),
    FLAGS_OF(&job_fields),
    OPTION_RETRY("Stop following when the daemon is unreachable for this long."),
    OPTION_END,
};

/* --- What to run, and where ------------------------------------------------------------------- */

static struct err argv_add(const void *ctx, struct text *body, struct why *why) {
    const struct args *args = ((const struct job_request *)ctx)->args;
    struct err err = ERR_OK;
    if (args_on(args, "shell")) {
        return err;
    }
    text_add_name(body, "argv");
    for (unsigned i = 0; i < args->rest_count && !err_failed(err); i++) {
        struct why what;
        why_set(&what, "word %u of the command", i + 1);
        text_add_char(body, i == 0 ? '[' : ',');
        err = flags_text_add(body, args->rest[i], what.text, why);
    }
    text_add_char(body, ']');
    return err;
}

static struct err shell_add(const void *ctx, struct text *body, struct why *why) {
    const struct args *args = ((const struct job_request *)ctx)->args;
    if (!args_on(args, "shell")) {
        return ERR_OK;
    }
    if (args->rest_count != 1) {
        return err_why(why, ERR_USAGE, "--shell takes one word: put the line in quotes");
    }
    text_add_name(body, "shell");
    return flags_text_add(body, args->rest[0], "the line", why);
}

static struct err cwd_add(const void *ctx, struct text *body, struct why *why) {
    const struct job_request *request = ctx;
    const char *cwd = args_text(request->args, "cwd");
    AUTO(text_done) struct text path = text_up_to(64 << 10);
    if (cwd == NULL || cwd[0] != '/') {
        text_add_str(&path, request->here);
    }
    if (cwd != NULL) {
        text_addf(&path, "%s%s", cwd[0] != '/' ? "/" : "", cwd);
    }
    if (text_failed(&path)) {
        return err_why(why, ERR_USAGE, "--cwd: the path is too long");
    }
    text_add_name(body, "cwd");
    return flags_text_add(body, path.data, "the folder's path", why);
}

/* --- Environment ------------------------------------------------------------------------------ */

static struct bytes name_of(const char *variable) {
    return (struct bytes){variable, strcspn(variable, "=")};
}

/* NAME=VALUE, or NAME: with the value that it has here. */
static struct err variable_add(const struct job_request *request, const char *variable,
                               struct text *object, struct why *why) {
    struct bytes name = name_of(variable);
    const char *value = variable[name.len] == '=' ? variable + name.len + 1
                                                  : request->env->get(request->env->ctx, variable);
    if (name.len == 0 || value == NULL) {
        return err_why(why, ERR_USAGE,
                       name.len == 0 ? "--env: '%.100s' has no name"
                                     : "--env: %.100s is not set here",
                       variable);
    }
    text_add_char(object, object->len > 0 ? ',' : '{');
    text_add_json(object, name.data, name.len);
    text_add_char(object, ':');
    struct why what;
    why_set(&what, "--env: %.*s", (int)(name.len < 100 ? name.len : 100), variable);
    TRY(flags_text_check(variable, "--env", why));
    return flags_text_add(object, value, what.text, why);
}

static struct err env_add(const void *ctx, struct text *body, struct why *why) {
    const struct job_request *request = ctx;
    const struct args *args = request->args;
    AUTO(text_done) struct text object = text_up_to(body->size_max);
    bool term = false;
    unsigned cursor = 0;
    struct err err = ERR_OK;
    for (const char *variable = NULL;
         !err_failed(err) && (variable = args_next(args, "env", &cursor)) != NULL;) {
        /* One object cannot hold a name twice, and nobody knows which one was meant. */
        unsigned before = 0;
        const char *other = args_next(args, "env", &before);
        while (before < cursor && !bytes_equal(name_of(other), name_of(variable))) {
            other = args_next(args, "env", &before);
        }
        if (before < cursor) {
            return err_why(why, ERR_USAGE, "--env: %.*s was given twice",
                           (int)name_of(variable).len, variable);
        }
        term = term || bytes_is(name_of(variable), "TERM");
        err = variable_add(request, variable, &object, why);
    }
    /* A program on a terminal asks TERM what it can do; the one that will show it is ours. */
    if (!err_failed(err) && args_on(args, "pty") && request->on_terminal && !term &&
        request->env->get(request->env->ctx, "TERM") != NULL) {
        err = variable_add(request, "TERM", &object, why);
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
    struct bytes input = ((const struct job_request *)ctx)->input;
    if (input.data == NULL) {
        return ERR_OK;
    }
    text_add_member(body, "stdin", input);
    if (!utf8_valid(input.data, input.len) || memchr(input.data, '\0', input.len) != NULL) {
        return err_why(
            why, ERR_USAGE,
            "--stdin: the input is not UTF-8 text; put it in a file that the command reads");
    }
    return ERR_OK;
}

static struct err input_open_add(const void *ctx, struct text *body, struct why *why) {
    const struct job_request *request = ctx;
    if (request->input_open) {
        text_add_member_bool(body, "stdin_open", true);
    }
    return ERR_OK;
}

/* What a list shows of a job is its label; without one it is the command itself. */
static struct err label_add(const void *ctx, struct text *body, struct why *why) {
    const struct args *args = ((const struct job_request *)ctx)->args;
    const char *given = args_text(args, "label");
    if (given != NULL) {
        text_add_name(body, "label");
        return flags_text_add(body, given, "--label", why);
    }
    AUTO(text_done) struct text label = text_up_to(LIMIT_BODY_MAX);
    for (unsigned i = 0; i < args->rest_count; i++) {
        text_addf(&label, "%s%s", i > 0 ? " " : "", args->rest[i]);
    }
    if (label.len > 0 && !text_failed(&label)) {
        size_t len = utf8_cut(text_bytes(&label), JOB_LABEL_MAX);
        utf8_make_plain(label.data, len);
        text_add_member(body, "label", (struct bytes){label.data, len});
    }
    return ERR_OK;
}

static struct err pty_add(const void *ctx, struct text *body, struct why *why) {
    const struct job_request *request = ctx;
    if (args_on(request->args, "pty") && request->on_terminal) {
        text_add_name(body, "pty");
        text_addf(body, "{\"rows\":%d,\"columns\":%d}", request->size.rows, request->size.columns);
    } else if (args_on(request->args, "pty")) {
        text_add_member_bool(body, "pty", true);
    }
    return ERR_OK;
}

static struct err notify_add(const void *ctx, struct text *body, struct why *why) {
    const struct args *args = ((const struct job_request *)ctx)->args;
    unsigned cursor = 0;
    const char *to = args_next(args, "notify", &cursor);
    struct err err = ERR_OK;
    if (to == NULL) {
        return err;
    }
    text_add_name(body, "notify");
    for (char before = '['; to != NULL && !err_failed(err); before = ',') {
        bool session = id_valid(to, strlen(to), "ses");
        text_addf(body, "%c{\"%s\":", before, session ? "session" : "webhook");
        err = flags_text_add(body, to, "--notify", why);
        text_add_char(body, '}');
        to = args_next(args, "notify", &cursor);
    }
    text_add_char(body, ']');
    return err;
}

static struct err budget_add(const void *ctx, struct text *body, struct why *why) {
    const struct args *args = ((const struct job_request *)ctx)->args;
    if (args_given(args, "budget")) {
        text_add_name(body, "budget");
    }
    return budget_flag_add(body, args, why);
}

struct err job_request_write(const struct job_request *request, struct text *body,
                             struct why *why) {
    static const struct flags_part parts[] = {
        {"argv", argv_add},     {"shell", shell_add}, {"cwd", cwd_add},
        {"env", env_add},       {"stdin", input_add}, {"stdin_open", input_open_add},
        {"pty", pty_add},       {"label", label_add}, {"notify", notify_add},
        {"budget", budget_add}, {.name = NULL},
    };
    const struct args *args = request->args;
    const struct flags_body all = {
        .args = args, .fields = &job_fields, .use = FIELD_GIVEN, .parts = parts, .ctx = request};
    /* Flags that say nothing without another one. */
    if (args_given(args, "key-max") && !args_given(args, "key")) {
        return err_why(why, ERR_USAGE, "--key-max needs --key KEY, whose jobs it limits");
    }
    bool on = args_given(args, "retry-on");
    if (!args_given(args, "retry") && (on || args_given(args, "backoff"))) {
        return err_why(why, ERR_USAGE, "%s needs --retry N, the number of retries",
                       on ? "--retry-on" : "--backoff");
    }
    struct err err = flags_body_write(&all, body, why);
    if (!err_failed(err) && text_failed(body)) {
        return err_why(why, ERR_BODY_TOO_LARGE,
                       "the command with its input and environment is too large to be sent");
    }
    return err;
}
