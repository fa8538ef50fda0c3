/* cli.c: from argv to an exit code. */
#include "cli/base/cli.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json/json.h"
#include "cli/base/commands.h"
#include "cli/base/help.h"

/* In the order in which help shows them. */
static const struct command *const commands[] = {
    &command_serve,
    &command_job_run,
    &command_job_ls,
    &command_job_logs,
    &command_job_search,
    &command_job_attach,
    &command_job_wait,
    &command_job_stop,
    &command_job_abandon,
    &command_job_rm,
    &command_run,
    &command_pause,
    &command_resume,
    &command_restart,
    &command_ps,
    &command_show,
    &command_trace,
    &command_attach,
    &command_ask,
    &command_chat,
    &command_approve,
    &command_stop,
    &command_inbox_ls,
    &command_inbox_show,
    &command_inbox_retry,
    &command_inbox_drop,
    &command_session_ls,
    &command_session_search,
    &command_session_show,
    &command_session_new,
    &command_session_rename,
    &command_session_archive,
    &command_session_rm,
    &command_session_clear,
    &command_session_compact,
    &command_session_fork,
    &command_session_export,
    &command_root_ls,
    &command_root_add,
    &command_root_rm,
    &command_usage,
    &command_workflow_ls,
    &command_workflow_show,
    &command_workflow_check,
    &command_workflow_plan,
    &command_workflow_new,
    &command_memory_ls,
    &command_memory_show,
    &command_memory_rm,
    &command_budget_ls,
    &command_budget_show,
    &command_budget_set,
    &command_budget_rm,
    &command_host_ls,
    &command_host_rm,
    &command_release,
    &command_stream_append,
    &command_stream_tail,
    &command_stream_ls,
    &command_stream_show,
    &command_stream_prune,
    &command_stream_keep,
    &command_token_create,
    &command_token_ls,
    &command_token_revoke,
    &command_provider_ls,
    &command_provider_add,
    &command_provider_set,
    &command_provider_test,
    &command_provider_forget,
    &command_provider_rm,
    &command_models,
    &command_config_get,
    &command_config_set,
    &command_backup,
    &command_restore,
    &command_doctor,
    &command_version,
    &command_completion,
    &command_help,
    NULL,
};

static void failure_print(const struct invocation *invocation, struct err err) {
    const char *detail = invocation->why.text;
    if (invocation->told) {
        return;
    }
    if (!invocation->json) {
        fprintf(stderr, "drover: %s (%s)\n", detail[0] != '\0' ? detail : err_title(err.code),
                err_name(err.code));
        return;
    }
    AUTO(text_done) struct text text = {0};
    text_init(&text, 4096);
    text_addf(&text, "{\"error\":{\"code\":\"%s\",\"title\":\"%s\"", err_name(err.code),
              err_title(err.code));
    if (detail[0] != '\0') {
        text_add_str(&text, ",\"detail\":");
        text_add_json(&text, detail, strlen(detail));
    }
    text_add_str(&text, "}}\n");
    fputs(text_failed(&text) ? "{\"error\":{\"code\":\"out_of_memory\"}}\n" : text.data, stderr);
}

/* "drover" alone is a question; "drover stream" is one too, but an unfinished command as well. */
static bool is_question(const struct invocation *invocation, int argc) {
    return invocation->args.help || (argc <= 1 && invocation->args.command == NULL);
}

static struct err run(struct invocation *invocation, int argc) {
    const struct command *command = invocation->args.command;
    bool question = is_question(invocation, argc);
    if (question || command == NULL) {
        invocation->told = !question;
        help_print(invocation->commands, &invocation->args, question ? stdout : stderr);
        return question ? ERR_OK : err_make(ERR_USAGE, "arguments: command");
    }
    if (command != &command_serve) {
        struct err err = config_env(&invocation->args, &invocation->env, &invocation->why);
        if (err_failed(err)) {
            return err;
        }
    }
    return command->run(invocation);
}

static bool wants_version(int argc, const char *const *argv) {
    return argc == 2 && strcmp(argv[1], "--version") == 0;
}

int cli_main(int argc, const char *const *argv,
             struct err (*serve)(const struct serve_options *options, struct why *why)) {
    json_setup();
    const char *const version[] = {argv[0], "version", NULL};
    struct invocation invocation = {
        .commands = commands,
        .env = {.get = config_env_real, .all = (const char *const *)environ},
        .world = world_real(),
        .serve = serve};
    bool asks_version = wants_version(argc, argv);
    struct err err = args_parse(commands, asks_version ? 2 : argc, asks_version ? version : argv,
                                &invocation.args, &invocation.why);
    if (!err_failed(err)) {
        invocation.json = args_on(&invocation.args, "json");
        err = run(&invocation, argc);
    }
    if (fflush(stdout) != 0 && !err_failed(err)) {
        err = err_make(ERR_IO, "output");
        why_set(&invocation.why, "the output could not be written");
    }
    if (err_failed(err)) {
        failure_print(&invocation, err);
    }
    return err_failed(err) ? err_exit_code(err.code) : invocation.exit_code;
}
