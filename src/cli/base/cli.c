/* cli.c: from argv to an exit code. */
#include "cli/base/cli.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json/json.h"
#include "cli/base/api.h"
#include "cli/base/commands.h"
#include "cli/base/names.h"
#include "cli/terminal/plain.h"

static const struct command *const commands[] = {
#define COMMAND_ROW(name_) &command_##name_,
    COMMANDS(COMMAND_ROW) NULL,
#undef COMMAND_ROW
};

/* Whether stdout is a pipe or a socket that nobody reads any more. */
static bool reader_left(void) {
    struct pollfd out = {.fd = STDOUT_FILENO};
    return poll(&out, 1, 0 /* just a look */) > 0 && (out.revents & (POLLERR | POLLHUP)) != 0;
}

void cli_broken_pipe(enum cli_broken_pipe what) {
    const struct sigaction action = {.sa_handler = what == CLI_PIPE_ENDS ? SIG_DFL : SIG_IGN};
    (void)sigaction(SIGPIPE, &action, NULL /* old */); /* Cannot fail. */
}

/* The ways to a model, one after the other, for a person who has just installed drover. */
static const char no_model_guide[] =
    "\n"
    "No provider is connected, or none has answered ('drover provider ls' shows them).\n"
    "Do one of these, and try again:\n"
    "  export ANTHROPIC_API_KEY=KEY; drover restart\n"
    "      Use a key of your environment. Also: OPENAI_API_KEY, DEEPSEEK_API_KEY.\n"
    "  drover provider add anthropic --key-file -\n"
    "      Type a key, and have drover store it. 'drover help provider add' shows how\n"
    "      to add other providers.\n"
    "  ollama serve\n"
    "      Use a model of this machine. Ollama and llama-server are found without setup.\n"
    "  Add the flag --model PROVIDER/MODEL\n"
    "      Ask a model by its name, of a provider that is connected.\n"
    "  Add the flag --model scripted/demo\n"
    "      Try drover for free: a script plays the answers.\n";

void cli_failure_print(const struct invocation *invocation, struct err err) {
    const char *detail = invocation->why.text;
    if (invocation->told) {
        return;
    }
    if (!invocation->json && err.code == ERR_NO_MODEL) {
        plain_note("drover: no model is known (%s)\n%s", err_name(err.code), no_model_guide);
        return;
    }
    if (!invocation->json) {
        plain_note("drover: %s (%s)\n", detail[0] != '\0' ? detail : err_title(err.code),
                   err_name(err.code));
        names_print(invocation, stderr);
        return;
    }
    AUTO(text_done) struct text text = text_up_to(16 << 10);
    text_add_str(&text, "{\"error\":{");
    text_add_member(&text, "code", bytes_of(err_name(err.code)));
    text_add_member(&text, "title", bytes_of(err_title(err.code)));
    if (detail[0] != '\0') {
        text_add_member(&text, "detail", bytes_of(detail));
    }
    AUTO(text_done) struct text candidates = text_up_to(8 << 10);
    if (invocation->names.candidates != NULL &&
        !err_failed(json_write(invocation->names.candidates, &candidates))) {
        text_add_name(&text, "candidates");
        text_add_str(&text, candidates.data);
    }
    text_add_str(&text, "}}\n");
    fputs(text_failed(&text) ? "{\"error\":{\"code\":\"out_of_memory\"}}\n" : text.data, stderr);
}

static struct err command_converse(struct invocation *invocation) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    TRY(talk_open(&talk, invocation));
    return invocation->args.command->converse(invocation, &talk);
}

static struct err command_run_named(struct invocation *invocation, int argc) {
    const struct command *command = invocation->args.command;
    /* "drover" alone is a question; "drover stream" is an unfinished command as well. */
    bool question = invocation->args.help || (argc <= 1 && command == NULL);
    if (question || command == NULL) {
        invocation->told = !question;
        if (argc <= 1) {
            help_start(invocation->commands, stdout);
        } else {
            help_print(invocation->commands, &invocation->args, question ? stdout : stderr);
        }
        return question ? ERR_OK : err_make(ERR_USAGE, "arguments: command");
    }
    if (command != &command_serve) {
        TRY(config_env(&invocation->args, &invocation->env, &invocation->why));
        TRY(names_resolve(invocation));
    }
    return command->converse != NULL ? command_converse(invocation) : command->run(invocation);
}

/* A command that hears of a hang-up leaves the signal pending (talk_hear_all). */
static bool hung_up(void) {
    sigset_t pending;
    return sigpending(&pending) == 0 && sigismember(&pending, SIGHUP) == 1;
}

int cli_main(int argc, const char *const *argv,
             struct err (*serve)(const struct serve_options *options, struct why *why)) {
    json_setup();
    cli_broken_pipe(CLI_PIPE_ENDS); /* A parent may have ignored it. The daemon does so itself. */
    const char *const version[] = {argv[0], "version", NULL};
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        argv = version;
    }
    struct invocation invocation = {
        .commands = commands,
        .env = {.get = config_env_real, .all = (const char *const *)environ},
        .world = world_real(),
        .serve = serve};
    struct err err = args_parse(commands, argc, argv, &invocation.args, &invocation.why);
    if (!err_failed(err)) {
        invocation.json = args_on(&invocation.args, "json");
        err = command_run_named(&invocation, argc);
    }
    if (err.code == ERR_INTERRUPTED && invocation.follows) {
        err = ERR_OK;
        invocation.exit_code = 0;
    }
    if (err.os == EPIPE && reader_left()) {
        cli_broken_pipe(CLI_PIPE_ENDS);
        (void)raise(SIGPIPE); /* Quietly, with the code that shells know: 141. */
    }
    if (fflush(stdout) != 0 && !err_failed(err)) {
        err = err_make(ERR_IO, "output");
        why_set(&invocation.why, "the output could not be written");
    }
    if (err_failed(err)) {
        cli_failure_print(&invocation, err);
    }
    names_done(&invocation.names);
    if (err.code == ERR_INTERRUPTED && hung_up()) {
        return 128 + SIGHUP; /* As the shell tells of it. */
    }
    return err_failed(err) ? err_exit_code(err.code) : invocation.exit_code;
}
