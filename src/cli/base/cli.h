/* cli.h: the program: which commands there are, and how one is run.
 *
 * Promise    every command is one row of one table; help, completion and usage errors come from it.
 *            A failure is one sentence on stderr and the exit code that base/err.h documents.
 * Threads    the main thread.
 */
#ifndef DROVER_CLI_BASE_CLI_H
#define DROVER_CLI_BASE_CLI_H

#include <stdio.h>

#include "base/base.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json/json.h"
#include "cli/base/args.h"
#include "cli/base/config.h"
#include "loop/world.h"

struct serve_options;

/* Ids that stand for short names (names.h). */
struct short_names {
    struct id ids[ARGS_OPERANDS_MAX + ARGS_REPEATS_MAX + 8];
    unsigned count;
    json_t *candidates; /* Owned: objects that an ambiguous name fits; NULL: none was. */
};

struct invocation {
    const struct command *const *commands; /* Ends with NULL. */
    struct args args;
    struct short_names names;
    struct config_env env;
    const struct world *world;
    struct err (*serve)(const struct serve_options *options, struct why *why);
    bool json;
    struct why why; /* Filled by a command that fails. */
    bool told;      /* The command printed its failure itself. */
    bool follows;   /* Ctrl-C is how the command ends (`ps --watch`): exit code 0. */
    int exit_code;  /* What a command that did not fail wants to end with. */
};

/* First screen of somebody who knows no command. help.c, as the next. */
void help_start(const struct command *const *commands, FILE *out);
/* Help on the command, else on the group, else on all. */
void help_print(const struct command *const *commands, const struct args *args, FILE *out);

/* Says on stderr why a command failed, or a part of it, unless it did so itself. */
void cli_failure_print(const struct invocation *invocation, struct err err);

/* A write to a pipe that nobody reads ends the process by SIGPIPE, which is how a command begins;
 * or it fails with EPIPE, for one that has something to do first. */
enum cli_broken_pipe { CLI_PIPE_ENDS, CLI_PIPE_FAILS };
void cli_broken_pipe(enum cli_broken_pipe what);

/* `serve` is the daemon; it stands above this room. Returns the exit code. */
int cli_main(int argc, const char *const *argv,
             struct err (*serve)(const struct serve_options *options, struct why *why));

#endif
