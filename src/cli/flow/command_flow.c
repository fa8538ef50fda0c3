/* command_flow.c: drover flow ls, show, check, plan, run.
 *
 * A run is the daemon's from the answer on: `run` then only follows its stream, a line for each
 * change of a step, and prints the report, which stands in the last event. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/base/action.h"
#include "cli/base/api_request.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/base/project.h"
#include "cli/job/watch.h"
#include "cli/run/view.h"
#include "cli/stream/follow.h"
#include "cli/terminal/markdown.h"
#include "cli/terminal/paint.h"
#include "cli/terminal/plain.h"

enum { BODY_MAX = 512 << 10, STREAM_NAME_MAX = 100 };
#define TIME_MAX_MS (INT64_C(365) * 24 * 3600 * 1000)

#define OPTION_ROOT                                                                                \
    OPTION_TEXT("root", 'r', "DIR", "Set the folder of the project [the current one].")
#define OPTION_INPUT                                                                               \
    OPTION_TEXT("input", 'i', "JSON", "Give the flow this input: an object, or a text.")
static const struct flag root_flags[] = {OPTION_ROOT, OPTION_END};
static const struct flag show_flags[] = {
    OPTION_ROOT,
    OPTION_SWITCH("source", 's', "Print only the source."),
    OPTION_END,
};
static const struct flag check_flags[] = {OPTION_ROOT, OPTION_INPUT, OPTION_END};

/* --- List ------------------------------------------------------------------------------------- */

static struct err flow_ls_run(struct invocation *invocation, struct talk *talk) {
    static const struct action catalog = {"GET /api/v1/flows", .folder = "root"};
    AUTO(json_release) json_t *answer = NULL;
    const struct err err = action_ask(talk, &catalog, &answer);
    if (err_failed(err)) {
        return err;
    }
    const json_t *rows = json_object_get(answer, "flows"), *row = NULL;
    size_t at = 0;
    if (!invocation->json) {
        printf("%-24s  %-8s  %s\n", "FLOW", "FROM", "DESCRIPTION");
    }
    json_array_foreach(rows, at, row) {
        const json_t *fault = json_object_get(row, "error");
        const bool shadowed = json_is_true(json_object_get(row, "shadowed"));
        if (invocation->json) {
            talk_print(row);
            continue;
        }
        printf("%-24s  %-8s  %s\n", talk_text(row, "name"), talk_text(row, "origin"),
               fault != NULL ? talk_text(fault, "detail")
               : shadowed    ? "(shadowed)"
                             : talk_text(row, "description"));
    }
    return ERR_OK;
}

const struct command command_flow_ls = {
    COMMAND("flow", "ls", NULL, "List flows: the project's, your own and built-in ones."),
    HELP(WORKFLOWS, "drover flow ls\n"),
    .flags = root_flags,
    .about = "Flows are read from .drover/flows and .boocode/flows: of the project folder and\n"
             "its parents in the repository, then of your home folder. The first flow of a\n"
             "name is used.\n",
    .converse = flow_ls_run,
};

/* --- Show ------------------------------------------------------------------------------------- */

static struct err flow_show_run(struct invocation *invocation, struct talk *talk) {
    static const struct action one = {"GET /api/v1/flows/{}", .folder = "root"};
    AUTO(json_release) json_t *answer = NULL;
    const struct err err = action_ask(talk, &one, &answer);
    if (err_failed(err)) {
        return err;
    }
    if (invocation->json) {
        talk_print(answer);
        return ERR_OK;
    }
    if (!args_on(&invocation->args, "source")) {
        printf("%-12s %s\n%-12s %s\n%-12s %s\n\n", "flow", talk_text(answer, "name"), "description",
               talk_text(answer, "description"), "file", talk_text(answer, "file"));
    }
    fputs(talk_text(answer, "source"), stdout);
    return ERR_OK;
}

const struct command command_flow_show = {
    COMMAND("flow", "show", "NAME", "Show a flow, with its source."),
    HELP(WORKFLOWS, "drover flow show review-branch\n"),
    .flags = show_flags,
    .converse = flow_show_run,
};

/* --- The body of a start or of a check -------------------------------------------------------- */

static bool is_path(const char *word) {
    const size_t len = strlen(word);
    return strchr(word, '/') != NULL || (len > 3 && strcmp(word + len - 3, ".js") == 0) ||
           (len > 4 && strcmp(word + len - 4, ".mjs") == 0);
}

/* Anything but JSON is a text, the question of the flow. */
static json_t *input_read(const char *given) {
    json_t *input = NULL;
    if (err_failed(json_parse(given, strlen(given), JSON_DEPTH_MAX, &input, NULL))) {
        input = json_string(given);
    }
    return input;
}

static struct err path_absolute(const char *word, char path[PATH_MAX], struct why *why) {
    return realpath(word, path) != NULL
               ? ERR_OK
               : err_why(why, ERR_USAGE, "there is no file '%.200s'", word);
}

/* A flag that becomes a member: a text, or a time. */
enum member_kind { MEMBER_TEXT, MEMBER_TIME };
struct member {
    const char *flag, *name;
    enum member_kind kind;
};

static void member_set(json_t *object, const struct args *args, const struct member *member) {
    const bool is_time = member->kind == MEMBER_TIME;
    if (args_given(args, member->flag)) {
        (void)json_object_set_new(object, member->name,
                                  is_time ? json_integer(args_int(args, member->flag, 0))
                                          : json_string(args_text(args, member->flag)));
    }
}

/* members: a NULL as the flag ends them. */
static struct err flow_body_write(struct invocation *invocation, const struct member *members,
                                  struct text *body) {
    const struct args *args = &invocation->args;
    const char *word = args->operands[0], *root_given = args_text(args, "root");
    const char *given = args_text(args, "input");
    char root[PATH_MAX], path[PATH_MAX];
    struct err err = root_given == NULL ? project_find(invocation, ".", root)
                                        : root_resolve(root_given, root, &invocation->why);
    if (!err_failed(err) && is_path(word)) {
        err = path_absolute(word, path, &invocation->why);
    }
    if (err_failed(err)) {
        return err;
    }
    AUTO(json_release) json_t *object = json_object();
    (void)json_object_set_new(object, is_path(word) ? "path" : "name",
                              json_string(is_path(word) ? path : word)); /* NULL is refused. */
    (void)json_object_set_new(object, "root", json_string(root));
    if (given != NULL) {
        (void)json_object_set_new(object, "input", input_read(given));
    }
    for (; members->flag != NULL; members++) {
        member_set(object, args, members);
    }
    return json_write(object, body);
}

static struct err flow_check_ask(struct invocation *invocation, struct talk *talk,
                                 json_t **ret_answer) {
    static const struct member none[] = {{.flag = NULL}};
    AUTO(text_done) struct text body = text_up_to(BODY_MAX);
    const struct api_request request = {
        .method = "POST", .base = "/api/v1/flows/check", .body = &body};
    const struct err err = flow_body_write(invocation, none, &body);
    return err_failed(err) ? err : api_ask(talk, &request, ret_answer, &invocation->why);
}

/* False: it is not valid, which was said. */
static bool flow_is_valid(struct invocation *invocation, const json_t *answer) {
    const bool valid = json_is_true(json_object_get(answer, "valid"));
    if (!valid) {
        plain_note("drover: %s\n", talk_text(answer, "error"));
        invocation->exit_code = 2;
    }
    return valid;
}

/* --- Check ------------------------------------------------------------------------------------ */

static struct err flow_check_run(struct invocation *invocation, struct talk *talk) {
    AUTO(json_release) json_t *answer = NULL;
    const struct err err = flow_check_ask(invocation, talk, &answer);
    if (err_failed(err)) {
        return err;
    }
    if (invocation->json) {
        talk_print(answer);
        invocation->exit_code = json_is_true(json_object_get(answer, "valid")) ? 0 : 2;
    } else if (flow_is_valid(invocation, answer)) {
        printf("%s: %zu steps, no errors\n", talk_text(answer, "flow"),
               json_array_size(json_object_get(answer, "steps")));
    }
    return ERR_OK;
}

const struct command command_flow_check = {
    COMMAND("flow", "check", "FILE|NAME", "Check a flow without running it."),
    HELP(WORKFLOWS, "drover flow check ./release.js\n"),
    .flags = check_flags,
    .about = "The file is described once, and its functions are not called, except 'when'.\n"
             "Exit code: 0 if nothing is wrong, 2 otherwise.\n",
    .converse = flow_check_run,
};

/* --- Plan ------------------------------------------------------------------------------------- */

static void deps_print(const json_t *step) {
    const json_t *dep = NULL, *branch = json_object_get(step, "branch");
    size_t at = 0;
    json_array_foreach(json_object_get(step, "deps"), at, dep) {
        printf("%s%s", at == 0 ? "after " : ", ", json_string_value(dep));
    }
    if (json_is_object(branch)) {
        const char *label = talk_text(branch, "label");
        printf("%s%s of %s", at == 0 ? "" : "; ", label[0] == '\0' ? "default" : label,
               talk_text(branch, "switch"));
    }
    if (strcmp(talk_text(step, "status"), "excluded") == 0) {
        fputs("  (excluded)", stdout);
    }
}

static void wave_print(const json_t *steps, int64_t wave) {
    const json_t *step = NULL;
    size_t at = 0;
    json_array_foreach(steps, at, step) {
        if (talk_int(step, "wave") == wave) {
            printf("%4lld  %-24s  %-8s  ", (long long)wave, talk_text(step, "step_id"),
                   talk_text(step, "kind"));
            deps_print(step);
            fputs("\n", stdout);
        }
    }
}

static struct err flow_plan_run(struct invocation *invocation, struct talk *talk) {
    AUTO(json_release) json_t *answer = NULL;
    const struct err err = flow_check_ask(invocation, talk, &answer);
    if (err_failed(err)) {
        return err;
    }
    if (invocation->json) {
        talk_print(answer);
        return ERR_OK;
    }
    const json_t *steps = json_object_get(answer, "steps");
    if (flow_is_valid(invocation, answer)) {
        printf("WAVE  %-24s  %-8s  %s\n", "STEP", "KIND", "WAITS");
        for (int64_t wave = 1; wave <= (int64_t)json_array_size(steps); wave++) {
            wave_print(steps, wave);
        }
    }
    return ERR_OK;
}

const struct command command_flow_plan = {
    COMMAND("flow", "plan", "FILE|NAME", "Show the steps of a flow, without running it."),
    HELP(WORKFLOWS, "drover flow plan release-checklist --input '{\"version\": \"1.2.3\"}'\n"),
    .flags = check_flags,
    .about = "Steps of one wave may run side by side. A step that 'when' excludes by the input\n"
             "alone is marked.\n",
    .converse = flow_plan_run,
};

/* --- Run -------------------------------------------------------------------------------------- */

struct flow_follow {
    struct invocation *invocation;
    bool over;
    char status[32];
    char *report, *note;     /* Owned; NULL: none, as are the next two. */
    char *file, *file_error; /* Name of the file of the report; why it was not written. */
};

static void follow_done(struct flow_follow *follow) {
    mem_free(follow->report);
    mem_free(follow->note);
    mem_free(follow->file);
    mem_free(follow->file_error);
}

static char *text_copy(const json_t *object, const char *name) {
    const struct bytes text = json_bytes(object, name);
    return mem_copy(text.len == 0 ? "" : text.data, text.len);
}

static void step_print(const json_t *data) {
    const char *status = talk_text(data, "status"), *phase = talk_text(data, "phase");
    const char *note = talk_text(data, "note"), *cause = talk_text(data, "cause");
    if (strcmp(status, "pending") == 0 || strcmp(phase, "run") == 0 ||
        strcmp(phase, "cases") == 0 || strcmp(phase, "output") == 0) {
        return; /* The next line says more. */
    }
    plain_note("%-24s  %s%s%s%s%s\n", talk_text(data, "step_id"),
               strcmp(phase, "person") == 0 ? "waits for an approval: 'drover approve'" : status,
               cause[0] != '\0' ? ": " : "", cause, note[0] != '\0' ? ": " : "", note);
}

static void on_flow_event(void *ctx, const struct follow_event *event) {
    struct flow_follow *follow = ctx;
    AUTO(json_release) json_t *data = NULL;
    if (err_failed(json_parse_wrapped(event->data, &data, NULL))) {
        return;
    }
    if (follow->invocation->json) {
        follow_event_print(event, data);
    }
    if (!bytes_is(event->type, "flow_run_step_updated")) {
        return;
    }
    if (json_object_get(data, "run_status") == NULL) {
        if (!follow->invocation->json) {
            step_print(data);
        }
        return;
    }
    (void)snprintf(follow->status, sizeof follow->status, "%s", talk_text(data, "run_status"));
    const json_t *artifact = json_object_get(data, "artifact");
    follow_done(follow);
    follow->file = text_copy(artifact, "path");
    follow->file_error = text_copy(artifact, "error");
    follow->report = text_copy(data, "report");
    follow->note = text_copy(data, "note");
    follow->over = true;
}

static void file_tell(const struct flow_follow *follow) {
    if (follow->file_error[0] != '\0') {
        plain_note("drover: the report was not written to a file: %s\n", follow->file_error);
    } else if (follow->file[0] != '\0') {
        plain_note("drover: the report was written to %s\n", follow->file);
    }
}

static void flow_end_tell(struct invocation *invocation, const struct flow_follow *follow) {
    const bool completed = strcmp(follow->status, "completed") == 0;
    invocation->exit_code = completed                                  ? 0
                            : strcmp(follow->status, "timed_out") == 0 ? 124
                            : strcmp(follow->status, "cancelled") == 0 ? 125
                                                                       : 1;
    if (!invocation->json && follow->report != NULL && follow->report[0] != '\0') {
        markdown_print(bytes_of(follow->report));
    }
    if (!invocation->json && follow->file != NULL) {
        file_tell(follow);
    }
    if (!invocation->json && !completed) {
        plain_note("drover: the flow is %s%s%s\n", follow->status,
                   follow->note != NULL && follow->note[0] != '\0' ? ": " : "",
                   follow->note != NULL ? follow->note : "");
    }
}

static struct err flow_follow(struct invocation *invocation, struct talk *talk, const char *run) {
    AUTO(follow_done) struct flow_follow follow = {.invocation = invocation};
    char stream[STREAM_NAME_MAX];
    (void)snprintf(stream, sizeof stream, "run:%s", run);
    const struct follow_options options = {.talk = talk,
                                           .name = stream,
                                           .via = FOLLOW_SSE,
                                           .retry_ms = args_int(&invocation->args, "retry-for", 0),
                                           .enough = &follow.over,
                                           .event = on_flow_event,
                                           .ctx = &follow};
    talk_warn_held(talk);
    const struct err err = follow_run(&options, &invocation->why);
    if (err.code == ERR_INTERRUPTED) {
        job_detached(invocation, run, args_text(&invocation->args, "label"));
    } else if (!err_failed(err)) {
        flow_end_tell(invocation, &follow);
    }
    return err;
}

static struct err flow_run_run(struct invocation *invocation, struct talk *talk) {
    static const struct member members[] = {{"model", "model", MEMBER_TEXT},
                                            {"project", "project", MEMBER_TEXT},
                                            {"label", "label", MEMBER_TEXT},
                                            {"timeout", "timeout_ms", MEMBER_TIME},
                                            {.flag = NULL}};
    AUTO(text_done) struct text body = text_up_to(BODY_MAX);
    AUTO(json_release) json_t *answer = NULL;
    const struct args *args = &invocation->args;
    const struct api_request request = {.method = "POST",
                                        .base = "/api/v1/flows",
                                        .body = &body,
                                        .retry = API_RETRY_CUT,
                                        .retry_ms = args_int(args, "retry-for", 0)};
    struct err err = flow_body_write(invocation, members, &body);
    err = err_failed(err) ? err : api_ask(talk, &request, &answer, &invocation->why);
    if (err_failed(err)) {
        return err;
    }
    const char *run = talk_text(answer, "id");
    if (args_on(args, "detach")) {
        run_begun_print(invocation, "id", run, args_text(args, "label"));
        return ERR_OK;
    }
    return flow_follow(invocation, talk, run);
}

static const struct flag run_flags[] = {
    OPTION_ROOT,
    OPTION_INPUT,
    OPTION_TEXT("model", 'm', "MODEL", "Use this model for agents that name none."),
    OPTION_TEXT("project", 'p', "NAME", "Charge the run to this project."),
    OPTION_TEXT("label", 'l', "TEXT", "Name the run."),
    OPTION_TIME("timeout", 1, TIME_MAX_MS, "End it after this time: 30s, 2h [never]."),
    OPTION_SWITCH("detach", 'd', "Print the id of the run, and do not follow it."),
    OPTION_RETRY("Keep trying this long while the daemon is away."),
    OPTION_END,
};

const struct command command_flow_run = {
    COMMAND("flow", "run", "FILE|NAME", "Run a flow, and follow it."),
    HELP(WORKFLOWS, "drover flow run review-branch --input '{\"base\": \"main\"}'\n"),
    .flags = run_flags,
    .asks_models = true,
    .about = "An argument with a slash, or that ends in .js or .mjs, is a path. Anything else\n"
             "is the name of a flow: see 'drover flow ls'.\n"
             "\n"
             "Each change of a step is a line on stderr; stdout has only the report. Ctrl-C\n"
             "detaches, and the run continues. 'drover approve' lists what it asks you.\n"
             "\n"
             "Exit code: 0 if the flow is completed; 1 if a step failed; 124 after a timeout;\n"
             "125 if it was stopped; 130 after Ctrl-C.\n",
    .converse = flow_run_run,
};
