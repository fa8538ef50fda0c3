/* help.c: writes help from the tables of commands and flags; and the command `drover help`. */
#include <string.h>

#include "base/text.h"
#include "base/utf8.h"
#include "cli/base/action.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/manual.h"
#include "cli/base/options.h"

enum { NAME_COLUMN = 22, FLAG_COLUMN = 30, COLUMNS_MAX = 80 };

/* Commands that `drover` without arguments shows. */
static const char *const first_commands[] = {"ask", "chat", "run", "job run", "ps", "approve"};

static const char *const section_titles[SECTIONS] = {
    [SECTION_AGENTS] = "Ask and talk",
    [SECTION_RUNS] = "See and control what runs",
    [SECTION_JOBS] = "Jobs: commands that outlive the terminal",
    [SECTION_WORKFLOWS] = "Workflows: scripts that run agents",
    [SECTION_SESSIONS] = "Sessions: conversations and what they may use",
    [SECTION_TASKS] = "Tasks: work that agents and you share",
    [SECTION_MODELS] = "Models and settings",
    [SECTION_BUDGETS] = "Budgets and usage",
    [SECTION_EVENTS] = "Streams of events",
    [SECTION_DAEMON] = "The daemon",
    [SECTION_HELP] = "Help",
};

/* A list shows the first sentence of the summary. */
static size_t summary_first(const char *summary) {
    const char *end = strstr(summary, ". ");
    return end != NULL ? (size_t)(end + 1 - summary) : strlen(summary);
}

static void row_print(const struct command *command, FILE *out) {
    int len = fprintf(out, "  %s%s%s", command->group != NULL ? command->group : "",
                      command->group != NULL ? " " : "", command->name);
    fprintf(out, "%*s%.*s\n", len < NAME_COLUMN ? NAME_COLUMN - len : 1, "",
            (int)summary_first(command->summary), command->summary);
}

static void group_print(const struct command *const *commands, const char *group, FILE *out) {
    for (; *commands != NULL; commands++) {
        if (command_is_of(*commands, group) && !(*commands)->hidden) {
            row_print(*commands, out);
        }
    }
}

static void section_print(const struct command *const *commands, enum command_section section,
                          FILE *out) {
    bool any = false;
    for (; *commands != NULL; commands++) {
        if ((*commands)->section == section && !(*commands)->hidden) {
            if (!any) {
                fprintf(out, "\n%s\n", section_titles[section]);
            }
            any = true;
            row_print(*commands, out);
        }
    }
}

/* "job run" or "ask" */
static bool name_is(const struct command *command, const char *name) {
    size_t len = command->group != NULL ? strlen(command->group) : 0;
    return len == 0 ? strcmp(command->name, name) == 0
                    : strncmp(command->group, name, len) == 0 && name[len] == ' ' &&
                          strcmp(command->name, name + len + 1) == 0;
}

void help_start(const struct command *const *commands, FILE *out) {
    fputs("drover - run AI agents and jobs that survive crashes\n\nStart here:\n", out);
    for (size_t i = 0; i < COUNT_OF(first_commands); i++) {
        for (size_t at = 0; commands[at] != NULL; at++) {
            if (name_is(commands[at], first_commands[i])) {
                row_print(commands[at], out);
            }
        }
    }
    fputs("\n'drover help' lists all commands; 'drover help COMMAND' shows examples.\n", out);
}

/* Prints words from FLAG_COLUMN on, in lines of at most 80 columns; `at` is the column now. */
static void wrap_print(const char *words, int at, FILE *out) {
    fprintf(out, "%*s", FLAG_COLUMN - at, "");
    for (int column = FLAG_COLUMN; *words != '\0'; words += strspn(words, " ")) {
        int len = (int)strcspn(words, " "),
            wide = (int)utf8_count((struct bytes){words, (size_t)len});
        if (column > FLAG_COLUMN && column + 1 + wide > COLUMNS_MAX) {
            fprintf(out, "\n%*s", FLAG_COLUMN, "");
            column = FLAG_COLUMN;
        }
        column += fprintf(out, "%s", column > FLAG_COLUMN ? " " : "") + wide;
        fwrite(words, 1, (size_t)len, out);
        words += len;
    }
    fputc('\n', out);
}

/* Prints "a|b|c" after the name of a flag, with line breaks after a "|". `at`: the current column.
 * Returns the column at the end. */
static int choices_wrap(const char *choices, int at, FILE *out) {
    enum { INDENT = 10 };
    int column = at + fprintf(out, " ");
    while (*choices != '\0') {
        size_t len = strcspn(choices, "|");
        len += choices[len] == '|' ? 1 : 0;
        if (column + (int)len > COLUMNS_MAX) {
            column = fprintf(out, "\n%*s", INDENT, "") - 1;
        }
        column += fprintf(out, "%.*s", (int)len, choices);
        choices += len;
    }
    return column;
}

static void flag_print(const struct flag *flag, FILE *out) {
    AUTO(text_done) struct text words = text_up_to(4096);
    int len = flag->letter != '\0' ? fprintf(out, "  -%c, --%s", flag->letter, flag->name)
                                   : fprintf(out, "      --%s", flag->name);
    if (flag->choices != NULL) {
        len = choices_wrap(flag->choices, len, out);
    } else if (flag->kind != FLAG_SWITCH) {
        len += fprintf(out, flag->alone != NULL ? "[=%s]" : " %s", flag->value);
    }
    if (len >= FLAG_COLUMN) {
        fputc('\n', out);
        len = 0;
    }
    text_add_str(&words, flag->about);
    if (flag->absent != NULL) {
        text_addf(&words, " [%s]", flag->absent);
    }
    if (flag->env != NULL) {
        text_addf(&words, " (%s)", flag->env);
    }
    wrap_print(text_bytes(&words).data, len, out);
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
    if (command->examples != NULL) {
        fputs("\nExamples:\n", out);
        for (const char *line = command->examples; *line != '\0';) {
            size_t len = strcspn(line, "\n");
            fprintf(out, "  %.*s\n", (int)len, line);
            line += len + (line[len] == '\n' ? 1 : 0);
        }
    }
}

void help_print(const struct command *const *commands, const struct args *args, FILE *out) {
    if (args->command != NULL) {
        command_print(args->command, out);
        return;
    }
    if (args->group != NULL) {
        fprintf(out, "Usage: drover %s COMMAND [FLAGS]\n\nCommands:\n", args->group);
        group_print(commands, args->group, out);
        fprintf(out, "\n'drover help %s COMMAND' shows flags and examples.\n", args->group);
        return;
    }
    fputs("drover - run AI agents and jobs that survive crashes\n\n"
          "Usage: drover COMMAND [FLAGS]\n",
          out);
    for (unsigned i = SECTION_NONE + 1; i < SECTIONS; i++) {
        section_print(commands, (enum command_section)i, out);
    }
    fputs("\n'drover help COMMAND' shows flags and examples. Every command takes --json;\n"
          "completion, help and 'service install --print' print the same with it.\n"
          "Where a command asks for a run, a session or another object, give its id, the\n"
          "beginning of its id, its label, or 'last' (the newest).\n"
          "Exit codes: 0 done, 1 failed, 2 wrong use, 3 not found, 4 refused, 5 conflict,\n"
          "6 data directory busy, 7 storage full or read-only, 8 storage lost, 9 daemon not\n"
          "reachable, 10 newer schema, 130 interrupted.\n",
          out);
}

/* The words are parsed as the command that they name, so that a typo gets the same hint. */
static struct err help_run(struct invocation *invocation) {
    const struct args *args = &invocation->args;
    if (args_given(args, "man")) {
        return manual_write(invocation->commands, args_text(args, "man"), &invocation->why);
    }
    const char *argv[] = {"drover", args->operand_count > 0 ? args->operands[0] : "--help",
                          args->operand_count > 1 ? args->operands[1] : "--help", "--help"};
    struct args named;
    TRY(args_parse(invocation->commands, (int)args->operand_count + 2, argv, &named,
                   &invocation->why));
    help_print(invocation->commands, &named, stdout);
    return ERR_OK;
}

static const struct flag help_flags[] = {
    OPTION_TEXT("man", 0, "DIR", "Write all manual pages into this folder instead."),
    OPTION_END,
};

const struct command command_help = {
    COMMAND(NULL, "help", "[COMMAND]", "Show help on a command."),
    HELP(HELP, "drover help job run\n"),
    .operands_max = 2,
    .flags = help_flags,
    .run = help_run,
};
