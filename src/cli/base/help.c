/* help.c: help from the tables that the parser reads, and the command that shows it. */
#include <string.h>

#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/manual.h"
#include "cli/base/options.h"

enum { NAME_COLUMN = 24, FLAG_COLUMN = 30 };

/* group NULL: all. */
static void commands_print(const struct command *const *commands, const char *group, FILE *out) {
    for (; *commands != NULL; commands++) {
        const struct command *command = *commands;
        if (group != NULL && (command->group == NULL || strcmp(command->group, group) != 0)) {
            continue;
        }
        int len = fprintf(out, "  %s%s%s", command->group != NULL ? command->group : "",
                          command->group != NULL ? " " : "", command->name);
        fprintf(out, "%*s%s\n", len < NAME_COLUMN ? NAME_COLUMN - len : 1, "", command->summary);
    }
}

static void flag_print(const struct flag *flag, FILE *out) {
    int len = flag->letter != '\0' ? fprintf(out, "  -%c, --%s", flag->letter, flag->name)
                                   : fprintf(out, "      --%s", flag->name);
    if (flag->kind != FLAG_SWITCH) {
        len += fprintf(out, " %s", flag->choices != NULL ? flag->choices : flag->value);
    }
    if (len >= FLAG_COLUMN) {
        fputc('\n', out);
        len = 0;
    }
    fprintf(out, "%*s%s", FLAG_COLUMN - len, "", flag->about);
    if (flag->absent != NULL) {
        fprintf(out, " [%s]", flag->absent);
    }
    if (flag->env != NULL) {
        fprintf(out, " (%s)", flag->env);
    }
    fputc('\n', out);
}

static void command_print(const struct command *command, FILE *out) {
    const char *operands = command->operands != NULL ? command->operands : "";
    fprintf(out, "%s\n\nUsage: drover %s%s%s%s%s%s%s\n\nFlags:\n", command->summary,
            command->group != NULL ? command->group : "", command->group != NULL ? " " : "",
            command->name, command->takes_rest ? " [FLAGS]" : "", operands[0] != '\0' ? " " : "",
            operands, command->takes_rest ? "" : " [FLAGS]");
    struct args_flags flags;
    args_flags(command, &flags);
    for (unsigned at = 0; at < flags.count; at++) {
        flag_print(flags.rows[at].flag, out);
    }
    if (command->about != NULL) {
        fprintf(out, "\n%s", command->about);
    }
}

void help_print(const struct command *const *commands, const struct args *args, FILE *out) {
    if (args->command != NULL) {
        command_print(args->command, out);
        return;
    }
    if (args->group != NULL) {
        fprintf(out, "Usage: drover %s COMMAND [FLAGS]\n\nCommands:\n", args->group);
        commands_print(commands, args->group, out);
        fprintf(out, "\n'drover %s COMMAND --help' tells more.\n", args->group);
        return;
    }
    fputs("drover - a daemon that drives a herd of agents and loses none\n\n"
          "Usage: drover COMMAND [FLAGS]\n\nCommands:\n",
          out);
    commands_print(commands, NULL /* all */, out);
    fputs("\n'drover COMMAND --help' tells more. Every command takes --json.\n"
          "Exit codes: 0 done, 1 failed, 2 wrong use, 3 not found, 4 refused, 5 conflict, 6 data\n"
          "directory busy, 7 storage full or read-only, 8 storage lost, 9 daemon not reachable,\n"
          "10 newer schema, 11 interrupted.\n",
          out);
}

/* The words are read as the command they name, so that a typo gets the same hint. */
static struct err help_run(struct invocation *invocation) {
    const struct args *args = &invocation->args;
    if (args_given(args, "man")) {
        return manual_write(invocation->commands, args_text(args, "man"), &invocation->why);
    }
    const char *argv[] = {"drover", args->operand_count > 0 ? args->operands[0] : "--help",
                          args->operand_count > 1 ? args->operands[1] : "--help", "--help"};
    struct args named;
    struct err err = args_parse(invocation->commands, (int)args->operand_count + 2, argv, &named,
                                &invocation->why);
    if (!err_failed(err)) {
        help_print(invocation->commands, &named, stdout);
    }
    return err;
}

static const struct flag help_flags[] = {
    OPTION_TEXT("man", 0, "DIR", "Write all manual pages into this folder instead."),
    OPTION_END,
};

const struct command command_help = {
    .name = "help",
    .summary = "Show help on a command.",
    .operands = "[COMMAND]",
    .operands_max = 2,
    .flags = help_flags,
    .run = help_run,
};
