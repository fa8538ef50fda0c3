/* args.c: one pass over argv. */
#include "cli/base/args.h"

#include <stdio.h>
#include <string.h>

#include "base/fields/fields.h"
#include "base/number.h"
#include "base/suggest.h"
#include "cli/base/options.h"
#include "cli/base/quantity.h"

/* --- The flags of a command ------------------------------------------------------------------- */

static const struct flag everybody[] = {
    OPTION_SWITCH("json", 0, "Print JSON, one value per line."),
    OPTION_SWITCH("help", 'h', "Show this help."),
    OPTION_END,
};

/* Every client of the daemon takes --url, and --data or, where a command has a --data of its own,
 * --dir. */
static const struct flag client_data[] = {
    OPTION_TEXT("data", 0, "DIR", "Use the daemon of this data directory.", .env = "DROVER_DATA"),
    OPTION_END,
};
static const struct flag client_dir[] = {
    OPTION_TEXT("dir", 0, "DIR", "Use the daemon of this data directory (--data elsewhere).",
                .env = "DROVER_DATA"),
    OPTION_END,
};
static const struct flag client_url[] = {
    OPTION_TEXT("url", 0, "URL",
                "Connect to http://HOST:PORT or unix:PATH; the token is read from DROVER_TOKEN.",
                .env = "DROVER_URL"),
    OPTION_END,
};

/* The variable is set inside a run: a daemon is there, and no command of a run starts another. */
static const struct flag client_start[] = {
    OPTION_SWITCH("no-start", 0, "Start no daemon where none serves the data directory.",
                  .env = "DROVER_NO_START"),
    OPTION_END,
};

static void flag_add(struct args_flags *flags, const struct flag *flag, const struct field *field) {
    assert(flags->count < ARGS_FLAGS_MAX);
    flags->rows[flags->count].flag = flag;
    flags->rows[flags->count].field = field;
    flags->count++;
}

static void field_flags_add(struct args_flags *flags, const struct flag *of) {
    for (size_t i = 0; i < of->fields->count; i++) {
        const struct field *field = &of->fields->rows[i];
        const struct flag *flag = of->filters ? &field->filter_flag : &field->flag;
        if (field->fields != NULL) {
            const struct flag inner = {.fields = field->fields, .filters = of->filters};
            field_flags_add(flags, &inner);
        } else if (flag->name != NULL) {
            flag_add(flags, flag, field);
        }
    }
}

static void flags_add(struct args_flags *flags, const struct flag *table) {
    for (; table != NULL && table->name != NULL; table++) {
        if (table->fields != NULL) {
            field_flags_add(flags, table);
        } else {
            flag_add(flags, table, NULL /* of no field */);
        }
    }
}

/* Position of a flag by its name; `count`: there is none. */
static unsigned flag_find(const struct args_flags *flags, struct bytes name) {
    unsigned at = 0;
    while (at < flags->count && !bytes_is(name, flags->rows[at].flag->name)) {
        at++;
    }
    return at;
}

void args_flags(const struct command *command, struct args_flags *ret_flags) {
    ret_flags->count = 0;
    if (command != NULL) {
        flags_add(ret_flags, command->flags);
    }
    if (command != NULL && command_talks(command)) {
        bool taken = flag_find(ret_flags, BYTES("data")) < ret_flags->count;
        flags_add(ret_flags, taken ? client_dir : client_data);
        flags_add(ret_flags, client_url);
        flags_add(ret_flags, command->starts_none ? NULL : client_start);
    }
    flags_add(ret_flags, everybody);
}

/* --- Values ----------------------------------------------------------------------------------- */

/* Whether the text is one of "a|b|c"; of a LIST, each of its words: a,b. */
static bool choices_fit(const struct flag *flag, const char *text) {
    for (;; text++) {
        struct bytes word = {text, flag->kind == FLAG_LIST ? strcspn(text, ",") : strlen(text)};
        const char *choice = flag->choices;
        while (choice != NULL && !bytes_equal((struct bytes){choice, strcspn(choice, "|")}, word)) {
            choice = strchr(choice, '|');
            choice = choice != NULL ? choice + 1 : NULL;
        }
        if (choice == NULL) {
            return false;
        }
        text += word.len;
        if (text[0] == '\0') {
            return true;
        }
    }
}

static struct err number_read(const struct flag *flag, const struct field *field,
                              struct flag_value *value, const char *where, struct why *why) {
    static const char *const forms[] = {
        [FLAG_INT] = "a whole number",
        [FLAG_DURATION] = "a time like 500ms, 30s, 5m or 2h",
        [FLAG_SIZE] = "a size like 64M or 1G",
    };
    bool of_field = field != NULL && flag->min == 0 && flag->max == 0;
    struct number_bounds bounds = {of_field ? field->min : flag->min,
                                   of_field ? field->max : flag->max};
    struct bytes digits = bytes_of(value->text);
    bool fits = flag->kind == FLAG_DURATION ? quantity_duration(digits, bounds, &value->number)
                : flag->kind == FLAG_SIZE   ? quantity_size(digits, bounds, &value->number)
                                            : number_parse(digits, bounds, &value->number);
    if (fits) {
        return ERR_OK;
    }
    return err_why(why, ERR_USAGE, "%s: '%s' is not %s from %s to %s", where, value->text,
                   forms[flag->kind], quantity_text(flag->kind, bounds.min).text,
                   quantity_text(flag->kind, bounds.max).text);
}

struct err args_set(struct args *args, unsigned at, const char *text, enum value_from from,
                    const char *where, struct why *why) {
    assert(at < args->flags.count);
    const struct flag *flag = args->flags.rows[at].flag;
    struct flag_value value = {.from = from, .text = text};
    if (flag->kind == FLAG_SWITCH) {
        value.number = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
        if (value.number == 0 && strcmp(text, "false") != 0 && strcmp(text, "0") != 0) {
            return err_why(why, ERR_USAGE, "%s: '%s' is neither true nor false", where, text);
        }
    } else if (flag->kind != FLAG_TEXT && flag->kind != FLAG_LIST) {
        TRY(number_read(flag, args->flags.rows[at].field, &value, where, why));
    } else if (flag->choices != NULL && !choices_fit(flag, text)) {
        return err_why(why, ERR_USAGE, "%s: '%s' is not one of %s", where, text, flag->choices);
    }
    /* A LIST keeps every value; its number counts them, and its last text stands for it. */
    if (flag->kind == FLAG_LIST) {
        if (args->repeat_count == ARGS_REPEATS_MAX) {
            return err_why(why, ERR_USAGE, "%s: more than %d values", where, ARGS_REPEATS_MAX);
        }
        args->repeats[args->repeat_count++] = (struct args_repeat){at, text};
        value.number = args->values[at].number + 1;
    }
    args->values[at] = value;
    return ERR_OK;
}

/* --- Words ------------------------------------------------------------------------------------ */

struct words {
    const char *const *argv;
    int argc, at;
};

/* --- Words that are no command ---------------------------------------------------------------- */

/* Words of other programs for commands of ours: first words, and second words within a group.
 * Several meanings: "job rm|session rm". A meaning that is no command is left out. */
struct synonym {
    const char *word, *means;
};
static const struct synonym first_synonyms[] = {
    {"list", "ps"},
    {"ls", "ps"},
    {"top", "ps"},
    {"kill", "stop"},
    {"cancel", "stop"},
    {"abort", "stop"},
    {"start", "run|serve"},
    {"up", "serve"},
    {"daemon", "serve"},
    {"server", "serve"},
    {"rm", "job rm|session rm"},
    {"remove", "job rm|session rm"},
    {"delete", "job rm|session rm"},
    {"exec", "job run"},
    {"submit", "job run"},
    {"log", "job logs"},
    {"output", "job logs"},
    {"continue", "resume"},
    {"inspect", "show"},
    {"describe", "show"},
    {"follow", "attach"},
    {"watch", "attach"},
    {"wait", "job wait"},
    {"prompt", "ask"},
    {"allow", "approve"},
    {"deny", "approve"},
    {"answer", "approve"},
    {"cost", "usage"},
    {"init", "workflow new"},
    {"jobs", "job ls"},
    {"sessions", "session ls"},
    {"workflows", "workflow ls"},
    {"flows", "flow ls"},
    {"providers", "provider ls"},
    {"history", "session ls"},
    {"man", "help"},
};
static const struct synonym group_synonyms[] = {
    {"list", "ls"},    {"remove", "rm"}, {"delete", "rm"},   {"del", "rm"},     {"create", "new"},
    {"create", "add"}, {"make", "new"},  {"new", "create"},  {"add", "create"}, {"kill", "stop"},
    {"start", "run"},  {"get", "show"},  {"info", "show"},   {"cat", "show"},   {"status", "show"},
    {"revoke", "rm"},  {"rm", "revoke"}, {"output", "logs"}, {"log", "logs"},   {"move", "rename"},
};

/* "session ls" as "drover session ls", between quotes. */
struct hint {
    char text[200];
    size_t len;
};

static void hint_add(struct hint *hint, const char *group, struct bytes name) {
    int len = snprintf(hint->text + hint->len, sizeof hint->text - hint->len, "%s'drover %s%s%.*s'",
                       hint->len > 0 ? " or " : "", group != NULL ? group : "",
                       group != NULL ? " " : "", (int)name.len, name.data);
    bool fits = len > 0 && (size_t)len < sizeof hint->text - hint->len;
    hint->len += fits ? (size_t)len : 0;
    hint->text[hint->len] = '\0';
}

bool command_is_of(const struct command *command, const char *group) {
    return group == NULL ? command->group == NULL
                         : command->group != NULL && strcmp(command->group, group) == 0;
}

const struct command *command_find(const struct command *const *commands, const char *group,
                                   struct bytes name) {
    for (; *commands != NULL; commands++) {
        if (command_is_of(*commands, group) && bytes_is(name, (*commands)->name)) {
            return *commands;
        }
    }
    return NULL;
}

/* Adds the meanings of "job rm|session rm" that are commands here. */
static void meanings_add(const struct command *const *commands, const char *means,
                         struct hint *hint) {
    for (const char *at = means; at != NULL; at = strchr(at, '|'), at = at ? at + 1 : NULL) {
        struct bytes words = {at, strcspn(at, "|")};
        const char *blank = memchr(words.data, ' ', words.len);
        char group[16] = "";
        struct bytes name = words;
        if (blank != NULL) {
            (void)snprintf(group, sizeof group, "%.*s", (int)(blank - at),
                           at); /* Groups are short. */
            name = (struct bytes){blank + 1, words.len - (size_t)(blank + 1 - at)};
        }
        if (command_find(commands, blank != NULL ? group : NULL, name) != NULL) {
            hint_add(hint, NULL /* the words name the group */, words);
        }
    }
}

/* A first word: a synonym, a name within some group, or what is nearest to it. */
static void first_hint(const struct command *const *commands, const char *word, struct hint *hint) {
    enum { GROUPS_MAX = 3 };
    struct suggest suggest;
    suggest_begin(&suggest, word);
    for (size_t i = 0; i < COUNT_OF(first_synonyms); i++) {
        suggest_offer(&suggest, first_synonyms[i].word);
        if (strcmp(word, first_synonyms[i].word) == 0) {
            meanings_add(commands, first_synonyms[i].means, hint);
        }
    }
    unsigned in_groups = 0;
    for (size_t i = 0; commands[i] != NULL && hint->len == 0; i++) {
        in_groups += !commands[i]->hidden && strcmp(commands[i]->name, word) == 0;
    }
    for (size_t i = 0; commands[i] != NULL; i++) {
        const struct command *command = commands[i];
        if (command->hidden) {
            continue;
        }
        suggest_offer(&suggest, command->group != NULL ? command->group : command->name);
        if (in_groups > 0 && in_groups <= GROUPS_MAX && strcmp(command->name, word) == 0) {
            hint_add(hint, command->group, bytes_of(command->name));
        }
    }
    const char *best = suggest_best(&suggest);
    if (hint->len > 0 || best == NULL) {
        return;
    }
    for (size_t i = 0; i < COUNT_OF(first_synonyms); i++) {
        if (best == first_synonyms[i].word) {
            meanings_add(commands, first_synonyms[i].means, hint);
        }
    }
    if (hint->len == 0) {
        hint_add(hint, NULL, bytes_of(best));
    }
}

/* A second word: a name or a synonym within the group. */
static void group_hint(const struct command *const *commands, const char *group, const char *word,
                       struct hint *hint) {
    struct suggest suggest;
    suggest_begin(&suggest, word);
    for (size_t i = 0; i < COUNT_OF(group_synonyms); i++) {
        struct bytes means = bytes_of(group_synonyms[i].means);
        bool is_one = strcmp(word, group_synonyms[i].word) == 0;
        if (is_one && command_find(commands, group, means) != NULL) {
            hint_add(hint, group, means);
        }
    }
    for (size_t i = 0; commands[i] != NULL; i++) {
        if (!commands[i]->hidden && command_is_of(commands[i], group)) {
            suggest_offer(&suggest, commands[i]->name);
        }
    }
    const char *best = suggest_best(&suggest);
    if (hint->len == 0 && command_find(commands, NULL, bytes_of(word)) != NULL) {
        hint_add(hint, NULL, bytes_of(word)); /* "job show" is "show". */
    } else if (hint->len == 0 && best != NULL) {
        hint_add(hint, group, bytes_of(best));
    }
}

/* group NULL: the first word is no command and no group. */
static struct err command_unknown(const struct command *const *commands, const char *group,
                                  const char *word, struct why *why) {
    struct hint hint = {.len = 0};
    if (group == NULL) {
        first_hint(commands, word, &hint);
    } else {
        group_hint(commands, group, word, &hint);
    }
    const char *own = group != NULL ? group : "", *blank = group != NULL ? " " : "";
    if (hint.len > 0) {
        return err_why(why, ERR_USAGE, "'%s%s%.60s' is not a command; did you mean %s?", own, blank,
                       word, hint.text);
    }
    return err_why(why, ERR_USAGE, "'%s%s%.60s' is not a command; 'drover help%s%s' lists them",
                   own, blank, word, blank, own);
}

/* Takes the command's words; none at all, or a group alone, is a question and not an error. */
static struct err command_take(const struct command *const *commands, struct words *words,
                               struct args *args, struct why *why) {
    if (words->argc < 2 || words->argv[1][0] == '-') {
        return ERR_OK;
    }
    const char *first = words->argv[1], *second = words->argc > 2 ? words->argv[2] : NULL;
    bool is_group = false;
    for (size_t i = 0; commands[i] != NULL; i++) {
        const struct command *command = commands[i];
        bool in_group = command->group != NULL && strcmp(command->group, first) == 0;
        is_group = is_group || in_group;
        const char *name = command->group == NULL ? first : in_group ? second : NULL;
        if (name != NULL && strcmp(command->name, name) == 0) {
            args->command = command;
            words->at += in_group ? 2 : 1;
            return ERR_OK;
        }
    }
    if (!is_group || (second != NULL && second[0] != '-')) {
        return command_unknown(commands, is_group ? first : NULL, is_group ? second : first, why);
    }
    args->group = first;
    words->at++;
    return ERR_OK;
}

/* "drover --data DIR job ls": the words are there, in another order. False: no command follows. */
static bool flag_too_early(const struct words *words, struct bytes name, struct why *why) {
    const char *const *at = words->argv + words->at;
    const int apart = name.data[name.len] != '=', left = words->argc - words->at - apart;
    const char *second = left > 2 && at[2 + apart][0] != '-' ? at[2 + apart] : "";
    if (left < 2) {
        return false;
    }
    why_set(why, "put --%.*s after the command: drover %.60s%s%.60s %.200s%s%.200s", (int)name.len,
            name.data, at[1 + apart], second[0] != '\0' ? " " : "", second, at[0],
            apart > 0 ? " " : "", apart > 0 ? at[1] : "");
    return true;
}

static struct err flag_unknown(const struct args *args, const struct words *words,
                               struct bytes name, struct why *why) {
    static const struct flag *const of_clients[] = {client_data, client_dir, client_url};
    for (size_t i = 0; args->command == NULL && i < COUNT_OF(of_clients); i++) {
        if (bytes_is(name, of_clients[i]->name) && flag_too_early(words, name, why)) {
            return err_make(ERR_USAGE, "args: order");
        }
    }
    char typed[64] = "";
    if (name.len < sizeof typed) {
        memcpy(typed, name.data, name.len);
    }
    struct suggest suggest;
    suggest_begin(&suggest, typed);
    for (unsigned at = 0; at < args->flags.count; at++) {
        suggest_offer(&suggest, args->flags.rows[at].flag->name);
    }
    const char *best = suggest_best(&suggest);
    return err_why(why, ERR_USAGE, "there is no flag '--%.*s'%s%s%s",
                   (int)(name.len < 64 ? name.len : 64), name.data,
                   best != NULL ? "; did you mean '--" : "", best != NULL ? best : "",
                   best != NULL ? "'?" : "");
}

/* "--limit 5", "--limit=5", "-f", "-n5", "-n 5"; letters are not bundled. */
static struct err flag_take(struct args *args, struct words *words, struct why *why) {
    const char *word = words->argv[words->at] + 1, *value = NULL;
    unsigned at = 0;
    if (word[0] == '-') {
        struct bytes name = {word + 1, strcspn(word + 1, "=")};
        value = name.data[name.len] == '=' ? name.data + name.len + 1 : NULL;
        at = flag_find(&args->flags, name);
        if (at == args->flags.count) {
            return flag_unknown(args, words, name, why);
        }
    } else {
        value = word[1] != '\0' ? word + 1 : NULL;
        while (at < args->flags.count && args->flags.rows[at].flag->letter != word[0]) {
            at++;
        }
        if (at == args->flags.count) {
            bool version = args->command == NULL && (word[0] == 'v' || word[0] == 'V');
            return err_why(why, ERR_USAGE, "there is no flag '-%s'%s", word,
                           version ? "; did you mean 'drover version'?" : "");
        }
    }
    const struct flag *flag = args->flags.rows[at].flag;
    if (args->values[at].from == FROM_FLAG && flag->kind != FLAG_LIST) {
        return err_why(why, ERR_USAGE, "--%s was given twice", flag->name);
    }
    if (value == NULL && flag->kind == FLAG_SWITCH) {
        value = "true";
    } else if (value == NULL && flag->alone != NULL) {
        value = flag->alone;
    } else if (value == NULL && words->at + 1 < words->argc) {
        value = words->argv[++words->at];
    } else if (value == NULL) {
        return err_why(why, ERR_USAGE, "--%s needs a value: %s", flag->name, flag->value);
    }
    struct why where;
    why_set(&where, "--%s", flag->name);
    return args_set(args, at, value, FROM_FLAG, where.text, why);
}

/* Fewest and most operands of a command, counted from the text that help shows. */
static struct number_bounds operands_bounds(const struct command *command) {
    struct number_bounds bounds = {0, 0};
    for (const char *at = command->operands; at != NULL && *at != '\0'; at += strspn(at, " ")) {
        size_t len = strcspn(at, " ");
        bool repeats = len >= strlen("…") && memcmp(at + len - strlen("…"), "…", strlen("…")) == 0;
        bounds.min += *at != '[';
        bounds.max = repeats ? ARGS_OPERANDS_MAX : bounds.max + 1;
        at += len;
    }
    bounds.max = command->operands_max > 0 ? command->operands_max : bounds.max;
    return bounds;
}

struct err args_parse(const struct command *const *commands, int argc, const char *const *argv,
                      struct args *ret_args, struct why *why) {
    struct args args = {0};
    struct words words = {.argv = argv, .argc = argc, .at = 1};
    struct err err = command_take(commands, &words, &args, why);
    const struct command *command = args.command;
    struct number_bounds bounds = {0, 0};
    bool flags_over = false;
    if (command != NULL) {
        bounds = operands_bounds(command);
    }
    args_flags(command, &args.flags);
    for (; words.at < argc && !err_failed(err); words.at++) {
        const char *word = argv[words.at];
        bool plain = flags_over || word[0] != '-' || word[1] == '\0';
        if (plain && command != NULL && command->takes_rest) {
            /* A command that the command takes: nothing in it is a flag of ours. */
            args.rest = argv + words.at;
            args.rest_count = (unsigned)(argc - words.at);
            break;
        }
        if (!plain && strcmp(word, "--") == 0) {
            flags_over = true;
        } else if (!plain) {
            err = flag_take(&args, &words, why);
        } else if (command == NULL) {
            err =
                err_why(why, ERR_USAGE, "'%s' stands after a flag; the command comes first", word);
        } else if (args.operand_count >= bounds.max) {
            err = err_why(why, ERR_USAGE, "'%s' is one word too many%s", word,
                          bounds.max > 0 ? "; quote what belongs together" : "");
        } else {
            args.operands[args.operand_count++] = word;
        }
    }
    if (err_failed(err)) {
        return err;
    }
    args.help = args_on(&args, "help");
    if (!args.help && args.operand_count + args.rest_count < bounds.min) {
        return err_why(why, ERR_USAGE, "something is missing: drover %s%s%s %s",
                       command->group != NULL ? command->group : "",
                       command->group != NULL ? " " : "", command->name, command->operands);
    }
    *ret_args = args;
    return ERR_OK;
}

/* --- Asking ----------------------------------------------------------------------------------- */

unsigned args_at(const struct args *args, const char *name) {
    unsigned at = flag_find(&args->flags, bytes_of(name));
    assert(at < args->flags.count);
    return at;
}

const char *args_directory(const struct args *args) {
    for (unsigned at = 0; at < args->flags.count; at++) {
        const char *env = args->flags.rows[at].flag->env;
        if (env != NULL && strcmp(env, "DROVER_DATA") == 0) {
            return args->values[at].text;
        }
    }
    return NULL;
}

bool args_has(const struct args *args, const char *name) {
    return flag_find(&args->flags, bytes_of(name)) < args->flags.count;
}

bool args_given(const struct args *args, const char *name) {
    return args->values[args_at(args, name)].from > FROM_ABSENT;
}

const char *args_text(const struct args *args, const char *name) {
    return args->values[args_at(args, name)].text;
}

int64_t args_int(const struct args *args, const char *name, int64_t absent) {
    const struct flag_value *value = &args->values[args_at(args, name)];
    return value->from == FROM_NOWHERE ? absent : value->number;
}

const char *args_next(const struct args *args, const char *name, unsigned *cursor) {
    unsigned at = args_at(args, name);
    while (*cursor < args->repeat_count) {
        const struct args_repeat *repeat = &args->repeats[(*cursor)++];
        if (repeat->at == at) {
            return repeat->text;
        }
    }
    return NULL;
}

bool args_on(const struct args *args, const char *name) {
    return args->values[args_at(args, name)].number != 0;
}
