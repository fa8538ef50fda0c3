/* request.c: see request.h. */
#include "cli/flow/request.h"

#include <string.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "cli/base/options.h"
#include "cli/base/project.h"
#include "cli/budget/limits.h"
#include "cli/workflow/request.h"

enum { BODY_MAX = 3 << 20 }; /* As the daemon takes it. */
#define TIME_MAX_MS (INT64_C(365) * 24 * 3600 * 1000)

#define REQUEST_OPTIONS                                                                            \
    OPTION_TEXT("input", 'i', "JSON|TEXT", "Set its input, as JSON or else as the question."),     \
        OPTION_TEXT("root", 'r', "DIR", "Set the folder of the project [the current one].")

const struct flag flow_check_flags[] = {REQUEST_OPTIONS, OPTION_END};

#define MODEL_OPTION                                                                               \
    OPTION_TEXT("model", 'm', "NAME",                                                              \
                "Use provider/model for agents that name none [the daemon's].",                    \
                .env = "DROVER_MODEL")
#define RESUME_OPTIONS                                                                             \
    OPTION_TEXT("resume", 0, "RUN",                                                                \
                "Reuse results of this run, or of the flow's last, where steps are the same.",     \
                .own_words = "last"),                                                              \
        OPTION_LIST("rerun", 0, "STEP",                                                            \
                    "With --resume: run this step again, and it alone. Repeatable."),              \
        OPTION_LIST(                                                                               \
            "rerun-from", 0, "STEP",                                                               \
            "With --resume: run this step again, and all that comes after it. Repeatable.")

const struct flag flow_plan_flags[] = {REQUEST_OPTIONS, MODEL_OPTION, RESUME_OPTIONS, OPTION_END};

const struct flag flow_run_flags[] = {
    REQUEST_OPTIONS,
    MODEL_OPTION,
    OPTION_SWITCH("detach", 'd', "Print the run's id and exit instead of following it."),
    OPTION_LIST("budget", 0, "LIMIT=VALUE",
                "Give it a budget of its own: wall=30m, cost=2.50, agents=5. Repeatable."),
    OPTION_TEXT("project", 'p', "NAME", "Charge the budget of this project, too."),
    OPTION_TEXT("label", 'l', "TEXT",
                "Name it in lists; commands take this in place of its id [its name]."),
    OPTION_TIME("timeout", 1, TIME_MAX_MS, "End it after this time: 30s, 2h [never]."),
    OPTION_LIST("notify", 0, "URL", "Notify this URL when it ends. Repeatable."),
    RESUME_OPTIONS,
    OPTION_RETRY("Stop following when the daemon is unreachable for this long."),
    OPTION_END,
};

void flow_request_done(struct flow_request *request) {
    mem_free(request->script);
    text_done(&request->body);
}

/* Takes the value; NULL, for bytes that are no text, is refused by its name. */
static struct err value_set(json_t *body, const char *name, json_t *value, struct why *why) {
    return json_object_set_new(body, name, value) == 0
               ? ERR_OK
               : err_why(why, ERR_USAGE, "the %s is not UTF-8 text", name);
}

static struct err input_set(const struct args *args, json_t *body, struct why *why) {
    AUTO(text_done) struct text words = text_up_to(BODY_MAX);
    const char *input = args_text(args, "input");
    json_t *value = NULL;
    for (unsigned i = 1; i < args->operand_count; i++) {
        text_addf(&words, "%s%s", i > 1 ? " " : "", args->operands[i]);
    }
    if (input != NULL && words.len > 0) {
        return err_why(why, ERR_USAGE, "--input and a text after the flow exclude each other");
    }
    if (input == NULL && words.len == 0) {
        return ERR_OK;
    }
    if (input != NULL) {
        struct why inner = {""};
        const char first = input[strspn(input, " \t\r\n")];
        if (!err_failed(json_parse(input, strlen(input), JSON_DEPTH_MAX, &value, &inner))) {
            return value_set(body, "input", value, why);
        }
        if (first == '{' || first == '[') {
            return err_why(why, ERR_USAGE, "--input: %s", inner.text);
        }
    }
    return value_set(body, "input", json_string(input != NULL ? input : words.data), why);
}

static bool has_flag(const struct args *args, const char *name) {
    const struct flag *flag = args->command->flags;
    while (flag->name != NULL && strcmp(flag->name, name) != 0) {
        flag++;
    }
    return flag->name != NULL;
}

/* Flags that become a member of the same name, as far as the command has them. */
static struct err texts_set(const struct args *args, json_t *body, struct why *why) {
    static const char *const names[] = {"model", "project", "label"};
    struct err err = ERR_OK;
    for (size_t i = 0; i < COUNT_OF(names) && !err_failed(err); i++) {
        const char *value = has_flag(args, names[i]) ? args_text(args, names[i]) : NULL;
        err = value == NULL ? ERR_OK : value_set(body, names[i], json_string(value), why);
    }
    return err;
}

static struct err timeout_set(const struct args *args, json_t *body, struct why *why) {
    const bool given = has_flag(args, "timeout") && args_given(args, "timeout");
    return given ? value_set(body, "timeout_ms", json_integer(args_int(args, "timeout", 0)), why)
                 : ERR_OK;
}

static struct err budget_set(const struct args *args, json_t *body, struct why *why) {
    AUTO(text_done) struct text text = text_up_to(4096);
    json_t *budget = NULL;
    struct err err = has_flag(args, "budget") ? budget_flag_add(&text, args, why) : ERR_OK;
    if (!err_failed(err) && text.len > 0) {
        err = json_parse(text.data, text.len, JSON_DEPTH_MAX, &budget, why);
    }
    return err_failed(err) || budget == NULL ? err : value_set(body, "budget", budget, why);
}

/* The values of a flag that may be repeated; `within`: each is that member of an object. */
static struct err list_set(const struct args *args, const char *flag, const char *member,
                           const char *within, json_t *body, struct why *why) {
    const char *value = NULL;
    json_t *all = json_array();
    bool sound = true;
    for (unsigned at = 0; has_flag(args, flag) && (value = args_next(args, flag, &at)) != NULL;) {
        json_t *item = within == NULL ? json_string(value) : json_pack("{s:s}", within, value);
        sound &= json_array_append_new(all, item) == 0;
    }
    if (!sound || json_array_size(all) == 0) {
        json_decref(all);
        return sound ? ERR_OK : err_why(why, ERR_USAGE, "the %s is not UTF-8 text", flag);
    }
    return value_set(body, member, all, why);
}

/* --- A run that it begins from ---------------------------------------------------------------- */

/* NULL: none. A check has no such flag. */
static const char *resume_of(const struct args *args) {
    return has_flag(args, "resume") ? args_text(args, "resume") : NULL;
}

static struct err resume_set(const struct args *args, json_t *body, struct why *why) {
    const char *run = resume_of(args);
    if (!has_flag(args, "resume")) {
        return ERR_OK;
    }
    if (run == NULL && (args_given(args, "rerun") || args_given(args, "rerun-from"))) {
        return err_why(why, ERR_USAGE, "--%s needs --resume RUN, the run of the step",
                       args_given(args, "rerun") ? "rerun" : "rerun-from");
    }
    if (run == NULL) {
        return args->operand_count > 0
                   ? ERR_OK
                   : err_why(why, ERR_USAGE, "name a flow or a file, or a run with --resume");
    }
    TRY(value_set(body, "resumeFromRunId", json_string(run), why));
    TRY(list_set(args, "rerun", "rerun", NULL, body, why));
    return list_set(args, "rerun-from", "rerun_from", NULL, body, why);
}

/* The folder of a run that is named counts, unless another one is given. */
static bool root_is_of_run(const struct args *args) {
    const char *run = resume_of(args);
    return run != NULL && strcmp(run, "last") != 0 && args_text(args, "root") == NULL;
}

/* --- The whole -------------------------------------------------------------------------------- */

static struct err flow_set(struct flow_request *request, json_t *body) {
    struct why *why = &request->invocation->why;
    const struct args *args = &request->invocation->args;
    const char *word = args->operand_count > 0 ? args->operands[0] : NULL, *title = NULL;
    size_t len = 0;
    if (word == NULL) {
        return ERR_OK;
    }
    struct err err = workflow_file_read(request->invocation, word, &request->script, &len, &title);
    if (err_failed(err) || title == NULL) {
        return err_failed(err) ? err : value_set(body, "name", json_string(word), why);
    }
    TRY(value_set(body, "script", json_stringn(request->script, len), why));
    return value_set(body, "title", json_string(title), why);
}

struct err flow_request_read(struct flow_request *request) {
    struct invocation *invocation = request->invocation;
    struct why *why = &invocation->why;
    AUTO(json_release) json_t *body = json_object();
    const char *wanted = args_text(&invocation->args, "root");
    char root[PATH_MAX];
    text_init(&request->body, BODY_MAX);
    struct err err =
        wanted == NULL ? project_find(invocation, ".", root) : root_resolve(wanted, root, why);
    if (!err_failed(err) && !root_is_of_run(&invocation->args)) {
        err = value_set(body, "root", json_string(root), why);
    }
    err = err_failed(err) ? err : flow_set(request, body);
    err = err_failed(err) ? err : input_set(&invocation->args, body, why);
    err = err_failed(err) ? err : texts_set(&invocation->args, body, why);
    err = err_failed(err) ? err : timeout_set(&invocation->args, body, why);
    err = err_failed(err) ? err : budget_set(&invocation->args, body, why);
    err = err_failed(err) ? err
                          : list_set(&invocation->args, "notify", "notify", "webhook", body, why);
    err = err_failed(err) ? err : resume_set(&invocation->args, body, why);
    if (!err_failed(err) && err_failed(json_write(body, &request->body))) {
        err = err_why(why, ERR_BODY_TOO_LARGE, "the flow with its input is too large to be sent");
    }
    return err;
}
