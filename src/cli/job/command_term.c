/* command_term.c: drover term ls, new, attach, rename, restart, close. */
#include <stdio.h>

#include "cli/base/action.h"
#include "cli/base/api_request.h"
#include "cli/base/commands.h"
#include "cli/base/flags.h"
#include "cli/base/listing.h"
#include "cli/base/names.h"
#include "cli/base/project.h"
#include "cli/job/watch.h"
#include "cli/run/ask.h"
#include "cli/run/kinds.h"
#include "rules/job/terminal.h"

static const struct flag ls_flags[] = {LISTING_OF(&terminal_resource.fields), OPTION_END};
static const struct flag new_flags[] = {FLAGS_OF(&terminal_resource.fields), OPTION_END};

const struct command command_term_ls = {
    COMMAND("term", "ls", NULL, "List terminals."),
    HELP(JOBS, "drover term ls\n"),
    .flags = ls_flags,
    ACTION("GET /api/v1/terminals", .fields = &terminal_resource.fields,
           .empty = "There is no terminal. 'drover term new NAME' makes one."),
};

/* --- New -------------------------------------------------------------------------------------- */

static struct err name_add(const void *ctx, struct text *body, struct why *why) {
    const struct args *args = &((const struct invocation *)ctx)->args;
    if (args->operand_count == 0) {
        return ERR_OK;
    }
    text_add_name(body, "name");
    return flags_text_add(body, args->operands[0], "NAME", why);
}

static struct err cwd_add(const void *ctx, struct text *body, struct why *why) {
    const struct args *args = &((const struct invocation *)ctx)->args;
    char folder[PATH_MAX];
    const char *given = args_text(args, "cwd");
    struct err err = root_resolve(given, folder, why);
    if (err_failed(err)) {
        return given == NULL ? err
                             : err_why(why, ERR_USAGE, "--cwd: there is no folder %.200s", given);
    }
    text_add_name(body, "cwd");
    return flags_text_add(body, folder, "the folder's path", why);
}

static const struct flags_part new_parts[] = {{"name", name_add}, {"cwd", cwd_add}, {.name = NULL}};

static void started_print(const json_t *terminal) {
    const char *id = talk_text(terminal, "id");
    printf("%s is started; 'drover term attach %s' opens it\n", id,
           short_name_of(id, talk_text(terminal, "name")).text);
}

const struct command command_term_new = {
    COMMAND("term", "new", "[NAME]", "Make a terminal, and start a shell in it."),
    HELP(JOBS, "drover term new build\n"
               "drover term new logs --command \"journalctl -f\" --cwd ~/web\n"),
    .flags = new_flags,
    .about = "What runs in it is a job, which outlives this command and the daemon. The\n"
             "terminal remains when that has ended: 'drover term restart' starts it again,\n"
             "'drover term close' removes it.\n",
    ACTION("POST /api/v1/terminals", .gives = &terminal_resource.fields, .parts = new_parts,
           .keyed = true, .print = started_print),
};

/* --- Attach ----------------------------------------------------------------------------------- */

static struct err attach_terminal(struct invocation *invocation, struct talk *talk) {
    static const struct action show = {.request = "GET /api/v1/terminals/{}"};
    AUTO(json_release) json_t *terminal = NULL, *job = NULL;
    TRY(action_ask(talk, &show, &terminal));
    if (json_is_null(json_object_get(terminal, "state"))) {
        const char *id = talk_text(terminal, "id");
        return err_why(&invocation->why, ERR_CONFLICT,
                       "its job was removed; 'drover term restart %s' starts it again",
                       short_name_of(id, talk_text(terminal, "name")).text);
    }
    TRY(run_get(talk, talk_text(terminal, "run"), 0 /* a single try */, &job, &invocation->why));
    return job_attach(invocation, talk, job);
}

const struct command command_term_attach = {
    COMMAND("term", "attach", "TERMINAL", "Open a terminal here."),
    HELP(JOBS, "drover term attach build\n"),
    .flags = run_attach_flags,
    .about = "It gets every key you press and the size of yours; Ctrl-] detaches, and it goes\n"
             "on. Exit codes are those of 'drover job run'.\n",
    .converse = attach_terminal,
};

/* --- Changes ---------------------------------------------------------------------------------- */

static struct err rename_body(struct invocation *invocation, struct text *body) {
    api_member(body, "name", invocation->args.operands[1]);
    return ERR_OK;
}

const struct command command_term_rename = {
    COMMAND("term", "rename", "TERMINAL NAME", "Rename a terminal."),
    HELP(JOBS, "drover term rename build tests\n"),
    ACTION("PATCH /api/v1/terminals/{}", .body = rename_body, .done = "{id} is renamed"),
};

const struct command command_term_restart = {
    COMMAND("term", "restart", "TERMINAL…", "Start a terminal again that has ended."),
    HELP(JOBS, "drover term restart build\n"),
    ACTION("POST /api/v1/terminals/{}/restart", .keyed = true, .print = started_print),
};

const struct command command_term_close = {
    COMMAND("term", "close", "TERMINAL…", "Close a terminal, and stop what runs in it."),
    HELP(JOBS, "drover term close build\n"),
    ACTION("DELETE /api/v1/terminals/{}", .done = "{id} is closed"),
};
