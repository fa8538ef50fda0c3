/* command_completion.c: drover completion bash|zsh|fish, and the hidden command that answers the
 * shells.
 *
 *   drover __complete WORD…     the words after "drover" up to the cursor, the last one unfinished
 *
 * prints a candidate a line, with a tab and its description where it has one. Commands, flags and
 * their choices come from the tables that the parser reads; ids, labels, workflows and models from
 * the daemon. So the scripts are short, and a new command completes as soon as it exists. A shell
 * waits for the answer: the daemon gets ASK_MS, none is started, and every failure is silent.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
#include "cli/base/action.h"
#include "cli/base/api.h"
#include "cli/base/commands.h"
#include "cli/base/names.h"
#include "rules/board/board.h"

enum { ASK_MS = 500, IDS_MAX = 50 };

/* --- Candidates ------------------------------------------------------------------------------- */

struct completion {
    struct invocation *invocation;
    const struct command *const *commands;
    const char *typed; /* Word at the cursor. */
    size_t typed_len;
    const char *project; /* Value of --project on the line; NULL: none. */
};

static void candidate_print(const struct completion *completion, struct bytes word,
                            const char *about) {
    if (word.len == 0 || word.len < completion->typed_len ||
        memcmp(word.data, completion->typed, completion->typed_len) != 0 ||
        utf8_has_control(word)) {
        return;
    }
    AUTO(text_done) struct text line = text_up_to(8 << 10);
    text_add_str(&line, about);
    if (line.len > 0) {
        utf8_make_plain(line.data, line.len);
    }
    printf("%.*s%s%s\n", (int)word.len, word.data, line.len > 0 ? "\t" : "",
           text_bytes(&line).data);
}

/* "out|err|pty" */
static void choices_print(const struct completion *completion, const char *choices) {
    for (const char *at = choices; *at != '\0'; at += *at == '|' ? 1 : 0) {
        size_t len = strcspn(at, "|");
        candidate_print(completion, (struct bytes){at, len}, "");
        at += len;
    }
}

/* Names of commands of one word and of groups, or of the commands of a group. */
static void commands_print(const struct completion *completion, const char *group) {
    for (size_t i = 0; completion->commands[i] != NULL; i++) {
        const struct command *command = completion->commands[i];
        bool first = true;
        for (size_t at = 0; at < i && first && command->group != NULL; at++) {
            const char *other = completion->commands[at]->group;
            first = other == NULL || strcmp(other, command->group) != 0;
        }
        if (command->hidden) {
            continue;
        }
        if (command_is_of(command, group)) {
            candidate_print(completion, bytes_of(command->name), command->summary);
        } else if (group == NULL && first) {
            candidate_print(completion, bytes_of(command->group), "");
        }
    }
}

static void flags_print(const struct completion *completion, const struct args_flags *flags) {
    for (unsigned at = 0; at < flags->count; at++) {
        char word[80];
        (void)snprintf(word, sizeof word, "--%s",
                       flags->rows[at].flag->name); /* Names are short. */
        candidate_print(completion, bytes_of(word), flags->rows[at].flag->about);
    }
}

/* --- What the daemon knows -------------------------------------------------------------------- */

/* GET of the target; NULL: nobody answers. */
static json_t *daemon_ask(struct completion *completion, const char *target) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};

    json_t *answer = NULL;
    (void)talk_open(&talk, completion->invocation); /* The request fails then, too. */
    struct err err = talk_look(&talk, target, ASK_MS, &answer, NULL /* no why */);
    return err_failed(err) ? NULL : answer;
}

/* A member of each item of a list. */
static void items_print(struct completion *completion, const char *target, const char *member,
                        const char *about) {
    AUTO(json_release) json_t *answer = daemon_ask(completion, target);
    const json_t *found = json_object_get(answer, "items");
    const json_t *items = found != NULL ? found : json_object_get(answer, "workflows");
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        candidate_print(completion, bytes_of(talk_text(item, member)), talk_text(item, about));
    }
}

/* Workflows of the current project, of the home and built in; the last two where the folder has no
 * path. */
static void workflows_print(struct completion *completion) {
    AUTO(text_done) struct text target = text_up_to(16 << 10);
    char here[PATH_MAX];
    text_add_str(&target, "/api/v1/workflows");
    if (getcwd(here, sizeof here) != NULL) {
        text_add_str(&target, "?root=");
        client_add_escaped(&target, here);
    }
    items_print(completion, text_bytes(&target).data, "name", "description");
}

static void ids_print(struct completion *completion, const struct name_kind *kind) {
    char target[100];
    (void)snprintf(target, sizeof target, "/api/v1/names?kind=%s&limit=%d", kind->kind, IDS_MAX);
    AUTO(json_release) json_t *answer = daemon_ask(completion, target);
    const json_t *items = json_object_get(answer, "items");
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        const char *label = talk_text(item, "label");
        const char *id = talk_text(item, "id"), *rest = strchr(id, '_');
        candidate_print(completion, bytes_of(id), label);
        if (completion->typed_len > 0 && rest != NULL) {
            candidate_print(completion, bytes_of(rest + 1), label);
        }
        /* A label of several words is no word to most shells. */
        if (completion->typed_len > 0 && strchr(label, ' ') == NULL) {
            candidate_print(completion, bytes_of(label), talk_text(item, "kind"));
        }
    }
    if (json_array_size(items) > 0) {
        candidate_print(completion, BYTES("last"), "the newest");
    }
}

/* Tasks of the project that the line names; else of "default". */
static void tasks_print(struct completion *completion) {
    AUTO(text_done) struct text target = text_up_to(1 << 10);
    text_add_str(&target, "/api/v1/projects/");
    client_add_escaped(&target, completion->project != NULL ? completion->project : "default");
    text_addf(&target, "/tasks?limit=%d", IDS_MAX);
    items_print(completion, text_bytes(&target).data, "name", "title");
}

/* Objects that a placeholder stands for. `group` is that of the command: NAME says too little. */
static void placeholder_print(struct completion *completion, struct bytes placeholder,
                              const char *group) {
    const struct name_kind *kinds[NAME_KINDS_MAX];
    unsigned count = name_kinds_of(placeholder, kinds);
    for (unsigned i = 0; i < count; i++) {
        ids_print(completion, kinds[i]);
    }
    if (bytes_is(placeholder, "[FILE|NAME]") ||
        (bytes_is(placeholder, "NAME") && strcmp(group, "workflow") == 0)) {
        workflows_print(completion);
    } else if (bytes_is(placeholder, "NAME") && strcmp(group, "provider") == 0) {
        items_print(completion, "/api/v1/providers?limit=200", "name", "base_url");
    } else if (bytes_is(placeholder, "NAME") && strcmp(group, "agent") == 0) {
        items_print(completion, "/api/v1/agents?limit=200", "name", "description");
    } else if (bytes_is(placeholder, "NAME") && strcmp(group, "stream") == 0) {
        items_print(completion, "/api/v1/streams?limit=200", "stream", "");
    } else if (bytes_is(placeholder, "PROJECT") || bytes_is(placeholder, "[PROJECT]") ||
               (bytes_is(placeholder, "NAME") && strcmp(group, "project") == 0)) {
        items_print(completion, "/api/v1/projects?limit=200", "name", "root");
    } else if (bytes_begin(placeholder, BYTES("TASK")) || bytes_is(placeholder, "[TASK]")) {
        tasks_print(completion);
    } else if (bytes_is(placeholder, "STATUS")) {
        choices_print(completion, TASK_STATUS_WORDS);
    } else if (bytes_is(placeholder, "SHELL")) {
        choices_print(completion, "bash|zsh|fish");
    }
}

/* --- The cursor ------------------------------------------------------------------------------- */

static void value_print(struct completion *completion, const struct flag *flag, const char *group) {
    if (flag->choices != NULL) {
        choices_print(completion, flag->choices);
    } else if (strcmp(flag->name, "model") == 0) {
        items_print(completion, "/api/v1/models?limit=200", "id", "");
    } else if (strcmp(flag->name, "project") == 0) {
        items_print(completion, "/api/v1/projects?limit=200", "name", "root");
    } else if (strcmp(flag->name, "agent") == 0) {
        items_print(completion, "/api/v1/agents?limit=200", "name", "description");
    } else if (flag->value != NULL) {
        placeholder_print(completion, bytes_of(flag->value), group);
    }
}

/* Flag whose value the word after `word` is; NULL: none. */
static const struct flag *flag_of(const struct args_flags *flags, const char *word) {
    for (unsigned at = 0; at < flags->count; at++) {
        const struct flag *flag = flags->rows[at].flag;
        bool named = strncmp(word, "--", 2) == 0 ? strcmp(word + 2, flag->name) == 0
                                                 : word[0] == '-' && word[1] != '\0' &&
                                                       word[1] == flag->letter && word[2] == '\0';
        if (named && flag->kind != FLAG_SWITCH && flag->alone == NULL) {
            return flag;
        }
    }
    return NULL;
}

static bool is_group(const struct completion *completion, const char *word) {
    for (size_t i = 0; completion->commands[i] != NULL; i++) {
        if (command_is_of(completion->commands[i], word)) {
            return true;
        }
    }
    return false;
}

/* Words of the command up to the cursor, `count` of them before it. */
static void command_complete(struct completion *completion, const struct command *command,
                             const char *const *words, unsigned count) {
    const char *group = command->group != NULL ? command->group : "";
    struct args_flags flags;
    args_flags(command, &flags);
    unsigned operands = 0;
    const struct flag *open = NULL;
    for (unsigned i = 0; i < count; i++) {
        const struct flag *value_of = open == NULL ? flag_of(&flags, words[i]) : NULL;
        bool plain = words[i][0] != '-' || words[i][1] == '\0';
        if (open == NULL && plain && command->takes_rest) {
            return; /* A command of its own: the shell completes files. */
        }
        operands += open == NULL && plain;
        completion->project =
            open != NULL && strcmp(open->name, "project") == 0 ? words[i] : completion->project;
        open = value_of;
    }
    const char *equals = strchr(completion->typed, '=');
    if (open != NULL) {
        value_print(completion, open, group);
    } else if (completion->typed[0] == '-' && equals == NULL) {
        flags_print(completion, &flags);
    } else {
        placeholder_print(completion, operand_placeholder(command, operands), group);
    }
}

/* --data and --url of the line say which daemon is asked. */
static void address_take(struct invocation *invocation, const char *const *words, unsigned count) {
    struct args *args = &invocation->args;
    for (unsigned i = 0; i + 1 < count; i++) {
        bool address = strcmp(words[i], "--data") == 0 || strcmp(words[i], "--url") == 0;
        if (address) {
            struct err err = args_set(args, args_at(args, words[i] + 2), words[i + 1], FROM_FLAG,
                                      words[i], NULL /* no why */);
            (void)err_failed(err); /* A text is always taken. */
        }
    }
}

/* Nobody wants a daemon because of a Tab. */
static const char *env_without_start(void *ctx, const char *name) {
    return strcmp(name, "DROVER_NO_START") == 0 ? "1" : config_env_real(ctx, name);
}

static struct err complete_run(struct invocation *invocation) {
    const char *const *words = invocation->args.rest;
    unsigned count = invocation->args.rest_count;
    const char *typed = count > 0 ? words[--count] : "";
    struct completion completion = {.invocation = invocation,
                                    .commands = invocation->commands,
                                    .typed = typed,
                                    .typed_len = strlen(typed)};
    invocation->env.get = env_without_start;
    address_take(invocation, words, count);
    bool help = count > 0 && strcmp(words[0], "help") == 0;
    words += help ? 1 : 0;
    count -= help ? 1 : 0;
    bool in_group = count > 0 && is_group(&completion, words[0]);
    unsigned own = in_group ? 2 : 1; /* Number of words that name the command. */
    if (count < own) {
        commands_print(&completion, in_group ? words[0] : NULL);
    } else if (!help) {
        const struct command *command =
            command_find(completion.commands, in_group ? words[0] : NULL, bytes_of(words[own - 1]));
        if (command != NULL && !command->hidden) {
            command_complete(&completion, command, words + own, count - own);
        }
    }
    return ERR_OK;
}

const struct command command_complete_words = {
    COMMAND(NULL, "__complete", "[WORD…]", "Print what may follow the words of a command line."),
    .hidden = true,
    .talks = true,
    .takes_rest = true,
    .run = complete_run,
};

/* --- Scripts ---------------------------------------------------------------------------------- */

/* Files complete where drover has no candidate. bash splits words at ':' and '=', which ids and
 * streams have: what stands before the last of them is taken off the candidates again. */
static const char bash_script[] =
    "# bash completion of drover: source <(drover completion bash)\n"
    "_drover() {\n"
    "  local line=${COMP_LINE:0:COMP_POINT} words current candidate IFS=$' \\t\\n'\n"
    "  read -ra words <<<\"$line\"\n"
    "  [[ $line == *[[:space:]] ]] && words+=('')\n"
    "  current=${words[${#words[@]} - 1]}\n"
    "  COMPREPLY=()\n"
    "  while IFS=$'\\t' read -r candidate _; do\n"
    "    [[ $current == *[:=]* ]] && candidate=${candidate#\"${current%\"${current##*[:=]}\"}\"}\n"
    "    COMPREPLY+=(\"$candidate\")\n"
    "  done < <(\"${words[0]}\" __complete -- \"${words[@]:1}\" 2>/dev/null)\n"
    "}\n"
    "complete -o default -F _drover drover\n";

static const char zsh_script[] =
    "#compdef drover\n"
    "# zsh completion of drover: source <(drover completion zsh)\n"
    "_drover() {\n"
    "  local -a found\n"
    "  local line\n"
    "  while IFS= read -r line; do\n"
    "    found+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\")\n"
    "  done < <(\"${words[1]}\" __complete -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
    "  if (( ${#found} )); then\n"
    "    _describe drover found\n"
    "  else\n"
    "    _files\n"
    "  fi\n"
    "}\n"
    "(( $+functions[compdef] )) && compdef _drover drover\n";

static const char fish_script[] = "# fish completion of drover: drover completion fish | source\n"
                                  "function __drover_complete\n"
                                  "  set -l words (commandline -opc) (commandline -ct)\n"
                                  "  $words[1] __complete -- $words[2..] 2>/dev/null\n"
                                  "end\n"
                                  "complete -c drover -a '(__drover_complete)'\n";

static struct err completion_run(struct invocation *invocation) {
    static const struct {
        const char *shell, *script;
    } scripts[] = {{"bash", bash_script}, {"zsh", zsh_script}, {"fish", fish_script}};
    const char *shell = invocation->args.operands[0];
    for (size_t i = 0; i < COUNT_OF(scripts); i++) {
        if (strcmp(shell, scripts[i].shell) == 0) {
            fputs(scripts[i].script, stdout);
            return ERR_OK;
        }
    }
    return err_why(&invocation->why, ERR_USAGE, "'%s' is not one of bash, zsh, fish", shell);
}

const struct command command_completion = {
    COMMAND(NULL, "completion", "SHELL", "Print a completion script for bash, zsh or fish."),
    HELP(HELP, "drover completion bash\n"),
    .run = completion_run,
};
