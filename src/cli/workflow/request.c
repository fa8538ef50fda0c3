/* request.c: flags become members of one object. */
#include "cli/workflow/request.h"

#include <string.h>

#include "base/json/json.h"
#include "base/utf8.h"
#include "cli/base/options.h"
#include "cli/budget/limits.h"

#define TIME_MAX_MS (INT64_C(366) * 24 * 3600 * 1000)

const struct flag workflow_request_flags[] = {
    OPTION_LIST("arg", 'a', "NAME=VALUE",
                "A member of its args; JSON where it is JSON, else text. Repeatable."),
    OPTION_TEXT("args", 0, "JSON", "Its args, whole."),
    OPTION_SWITCH("detach", 'd', "Print the run's id and leave; otherwise the run is followed."),
    OPTION_TEXT("resume", 0, "RUN", "Take the results of that run where its calls come again."),
    OPTION_LIST("rerun", 0, "AGENT",
                "With --resume: this agent (a run's id) runs again. Repeatable."),
    OPTION_LIST(
        "lift", 0, "LIMIT",
        "With --resume: RUN's limit of this name (a flag's, as timeout) is none. Repeatable."),
    OPTION_TEXT("model", 'm', "NAME", "For agents that name none: provider/model [the daemon's].",
                .env = "DROVER_MODEL"),
    OPTION_SWITCH(
        "yes", 'y',
        "Its agents ask nobody before they write, run or fetch; what is denied stays so."),
    OPTION_TEXT("root", 0, "DIR",
                "Folder of its agents, and where names are looked for [the project's]."),
    OPTION_TIME("timeout", 1, TIME_MAX_MS, "End it after so long, like 30s or 2h [never]."),
    OPTION_TIME("agent-timeout", 1, TIME_MAX_MS, "End each of its agents after so long [30m]."),
    OPTION_INT("concurrency", 0, "N", 1, 1000, "At most so many agents at once."),
    OPTION_INT("budget-tokens", 0, "N", 1, INT64_C(1) << 50,
               "Output tokens of all agents: the script's budget.total [none]."),
    OPTION_LIST("budget", 0, "LIMIT=VALUE",
                "Give it a budget of its own: wall=30m, cost=2.50, agents=5. Repeatable."),
    OPTION_TEXT("project", 0, "NAME", "Whose budget it is charged to, too."),
    OPTION_TEXT("label", 'l', "TEXT", "What it is for, for whoever reads the list [its name]."),
    OPTION_LIST("notify", 0, "URL", "Post a notice there when it has ended. Repeatable."),
    OPTION_TIME("retry-for", 0, INT64_C(24) * 3600 * 1000,
                "Give up following when the daemon is away for so long.", .absent = "5m"),
    OPTION_END,
};

enum workflow_word workflow_word_kind(const char *word) {
    static const char *const ends[] = {".js", ".mjs", ".cjs"};
    size_t len = strlen(word);
    if (strchr(word, '/') != NULL) {
        return WORKFLOW_WORD_FILE;
    }
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        size_t end = strlen(ends[i]);
        if (len > end && strcmp(word + len - end, ends[i]) == 0) {
            return WORKFLOW_WORD_MAYBE_FILE;
        }
    }
    return WORKFLOW_WORD_NAME;
}

static struct err usage(const char *step) {
    return err_make(ERR_USAGE, step);
}

/* JSON carries text only. `what` is how the user knows it. */
static struct err text_set(json_t *body, const char *name, struct bytes text, const char *what,
                           struct why *why) {
    if (!utf8_valid(text.data, text.len)) {
        why_set(why, "%.100s is not UTF-8 text", what);
        return usage("run: text");
    }
    (void)json_object_set_new(body, name, json_stringn(text.data, text.len)); /* NULL is refused. */
    return ERR_OK;
}

static struct err flag_set(const struct args *args, const char *flag, const char *name,
                           json_t *body, struct why *why) {
    const char *value = args_text(args, flag);
    struct why what;
    why_set(&what, "--%s", flag);
    return value == NULL ? ERR_OK : text_set(body, name, bytes_of(value), what.text, why);
}

static void int_set(const struct args *args, const char *flag, const char *name, json_t *body) {
    if (args_given(args, flag)) {
        (void)json_object_set_new(body, name, json_integer(args_int(args, flag, 0)));
    }
}

/* --- Args ------------------------------------------------------------------------------------- */

static struct err arg_set(json_t *all, const char *word, struct why *why) {
    size_t at = strcspn(word, "=");
    const char *value = word + at + 1;
    struct why ignored;
    json_t *parsed = NULL;
    if (at == 0 || word[at] == '\0') {
        why_set(why, "--arg %.60s: it is written NAME=VALUE", word);
        return usage("run: arg");
    }
    if (!utf8_valid(word, strlen(word))) {
        why_set(why, "--arg %.*s is not UTF-8 text", (int)(at < 60 ? at : 60), word);
        return usage("run: arg");
    }
    if (err_failed(json_parse(value, strlen(value), JSON_DEPTH_MAX, &parsed, &ignored))) {
        parsed = json_string(value);
    }
    (void)json_object_setn_new(all, word, at, parsed); /* NULL is refused. */
    return ERR_OK;
}

static struct err args_set_all(const struct args *args, json_t *body, struct why *why) {
    AUTO(json_release) json_t *all = NULL;
    const char *whole = args_text(args, "args");
    struct why inner = {""};
    unsigned cursor = 0;
    const char *word = args_next(args, "arg", &cursor);
    if (whole != NULL &&
        err_failed(json_parse(whole, strlen(whole), JSON_DEPTH_MAX, &all, &inner))) {
        why_set(why, "--args: %s", inner.text);
        return usage("run: args");
    }
    if (word != NULL && all != NULL && !json_is_object(all)) {
        why_set(why, "--arg adds a member, and --args is %s", json_kind_of(all));
        return usage("run: args");
    }
    if (word != NULL && all == NULL) {
        all = json_object();
    }
    struct err err = ERR_OK;
    for (; word != NULL && !err_failed(err); word = args_next(args, "arg", &cursor)) {
        err = arg_set(all, word, why);
    }
    if (all != NULL) {
        (void)json_object_set(body, "args", all);
    }
    return err;
}

/* --- The rest --------------------------------------------------------------------------------- */

/* The flags that are limits, by the member that each becomes. */
static const struct limit {
    const char *flag, *name;
} limits[] = {{"timeout", "timeout_ms"},
              {"agent-timeout", "agent_timeout_ms"},
              {"concurrency", "concurrency"},
              {"budget-tokens", "total"},
              {"budget", "budget"}};
enum { LIMIT_NUMBERS = COUNT_OF(limits) - 1 }; /* The last one is an object. */

static const struct limit *limit_find(const char *flag) {
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        if (strcmp(limits[i].flag, flag) == 0) {
            return &limits[i];
        }
    }
    return NULL;
}

/* What the resumed run had is taken over unless something is said: null is "none". */
static struct err lift_set(const struct args *args, json_t *body, struct why *why) {
    unsigned cursor = 0;
    const char *word = NULL;
    while ((word = args_next(args, "lift", &cursor)) != NULL) {
        const struct limit *limit = limit_find(word);
        if (limit == NULL) {
            why_set(why,
                    "--lift '%.60s' is no limit of a run: timeout, agent-timeout, concurrency, "
                    "budget-tokens, budget",
                    word);
            return usage("run: lift");
        }
        if (!args_given(args, "resume")) {
            why_set(why, "--lift %s needs --resume RUN: the run whose --%s shall not hold",
                    limit->flag, limit->flag);
            return usage("run: lift");
        }
        if (args_given(args, limit->flag)) {
            why_set(why, "--lift %s and --%s: one of the two", limit->flag, limit->flag);
            return usage("run: lift");
        }
        (void)json_object_set_new(body, limit->name, json_null()); /* NULL is refused. */
    }
    return ERR_OK;
}

static struct err resume_set(const struct args *args, json_t *body, struct why *why) {
    AUTO(json_release) json_t *again = json_array();
    unsigned cursor = 0;
    const char *agent = NULL;
    while ((agent = args_next(args, "rerun", &cursor)) != NULL) {
        (void)json_array_append_new(again, json_string(agent)); /* Not UTF-8: no id of ours. */
    }
    if (json_array_size(again) > 0 && !args_given(args, "resume")) {
        why_set(why, "--rerun needs --resume RUN: the run that the agent was of");
        return usage("run: rerun");
    }
    if (json_array_size(again) > 0) {
        (void)json_object_set(body, "rerun", again);
    }
    return flag_set(args, "resume", "resumeFromRunId", body, why);
}

static struct err budget_set(const struct args *args, json_t *body, struct why *why) {
    AUTO(text_done) struct text text = {0};
    unsigned cursor = 0;
    const char *word = args_next(args, "budget", &cursor);
    json_t *budget = NULL;
    struct err err = ERR_OK;
    if (word == NULL) {
        return ERR_OK;
    }
    text_init(&text, 4096);
    text_add_char(&text, '{');
    for (; word != NULL && !err_failed(err); word = args_next(args, "budget", &cursor)) {
        err = budget_words_add(&text, word, why);
    }
    text_add_char(&text, '}');
    if (!err_failed(err) && !text_failed(&text)) {
        err = json_parse(text.data, text.len, JSON_DEPTH_MAX, &budget, why);
    }
    if (!err_failed(err)) {
        (void)json_object_set_new(body, "budget", budget); /* NULL is refused. */
    }
    return err;
}

static void notify_set(const struct args *args, json_t *body) {
    AUTO(json_release) json_t *all = json_array();
    unsigned cursor = 0;
    const char *url = NULL;
    while ((url = args_next(args, "notify", &cursor)) != NULL) {
        (void)json_array_append_new(all, json_pack("{s:s}", "webhook", url)); /* As above. */
    }
    if (json_array_size(all) > 0) {
        (void)json_object_set(body, "notify", all);
    }
}

static struct err texts_set(const struct workflow_request *request, json_t *body, struct why *why) {
    static const struct {
        const char *flag, *name;
    } flags[] = {{"model", "model"}, {"label", "label"}, {"project", "project"}};
    const char *title = request->title, *root = request->root;
    struct err err = ERR_OK;
    if (request->script.data != NULL) {
        err = text_set(body, "script", request->script, title, why);
    }
    if (!err_failed(err) && title != NULL) {
        err = text_set(body, "title", bytes_of(title), "the file's name", why);
    }
    if (!err_failed(err) && root != NULL) {
        err = text_set(body, "root", bytes_of(root), "the folder's path", why);
    }
    if (!err_failed(err) && request->name != NULL) {
        err = text_set(body, "name", bytes_of(request->name), "the workflow's name", why);
    }
    for (size_t i = 0; i < COUNT_OF(flags) && !err_failed(err); i++) {
        err = flag_set(request->args, flags[i].flag, flags[i].name, body, why);
    }
    return err;
}

struct err workflow_request_write(const struct workflow_request *request, struct text *body,
                                  struct why *why) {
    AUTO(json_release) json_t *all = json_object();
    struct err err = texts_set(request, all, why);
    if (!err_failed(err)) {
        err = args_set_all(request->args, all, why);
    }
    if (!err_failed(err)) {
        err = resume_set(request->args, all, why);
    }
    if (!err_failed(err)) {
        err = budget_set(request->args, all, why);
    }
    if (!err_failed(err)) {
        err = lift_set(request->args, all, why);
    }
    if (err_failed(err)) {
        return err;
    }
    for (size_t i = 0; i < LIMIT_NUMBERS; i++) {
        int_set(request->args, limits[i].flag, limits[i].name, all);
    }
    notify_set(request->args, all);
    if (args_on(request->args, "yes")) {
        json_t *settings = json_pack("{s:[{s:s}]}", "permissions", "permission", "allow");
        (void)json_object_set_new(all, "settings", settings); /* NULL is refused. */
    }
    err = json_write(all, body);
    if (err_failed(err) || text_failed(body)) {
        why_set(why, "the script with its args is too large to be sent");
        return err_make(ERR_BODY_TOO_LARGE, "run: body");
    }
    return ERR_OK;
}
