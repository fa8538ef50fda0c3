/* request.c: where a workflow is, and flags that become members of one object. */
#include "cli/workflow/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "cli/base/options.h"
#include "cli/base/project.h"
#include "cli/budget/daily_limit.h"
#include "cli/budget/limits.h"
#include "rules/workflow/spec.h"
#include "script/meta.h"

#define TIME_MAX_MS (INT64_C(366) * 24 * 3600 * 1000)
enum { SCRIPT_MAX = 1 << 20, BODY_MAX = 3 << 20 }; /* As the daemon takes them. */

const struct flag workflow_request_flags[] = {
    OPTION_LIST("arg", 'a', "NAME=VALUE",
                "Set a member of its args, as JSON or else as text. Repeatable."),
    OPTION_TEXT("args", 0, "JSON|TEXT", "Set all of its args, as JSON or else as one text."),
    OPTION_SWITCH("detach", 'd', "Print the run's id and exit instead of following it."),
    OPTION_TEXT("resume", 0, "WORKFLOW",
                "Reuse results of this run, or of the script's last, where calls are the same.",
                .own_words = "last"),
    OPTION_LIST("rerun", 0, "AGENT",
                "With --resume: run this agent (id of its run) again. Repeatable."),
    OPTION_INT("from-event", 0, "N", 0, INT64_MAX,
               "With --resume: run agents again that RUN had not finished at its event N."),
    OPTION_LIST(
        "lift", 0, "LIMIT",
        "With --resume: RUN's limit of this name (a flag's, as timeout) is none. Repeatable."),
    OPTION_TIME("reuse", 1, WORKFLOW_REUSE_MAX,
                "Reuse newest results of the same calls, up to this age [30m].", .alone = "30m"),
    OPTION_TEXT("model", 'm', "NAME",
                "Use provider/model for agents that name none [the daemon's].",
                .env = "DROVER_MODEL"),
    OPTION_SWITCH("yes", 'y', "Approve what its agents ask for, except what a rule denies."),
    OPTION_TEXT("root", 0, "DIR",
                "Set the folder of its agents and of workflow names [the project's]."),
    OPTION_TIME("timeout", 1, TIME_MAX_MS, "Stop it after this time: 30s, 2h [never]."),
    OPTION_TIME("agent-timeout", 1, TIME_MAX_MS, "Stop each of its agents after this time [30m]."),
    OPTION_INT("concurrency", 0, "N", 1, 1000, "Run at most N agents at once."),
    OPTION_INT("budget-tokens", 0, "N", 1, INT64_C(1) << 50,
               "Limit output tokens of all agents: the script's budget.total [none]."),
    OPTION_LIST("budget", 0, "LIMIT=VALUE",
                "Give it a budget of its own: wall=30m, cost=2.50, agents=5. Repeatable."),
    OPTION_TEXT("project", 0, "NAME", "Charge the budget of this project, too."),
    OPTION_TEXT("label", 'l', "TEXT",
                "Name it in lists; commands take this in place of its id [its name]."),
    OPTION_LIST("notify", 0, "URL", "Notify this URL when it ends. Repeatable."),
    OPTION_RETRY("Stop following when the daemon is unreachable for this long."),
    OPTION_END,
};

/* --- The body --------------------------------------------------------------------------------- */

/* JSON carries text only. A row that is not given has no text. */
static struct err texts_set(const struct workflow_request *request, json_t *body, struct why *why) {
    const struct args *args = request->args;
    const struct {
        const char *name, *text, *what; /* The last is the user's word for it. */
    } texts[] = {
        {"script", request->script.data, request->title},
        {"title", request->title, "the file's name"},
        {"root", request->root, "the folder's path"},
        {"name", request->name, "the workflow's name"},
        {"model", args_text(args, "model"), "--model"},
        {"label", args_text(args, "label"), "--label"},
        {"project", args_text(args, "project"), "--project"},
        {"resumeFromRunId", args_text(args, "resume"), "--resume"},
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        /* A script may hold a NUL. */
        struct bytes text = i == 0 ? request->script : bytes_of(texts[i].text);
        if (texts[i].text != NULL && !utf8_valid(text.data, text.len)) {
            return err_why(why, ERR_USAGE, "%.100s is not UTF-8 text", texts[i].what);
        }
        if (texts[i].text != NULL) { /* NULL is refused. */
            (void)json_object_set_new(body, texts[i].name, json_stringn(text.data, text.len));
        }
    }
    return ERR_OK;
}

/* TEXT that is no JSON, and does not begin as an object, a list or a string of it, is a string. */
static struct err whole_args_read(const char *whole, json_t **ret_all, struct why *why) {
    struct why inner = {""};
    const char first = whole[strspn(whole, " \t\r\n")];
    if (!err_failed(json_parse(whole, strlen(whole), JSON_DEPTH_MAX, ret_all, &inner))) {
        return ERR_OK;
    }
    if (first == '\0' || strchr("{[\"", first) != NULL) {
        return err_why(why, ERR_USAGE, "--args: %s", inner.text);
    }
    *ret_all = json_string(whole);
    return *ret_all != NULL ? ERR_OK : err_why(why, ERR_USAGE, "--args is not UTF-8 text");
}

/* The one required member of the args, by the first of its names; NULL: there are none or
 * several. */
static const char *required_one(const json_t *schema) {
    const json_t *names = json_array_get(json_object_get(schema, "oneOf"), 0);
    const json_t *required = json_object_get(schema, "required");
    required = required != NULL ? required : json_object_get(names, "required");
    return json_array_size(required) == 1 ? json_string_value(json_array_get(required, 0)) : NULL;
}

/* A text that was given after the workflow. */
static struct err words_args_set(const struct workflow_request *request, json_t **io_all,
                                 struct why *why) {
    const json_t *schema = request->schema;
    const char *type = json_str(schema, "type", "object"), *member = required_one(schema);
    json_t *properties = json_object_get(schema, "properties");
    json_t *words = json_string(request->words);
    struct err err = ERR_OK;
    if (words == NULL) {
        return err_why(why, ERR_USAGE, "the text after the workflow is not UTF-8");
    }
    if (schema == NULL || strcmp(type, "string") == 0) {
        err = *io_all == NULL ? ERR_OK
                              : err_why(why, ERR_USAGE,
                                        "--arg and a text after the workflow exclude each other");
        *io_all = *io_all == NULL ? json_incref(words) : *io_all;
    } else if (member == NULL) {
        AUTO(text_done) struct text names = text_up_to(200);
        for (void *at = json_object_iter(properties); at != NULL && !text_failed(&names);
             at = json_object_iter_next(properties, at)) {
            text_addf(&names, "%s--arg %s=VALUE", names.len > 0 ? ", " : ": ",
                      json_object_iter_key(at));
        }
        err = err_why(why, ERR_USAGE,
                      "a text needs a workflow with one required argument; this one takes%s%s",
                      names.len > 0 ? "" : " no arguments", text_bytes(&names).data);
    } else if (json_object_get(*io_all, member) != NULL) {
        err = err_why(why, ERR_USAGE, "%.60s is given twice: as text and by --arg", member);
    } else {
        *io_all = *io_all == NULL ? json_object() : *io_all;
        (void)json_object_set(*io_all, member, words);
    }
    json_decref(words);
    return err;
}

static struct err script_args_set(const struct workflow_request *request, json_t *body,
                                  struct why *why) {
    AUTO(json_release) json_t *all = NULL;
    const struct args *args = request->args;
    const char *whole = args_text(args, "args"), *word = NULL;
    struct why inner = {""};
    if (whole != NULL && request->words != NULL) {
        return err_why(why, ERR_USAGE, "--args and a text after the workflow exclude each other");
    }
    TRY(whole != NULL ? whole_args_read(whole, &all, why) : ERR_OK);
    if (all != NULL && !json_is_object(all) && args_given(args, "arg")) {
        return err_why(why, ERR_USAGE, "--arg adds a member, and --args is %s", json_kind_of(all));
    }
    if (all == NULL && args_given(args, "arg")) {
        all = json_object();
    }
    for (unsigned next = 0; (word = args_next(args, "arg", &next)) != NULL;) { /* "NAME=VALUE" */
        size_t at = strcspn(word, "=");
        const char *value = word + at + 1;
        json_t *parsed = NULL;
        if (at == 0 || word[at] == '\0') {
            return err_why(why, ERR_USAGE, "--arg %.60s: NAME=VALUE is expected", word);
        }
        if (!utf8_valid(word, strlen(word))) {
            return err_why(why, ERR_USAGE, "--arg %.*s is not UTF-8 text", (int)(at < 60 ? at : 60),
                           word);
        }
        if (err_failed(json_parse(value, strlen(value), JSON_DEPTH_MAX, &parsed, &inner))) {
            parsed = json_string(value);
        }
        (void)json_object_setn_new(all, word, at, parsed); /* NULL is refused. */
    }
    struct err err = request->words != NULL ? words_args_set(request, &all, why) : ERR_OK;
    if (!err_failed(err) && all != NULL) {
        (void)json_object_set(body, "args", all);
    }
    return err;
}

/* Sets an array of the values that were given: texts, or objects with this one member. */
static void list_set(const struct args *args, const char *flag, const char *member, json_t *body) {
    unsigned cursor = 0;
    const char *value = NULL;
    json_t *all = args_given(args, flag) ? json_array() : NULL;
    while (all != NULL && (value = args_next(args, flag, &cursor)) != NULL) {
        json_t *item = member == NULL ? json_string(value) : json_pack("{s:s}", member, value);
        (void)json_array_append_new(all, item); /* NULL, for bytes that are no text, is refused. */
    }
    if (all != NULL) {
        (void)json_object_set_new(body, flag, all);
    }
}

/* The flags that are limits, by the member that each becomes. */
static const struct limit {
    const char *flag, *name;
} limits[] = {{"timeout", "timeout_ms"},
              {"agent-timeout", "agent_timeout_ms"},
              {"concurrency", "concurrency"},
              {"budget-tokens", "total"},
              {"budget", "budget"}};
enum { LIMIT_NUMBERS = COUNT_OF(limits) - 1 }; /* The last one is an object. */

static struct err limits_set(const struct args *args, json_t *body, struct why *why) {
    AUTO(text_done) struct text text = text_up_to(4096);
    json_t *budget = NULL;
    const char *word = NULL;
    struct err err = budget_flag_add(&text, args, why);
    if (!err_failed(err) && text.len > 0 && !text_failed(&text)) {
        err = json_parse(text.data, text.len, JSON_DEPTH_MAX, &budget, why);
    }
    if (err_failed(err)) {
        return err;
    }
    if (budget != NULL) {
        (void)json_object_set_new(body, "budget", budget); /* NULL is refused. */
    }
    /* The limits of the resumed run hold unless a flag sets another: null is "none". */
    for (unsigned at = 0; (word = args_next(args, "lift", &at)) != NULL;) {
        const struct limit *limit = limits;
        while (limit < limits + COUNT_OF(limits) && strcmp(limit->flag, word) != 0) {
            limit++;
        }
        if (limit == limits + COUNT_OF(limits)) {
            return err_why(why, ERR_USAGE,
                           "--lift '%.60s' is no limit of a run: timeout, agent-timeout, "
                           "concurrency, budget-tokens, budget",
                           word);
        }
        if (!args_given(args, "resume")) {
            return err_why(why, ERR_USAGE,
                           "--lift %s needs --resume RUN, the run whose --%s is lifted", word,
                           word);
        }
        if (args_given(args, word)) {
            return err_why(why, ERR_USAGE, "--lift %s and --%s exclude each other", word, word);
        }
        (void)json_object_set_new(body, limit->name, json_null()); /* NULL is refused. */
    }
    for (size_t i = 0; i < LIMIT_NUMBERS; i++) {
        if (args_given(args, limits[i].flag)) {
            int64_t value = args_int(args, limits[i].flag, 0);
            (void)json_object_set_new(body, limits[i].name, json_integer(value));
        }
    }
    return ERR_OK;
}

struct err workflow_request_write(const struct workflow_request *request, struct text *body,
                                  struct why *why) {
    const struct args *args = request->args;
    AUTO(json_release) json_t *all = json_object();
    struct err err = texts_set(request, all, why);
    err = err_failed(err) ? err : script_args_set(request, all, why);
    if (!err_failed(err) && args_given(args, "rerun") && !args_given(args, "resume")) {
        err = err_why(why, ERR_USAGE, "--rerun needs --resume RUN, the run of the agent");
    }
    if (!err_failed(err) && args_given(args, "from-event")) {
        (void)json_object_set_new(all, "from_seq", json_integer(args_int(args, "from-event", 0)));
        err =
            args_given(args, "resume")
                ? ERR_OK
                : err_why(why, ERR_USAGE, "--from-event needs --resume RUN, the run of the event");
    }
    if (args_given(args, "reuse")) {
        (void)json_object_set_new(all, "reuse_ms", json_integer(args_int(args, "reuse", 0)));
    }
    err = err_failed(err) ? err : limits_set(args, all, why);
    if (err_failed(err)) {
        return err;
    }
    list_set(args, "rerun", NULL, all);
    list_set(args, "notify", "webhook", all);
    if (args_on(args, "yes")) {
        json_t *settings = json_pack("{s:[{s:s}]}", "permissions", "permission", "allow");
        (void)json_object_set_new(all, "settings", settings); /* NULL is refused. */
    }
    err = json_write(all, body);
    if (err_failed(err) || text_failed(body)) {
        return err_why(why, ERR_BODY_TOO_LARGE, "the script with its args is too large to be sent");
    }
    return ERR_OK;
}

/* --- Where it is ------------------------------------------------------------------------------ */

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

struct err workflow_file_read(struct invocation *invocation, const char *word, char **ret_script,
                              size_t *ret_len, const char **ret_title) {
    const struct world *world = invocation->world;
    const enum workflow_word kind = workflow_word_kind(word);
    const char *slash = strrchr(word, '/');
    *ret_title = NULL;
    if (kind == WORKFLOW_WORD_NAME ||
        (kind == WORKFLOW_WORD_MAYBE_FILE && access(word, F_OK) != 0)) {
        return ERR_OK;
    }
    const struct err err = world->file_read(world->ctx, word, SCRIPT_MAX, ret_script, ret_len);
    if (err_failed(err)) {
        const char *words = err.os != 0 ? strerror(err.os) : err_title(err.code);
        why_set(&invocation->why, "%.200s cannot be read: %s", word,
                err.os == EFBIG ? "a script has at most 1 MB" : words);
        return err.os == ENOENT ? err_make(ERR_NOT_FOUND, "run: file") : err;
    }
    *ret_title = slash != NULL ? slash + 1 : word;
    return ERR_OK;
}

void workflow_starting_done(struct workflow_starting *starting) {
    mem_free(starting->script);
    json_release(&starting->schema);
    text_done(&starting->body);
}

const char *workflow_file_title(const char *word, char room[PATH_MAX]) {
    static const char place[] = ".boocode/workflows/";
    const char *slash = strrchr(word, '/'), *at = strstr(word, place);
    /* A word may lead there by the current folder, and a file there may be a link. */
    if (at == NULL && realpath(word, room) != NULL) {
        at = strstr(room, place);
    }
    return at != NULL ? at : slash != NULL ? slash + 1 : word;
}

/* meta.args of a file, or of the workflow that the daemon finds by the name. The
 * daemon reports a file with a fault, as always. */
static struct err schema_read(struct workflow_starting *starting,
                              const struct workflow_request *request, const char *root) {
    struct invocation *invocation = starting->invocation;
    if (request->script.data != NULL) {
        const struct script_source source = {.text = request->script,
                                             .file = bytes_of(starting->word)};
        AUTO(script_prepared_done) struct script_prepared prepared = {.meta = NULL};
        struct script_fault ignored = {.line = 0};
        struct err err = script_prepare(&source, &prepared, &ignored);
        if (!err_failed(err)) {
            starting->schema = json_incref((json_t *)(uintptr_t)script_meta_args(&prepared));
        }
        return err.code == ERR_BAD_SCRIPT ? ERR_OK : err;
    }
    AUTO(json_release) json_t *row = NULL;
    AUTO(text_done) struct text target = text_up_to(32 << 10);
    text_add_str(&target, "/api/v1/workflows/");
    client_add_escaped(&target, starting->word);
    text_add_str(&target, "?root=");
    client_add_escaped(&target, root);
    if (text_failed(&target)) {
        return err_why(&invocation->why, ERR_USAGE, "the path is too long");
    }
    struct err err = talk_get(starting->talk, target.data, &row, &invocation->why);
    starting->schema = json_incref(json_object_get(row, "args")); /* NULL stays NULL. */
    return err;
}

/* Writes the body, with the operands after the workflow as one text. */
static struct err body_write(struct workflow_starting *starting, struct workflow_request *request,
                             const char *root) {
    const struct args *args = request->args;
    AUTO(text_done) struct text words = text_up_to(BODY_MAX);
    struct err err = ERR_OK;
    for (unsigned i = 1; i < args->operand_count; i++) {
        text_addf(&words, "%s%s", i > 1 ? " " : "", args->operands[i]);
    }
    if (args->operand_count > 1) {
        err = schema_read(starting, request, root);
        request->words = text_bytes(&words).data;
        request->schema = starting->schema;
    }
    text_init(&starting->body, BODY_MAX);
    return err_failed(err)
               ? err
               : workflow_request_write(request, &starting->body, &starting->invocation->why);
}

struct err workflow_starting_read(struct workflow_starting *starting, enum workflow_name name) {
    struct invocation *invocation = starting->invocation;
    const struct args *args = &invocation->args;
    const char *wanted = args_text(args, "root");
    const char *word = args->operand_count > 0 ? args->operands[0] : NULL;
    char root[PATH_MAX], title[PATH_MAX];
    struct err err = ERR_OK;
    starting->word = word;
    err = wanted == NULL ? project_find(invocation, ".", root)
                         : root_resolve(wanted, root, &invocation->why);
    if (!err_failed(err) && word == NULL && !args_given(args, "resume")) {
        err = err_why(&invocation->why, ERR_USAGE,
                      "name a workflow: 'drover run FILE' or 'drover run NAME'");
    }
    if (err_failed(err)) {
        return err;
    }
    /* Without a word and a root, those of the run that is resumed hold. */
    struct workflow_request request = {.args = args,
                                       .root = word == NULL && wanted == NULL ? NULL : root};
    size_t len = 0;
    if (word != NULL) {
        err = workflow_file_read(invocation, word, &starting->script, &len, &request.title);
    }
    if (err_failed(err)) {
        return err;
    }
    if (request.title != NULL) {
        request.title = workflow_file_title(word, title);
        request.script = (struct bytes){starting->script, len};
    } else if (name == WORKFLOW_NAME_INSIDE) {
        request.name = word;
    }
    return body_write(starting, &request, root);
}

/* --- Begun ------------------------------------------------------------------------------------ */

struct err workflow_run_begin(struct invocation *invocation, struct talk *talk,
                              struct api_request request, json_t **ret_answer) {
    const struct daily_limit limit = {.model = args_text(&invocation->args, "model")};
    request.method = "POST";
    request.retry = API_RETRY_CUT;
    request.retry_ms = args_int(&invocation->args, "retry-for", 0);
    TRY(daily_limit_ask(talk, &limit, NULL /* nothing reads the input yet */));
    return api_ask(talk, &request, ret_answer, &invocation->why);
}
