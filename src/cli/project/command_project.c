/* command_project.c: drover project ls, show, add, set, rm. */
#include <string.h>

#include "cli/base/action.h"
#include "cli/base/commands.h"
#include "cli/base/flags.h"
#include "cli/base/listing.h"
#include "rules/project/project.h"

static const struct flag ls_flags[] = {LISTING_OF(&project_resource.fields), OPTION_END};

/* A member that is an object. */
static struct err object_add(const void *ctx, const char *name, struct text *body,
                             struct why *why) {
    const char *given = args_text(&((const struct invocation *)ctx)->args, name);
    AUTO(json_release) json_t *json = NULL;
    struct why detail = {.text = ""};
    if (given == NULL) {
        return ERR_OK;
    }
    if (err_failed(json_parse(given, strlen(given), JSON_DEPTH_MAX, &json, &detail))) {
        return err_why(why, ERR_USAGE, "--%s: a JSON object: %.200s", name, detail.text);
    }
    text_add_name(body, name);
    text_add_str(body, given);
    return ERR_OK;
}

static struct err settings_add(const void *ctx, struct text *body, struct why *why) {
    return object_add(ctx, "settings", body, why);
}

static struct err board_add(const void *ctx, struct text *body, struct why *why) {
    return object_add(ctx, "board", body, why);
}

static const struct flags_part parts[] = {
    {"settings", settings_add}, {"board", board_add}, {.name = NULL}};
static const struct flag set_flags[] = {FLAGS_OF(&project_resource.fields), OPTION_END};

const struct command command_project_ls = {
    COMMAND("project", "ls", NULL, "List projects."),
    HELP(SESSIONS, "drover project ls\n"),
    .flags = ls_flags,
    ACTION("GET /api/v1/projects", .fields = &project_resource.fields,
           .empty =
               "There is no project. The first session, run or budget that names one makes it."),
};

const struct command command_project_show = {
    COMMAND("project", "show", "NAME", "Show a project."),
    HELP(SESSIONS, "drover project show web\n"),
    ACTION("GET /api/v1/projects/{}", .fields = &project_resource.fields),
};

const struct command command_project_add = {
    COMMAND("project", "add", "NAME", "Make a project, with what new sessions of it begin with."),
    HELP(SESSIONS, "drover project add web --root ~/web --model anthropic/claude-sonnet-4-5\n"),
    .flags = set_flags,
    ACTION("POST /api/v1/projects", .gives = &project_resource.fields, .parts = parts,
           .keyed = true, .done = "{name} is made"),
};

const struct command command_project_set = {
    COMMAND("project", "set", "NAME", "Change a project: defaults of new sessions, rules for all."),
    HELP(SESSIONS, "drover project set web --agent reviewer\n"
                   "drover project set web --settings '{\"edits\":[\"docs/**\"]}'\n"),
    .flags = set_flags,
    ACTION("PATCH /api/v1/projects/{}", .gives = &project_resource.fields, .parts = parts,
           .done = "{name} is changed"),
};

/* The texts first: those of a project that is gone are found by its name alone. */
static struct err rm_one(struct invocation *invocation, struct talk *talk) {
    static const struct action texts = {.request = "DELETE /api/v1/projects/{}/texts",
                                        .done = "the tasks and the mail of {name} are removed"};
    (void)talk; /* Each request has its own. */
    TRY(args_on(&invocation->args, "texts") ? action_do(invocation, &texts) : ERR_OK);
    return action_do(invocation, invocation->args.command->action);
}

static struct err rm_run(struct invocation *invocation) {
    return action_each(invocation, NULL /* see there */, rm_one);
}

static const struct flag rm_flags[] = {
    OPTION_SWITCH("texts", 0, "Remove its tasks and its mail, too, for good."), OPTION_END};

const struct command command_project_rm = {
    COMMAND("project", "rm", "NAME…", "Remove a project that nothing unfinished uses."),
    HELP(SESSIONS, "drover project rm web\ndrover project rm web --texts\n"),
    .flags = rm_flags,
    .about = "Without --texts its tasks and its mail stay, out of sight, and a project of that\n"
             "name has them again.\n",
    .talks = true,
    .run = rm_run,
    .action = &(const struct action){.request = "DELETE /api/v1/projects/{}",
                                     .done = "{name} is removed"},
};
