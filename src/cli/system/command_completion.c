/* command_completion.c: drover completion bash|zsh|fish. The scripts are made from the tables, so a
 * new command or flag completes as soon as it exists. */
#include <stdio.h>
#include <string.h>

#include "cli/base/cli.h"
#include "cli/base/commands.h"

/* "stream append", or "serve" */
static void name_print(const struct command *command) {
    printf("%s%s%s", command->group != NULL ? command->group : "",
           command->group != NULL ? " " : "", command->name);
}

/* The first command of a group stands for it where only groups matter. */
static bool is_first_of_group(const struct command *const *commands, size_t at) {
    for (size_t i = 0; i < at; i++) {
        if (commands[i]->group != NULL && strcmp(commands[i]->group, commands[at]->group) == 0) {
            return false;
        }
    }
    return true;
}

/* The words that may follow `group`; NULL: the first word. */
static void words_print(const struct command *const *commands, const char *group) {
    for (size_t i = 0; commands[i] != NULL; i++) {
        const struct command *command = commands[i];
        bool in_group =
            group != NULL && command->group != NULL && strcmp(command->group, group) == 0;
        if (in_group || (group == NULL && command->group == NULL)) {
            printf("%s ", command->name);
        } else if (group == NULL && is_first_of_group(commands, i)) {
            printf("%s ", command->group);
        }
    }
}

/* "out|err" with blanks between. */
static void choices_print(const char *choices) {
    for (; *choices != '\0'; choices++) {
        putchar(*choices == '|' ? ' ' : *choices);
    }
}

/* --- bash and zsh ----------------------------------------------------------------------------- */

static void bash_choices(const struct command *command) {
    struct args_flags flags;
    args_flags(command, &flags);
    for (unsigned at = 0; at < flags.count; at++) {
        const struct flag *flag = flags.rows[at].flag;
        if (flag->choices != NULL) {
            fputs("    '", stdout);
            name_print(command);
            printf(" --%s') words='", flag->name);
            choices_print(flag->choices);
            puts("' ;;");
        }
    }
}

static void bash_words(const struct command *const *commands) {
    fputs("    '') words='", stdout);
    words_print(commands, NULL /* first words */);
    puts("' ;;");
    for (size_t i = 0; commands[i] != NULL; i++) {
        const struct command *command = commands[i];
        struct args_flags flags;
        if (command->group != NULL && is_first_of_group(commands, i)) {
            printf("    '%s') words='", command->group);
            words_print(commands, command->group);
            puts("' ;;");
        }
        fputs("    '", stdout);
        name_print(command);
        fputs("') words='", stdout);
        args_flags(command, &flags);
        for (unsigned at = 0; at < flags.count; at++) {
            printf("--%s ", flags.rows[at].flag->name);
        }
        puts("' ;;");
    }
}

static void bash_print(const struct command *const *commands) {
    puts("# bash completion of drover: source <(drover completion bash)\n"
         "_drover() {\n"
         "  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
         "  local path='' words='' i word\n"
         "  for ((i = 1; i < COMP_CWORD && i < 3; i++)); do\n"
         "    word=${COMP_WORDS[i]}\n"
         "    case $word in -*) break ;; esac\n"
         "    case $path in");
    fputs("    '' ", stdout);
    for (size_t i = 0; commands[i] != NULL; i++) {
        if (commands[i]->group != NULL && is_first_of_group(commands, i)) {
            printf("| '%s' ", commands[i]->group);
        }
    }
    puts(") path=\"${path:+$path }$word\" ;;\n"
         "    esac\n"
         "  done\n"
         "  case \"$path $before\" in");
    for (size_t i = 0; commands[i] != NULL; i++) {
        bash_choices(commands[i]);
    }
    puts("  esac\n"
         "  [ -n \"$words\" ] || case $path in");
    bash_words(commands);
    puts("  esac\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
         "}\n"
         "complete -o default -F _drover drover");
}

/* --- fish ------------------------------------------------------------------------------------- */

static void fish_text(const char *text) {
    putchar('\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'' || *text == '\\') {
            putchar('\\');
        }
        putchar(*text);
    }
    putchar('\'');
}

static void fish_flag(const struct command *command, const struct flag *flag) {
    printf("complete -c drover -n '__fish_seen_subcommand_from %s%s%s' -l %s",
           command->group != NULL ? command->group : command->name,
           command->group != NULL ? "; and __fish_seen_subcommand_from " : "",
           command->group != NULL ? command->name : "", flag->name);
    if (flag->letter != '\0') {
        printf(" -s %c", flag->letter);
    }
    if (flag->kind != FLAG_SWITCH) {
        fputs(" -r", stdout);
    }
    if (flag->choices != NULL) {
        fputs(" -f -a '", stdout);
        choices_print(flag->choices);
        putchar('\'');
    }
    fputs(" -d ", stdout);
    fish_text(flag->about);
    putchar('\n');
}

static void fish_print(const struct command *const *commands) {
    puts("# fish completion of drover: drover completion fish | source");
    for (size_t i = 0; commands[i] != NULL; i++) {
        const struct command *command = commands[i];
        if (command->group != NULL && is_first_of_group(commands, i)) {
            printf("complete -c drover -f -n __fish_use_subcommand -a %s\n", command->group);
        }
        if (command->group != NULL) {
            printf("complete -c drover -f -n '__fish_seen_subcommand_from %s' -a %s -d ",
                   command->group, command->name);
        } else {
            printf("complete -c drover -f -n __fish_use_subcommand -a %s -d ", command->name);
        }
        fish_text(command->summary);
        putchar('\n');
        struct args_flags flags;
        args_flags(command, &flags);
        for (unsigned at = 0; at < flags.count; at++) {
            fish_flag(command, flags.rows[at].flag);
        }
    }
}

static struct err completion_run(struct invocation *invocation) {
    const char *shell = invocation->args.operands[0];
    if (strcmp(shell, "bash") == 0) {
        bash_print(invocation->commands);
    } else if (strcmp(shell, "zsh") == 0) {
        /* zsh reads the same through its own emulation of bash's completion. */
        puts("#compdef drover\n"
             "# zsh completion of drover: source <(drover completion zsh)\n"
             "autoload -U +X bashcompinit && bashcompinit");
        bash_print(invocation->commands);
    } else if (strcmp(shell, "fish") == 0) {
        fish_print(invocation->commands);
    } else {
        return err_why(&invocation->why, ERR_USAGE, "'%s' is none of bash, zsh, fish", shell);
    }
    return ERR_OK;
}

const struct command command_completion = {
    .name = "completion",
    .summary = "Print a completion script for bash, zsh or fish.",
    .operands = "SHELL",
    .run = completion_run,
};
