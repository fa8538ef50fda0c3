/* args.c: one pass over argv. */
#include "cli/base/args.h"

#include <string.h>

#include "base/fields/fields.h"
#include "base/number.h"
#include "base/suggest.h"
#include "cli/base/quantity.h"

/* What every command takes. */
static const struct flag everybody[] = {
    {.name = "json", .kind = FLAG_SWITCH, .about = "Print JSON, one value a line."},
    {.name = "help", .letter = 'h', .kind = FLAG_SWITCH, .about = "Show this help."},
    {.name = NULL},
};

/* What every client of the daemon takes. */
static const struct flag client[] = {
    {.name = "data",
     .kind = FLAG_TEXT,
     .value = "DIR",
     .about = "Data directory; its socket reaches the daemon.",
     .env = "DROVER_DATA"},
    {.name = "url",
     .kind = FLAG_TEXT,
     .value = "URL",
     .about = "Reach the daemon over TCP instead; the token is in DROVER_TOKEN.",
     .env = "DROVER_URL"},
    {.name = NULL},
};

/* The same for a command that has a --data of its own. */
static const struct flag client_dir[] = {
    {.name = "dir",
     .kind = FLAG_TEXT,
     .value = "DIR",
     .about = "Data directory (--data elsewhere); its socket reaches the daemon.",
     .env = "DROVER_DATA"},
    {.name = "url",
     .kind = FLAG_TEXT,
     .value = "URL",
     .about = "Reach the daemon over TCP instead; the token is in DROVER_TOKEN.",
     .env = "DROVER_URL"},
    {.name = NULL},
};

static const struct flag none[] = {{.name = NULL}};

static bool has_own_data(const struct flag *flags) {
    while (flags->name != NULL && strcmp(flags->name, "data") != 0) {
        flags++;
    }
    return flags->name != NULL;
}

void args_sets(const struct command *command, const struct flag *ret_sets[ARGS_SETS]) {
    ret_sets[0] = command != NULL && command->flags != NULL ? command->flags : none;
    ret_sets[1] = none;
    if (command != NULL && command->talks) {
        ret_sets[1] = has_own_data(ret_sets[0]) ? client_dir : client;
    }
    ret_sets[2] = everybody;
}

/* The flag of a field whose position among those of the set is *at. Each that is passed counts off
 * *at. NULL: the set has fewer. */
static const struct field *field_at(const struct field_set *set, unsigned *at) {
    const struct field *found = NULL;
    for (size_t i = 0; i < set->count && found == NULL; i++) {
        const struct field *field = &set->rows[i];
        if (field->fields != NULL) {
            found = field_at(field->fields, at);
        } else if (field->flag.name != NULL && (*at)-- == 0) {
            found = field;
        }
    }
    return found;
}

/* *ret_field: the field whose flag it is; NULL: none. */
static const struct flag *flag_find(const struct flag *const sets[ARGS_SETS], unsigned at,
                                    const struct field **ret_field) {
    *ret_field = NULL;
    for (unsigned set = 0; set < ARGS_SETS; set++) {
        for (const struct flag *flag = sets[set]; flag->name != NULL; flag++) {
            if (flag->fields == NULL && at-- == 0) {
                return flag;
            }
            *ret_field = flag->fields != NULL ? field_at(flag->fields, &at) : NULL;
            if (*ret_field != NULL) {
                return &(*ret_field)->flag;
            }
        }
    }
    return NULL;
}

const struct flag *args_flag_at(const struct flag *const sets[ARGS_SETS], unsigned at) {
    const struct field *field = NULL;
    return flag_find(sets, at, &field);
}

/* --- Values ----------------------------------------------------------------------------------- */

static bool choice_fits(const char *choices, const char *text) {
    size_t len = strlen(text);
    for (const char *at = choices; at != NULL; at = strchr(at, '|')) {
        at += *at == '|';
        if (strncmp(at, text, len) == 0 && (at[len] == '|' || at[len] == '\0')) {
            return len > 0;
        }
    }
    return false;
}

/* Each word of a list: a,b. */
static bool choices_fit(const struct flag *flag, const char *text) {
    char word[64];
    bool fits = true;
    while (flag->kind == FLAG_LIST && strchr(text, ',') != NULL && fits) {
        size_t len = (size_t)(strchr(text, ',') - text);
        fits = len < sizeof word;
        memcpy(word, text, fits ? len : 0);
        word[fits ? len : 0] = '\0';
        fits = fits && choice_fits(flag->choices, word);
        text += len + 1;
    }
    return fits && choice_fits(flag->choices, text);
}

static struct err number_read(const struct flag *flag, const char *text, struct flag_value *value,
                              const char *where, struct why *why) {
    static const char *const forms[] = {
        [FLAG_INT] = "a whole number",
        [FLAG_DURATION] = "a time like 500ms, 30s, 5m or 2h",
        [FLAG_SIZE] = "a size like 64M or 1G",
    };
    struct bytes digits = bytes_of(text);
    struct number_bounds bounds = {flag->min, flag->max};
    bool fits = flag->kind == FLAG_DURATION ? quantity_duration(digits, bounds, &value->number)
                : flag->kind == FLAG_SIZE   ? quantity_size(digits, bounds, &value->number)
                                            : number_parse(digits, bounds, &value->number);
    if (!fits) {
        struct quantity_text least = quantity_text(flag->kind, flag->min);
        struct quantity_text most = quantity_text(flag->kind, flag->max);
        why_set(why, "%s: '%s' is not %s from %s to %s", where, text, forms[flag->kind], least.text,
                most.text);
        return err_make(ERR_USAGE, "arguments: number");
    }
    return ERR_OK;
}

static struct err value_read(const struct flag *flag, const char *text, struct flag_value *value,
                             const char *where, struct why *why) {
    if (flag->kind == FLAG_INT || flag->kind == FLAG_DURATION || flag->kind == FLAG_SIZE) {
        struct err err = number_read(flag, text, value, where, why);
        if (err_failed(err)) {
            return err;
        }
    } else if (flag->kind == FLAG_SWITCH) {
        bool on = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
        if (!on && strcmp(text, "false") != 0 && strcmp(text, "0") != 0) {
            why_set(why, "%s: '%s' is neither true nor false", where, text);
            return err_make(ERR_USAGE, "arguments: switch");
        }
        value->number = on;
    } else if (flag->choices != NULL && !choices_fit(flag, text)) {
        why_set(why, "%s: '%s' is none of %s", where, text, flag->choices);
        return err_make(ERR_USAGE, "arguments: choice");
    }
    value->text = text;
    return ERR_OK;
}

/* A LIST keeps every value; what is counted is the list, and its last text stands for it. */
static struct err repeat_add(struct args *args, unsigned at, struct flag_value *value,
                             const char *where, struct why *why) {
    if (args->repeat_count == ARGS_REPEATS_MAX) {
        why_set(why, "%s: more than %d values", where, ARGS_REPEATS_MAX);
        return err_make(ERR_USAGE, "arguments: list");
    }
    args->repeats[args->repeat_count++] = (struct args_repeat){at, value->text};
    value->number = args->values[at].number + 1;
    return ERR_OK;
}

struct err args_set(struct args *args, unsigned at, const char *text, enum value_from from,
                    const char *where, struct why *why) {
    const struct field *field = NULL;
    const struct flag *found = flag_find(args->sets, at, &field);
    assert(found != NULL && at < ARGS_FLAGS_MAX);
    struct flag flag = *found;
    if (field != NULL && flag.min == 0 && flag.max == 0) {
        flag.min = field->min;
        flag.max = field->max;
    }
    struct flag_value value = {.from = from};
    struct err err = value_read(&flag, text, &value, where, why);
    if (!err_failed(err) && flag.kind == FLAG_LIST) {
        err = repeat_add(args, at, &value, where, why);
    }
    if (!err_failed(err)) {
        args->values[at] = value;
    }
    return err;
}

/* --- Commands --------------------------------------------------------------------------------- */

/* The command that argv[1] (and argv[2]) name; *ret_words: how many words that took. */
static const struct command *command_find(const struct command *const *commands, const char *first,
                                          const char *second, int *ret_words) {
    for (; *commands != NULL; commands++) {
        const struct command *command = *commands;
        if (command->group == NULL && strcmp(command->name, first) == 0) {
            *ret_words = 1;
            return command;
        }
        if (command->group != NULL && second != NULL && strcmp(command->group, first) == 0 &&
            strcmp(command->name, second) == 0) {
            *ret_words = 2;
            return command;
        }
    }
    return NULL;
}

static bool group_exists(const struct command *const *commands, const char *word) {
    for (; *commands != NULL; commands++) {
        if ((*commands)->group != NULL && strcmp((*commands)->group, word) == 0) {
            return true;
        }
    }
    return false;
}

static struct err command_unknown(const struct command *const *commands, const char *group,
                                  const char *word, struct why *why) {
    struct suggest suggest;
    suggest_begin(&suggest, word);
    for (; *commands != NULL; commands++) {
        const char *own = (*commands)->group;
        if (group != NULL) {
            if (own != NULL && strcmp(own, group) == 0) {
                suggest_offer(&suggest, (*commands)->name);
            }
        } else {
            suggest_offer(&suggest, own != NULL ? own : (*commands)->name);
        }
    }
    const char *best = suggest_best(&suggest);
    why_set(why, "there is no command '%s%s%s'%s%s%s", group != NULL ? group : "",
            group != NULL ? " " : "", word, best != NULL ? "; did you mean '" : "",
            best != NULL ? best : "", best != NULL ? "'?" : "");
    return err_make(ERR_USAGE, "arguments: command");
}

/* --- Flags ------------------------------------------------------------------------------------ */

static bool flag_is(const struct flag *flag, const char *word, size_t len) {
    return strlen(flag->name) == len && memcmp(flag->name, word, len) == 0;
}

static struct err flag_unknown(const struct args *args, const char *word, size_t len,
                               struct why *why) {
    char typed[64] = "";
    if (len < sizeof typed) {
        memcpy(typed, word, len);
    }
    struct suggest suggest;
    suggest_begin(&suggest, typed);
    const struct flag *flag = NULL;
    for (unsigned at = 0; (flag = args_flag_at(args->sets, at)) != NULL; at++) {
        suggest_offer(&suggest, flag->name);
    }
    const char *best = suggest_best(&suggest);
    why_set(why, "there is no flag '--%.*s'%s%s%s", (int)(len < 64 ? len : 64), word,
            best != NULL ? "; did you mean '--" : "", best != NULL ? best : "",
            best != NULL ? "'?" : "");
    return err_make(ERR_USAGE, "arguments: flag");
}

struct words {
    const char *const *argv;
    int argc, at;
};

/* Finishes a flag whose value is either `inline_value` or the next word. */
static struct err flag_take(struct args *args, unsigned at, const char *inline_value,
                            struct words *words, struct why *why) {
    const struct flag *flag = args_flag_at(args->sets, at);
    char where[80];
    struct why label;
    why_set(&label, "--%s", flag->name);
    memcpy(where, label.text, sizeof where - 1);
    where[sizeof where - 1] = '\0';
    const char *value = inline_value;
    if (args->values[at].from == FROM_FLAG && flag->kind != FLAG_LIST) {
        why_set(why, "--%s was given twice", flag->name);
        return err_make(ERR_USAGE, "arguments: twice");
    }
    if (value == NULL && flag->kind == FLAG_SWITCH) {
        value = "true";
    } else if (value == NULL && words->at + 1 < words->argc) {
        value = words->argv[++words->at];
    } else if (value == NULL) {
        why_set(why, "--%s needs a value: %s", flag->name, flag->value);
        return err_make(ERR_USAGE, "arguments: value");
    }
    return args_set(args, at, value, FROM_FLAG, where, why);
}

static struct err flag_long(struct args *args, const char *word, struct words *words,
                            struct why *why) {
    const char *equals = strchr(word, '=');
    size_t len = equals != NULL ? (size_t)(equals - word) : strlen(word);
    const struct flag *flag = NULL;
    for (unsigned at = 0; (flag = args_flag_at(args->sets, at)) != NULL; at++) {
        if (flag_is(flag, word, len)) {
            return flag_take(args, at, equals != NULL ? equals + 1 : NULL, words, why);
        }
    }
    return flag_unknown(args, word, len, why);
}

/* "-f", "-n5", "-n 5"; letters are not bundled. */
static struct err flag_short(struct args *args, const char *word, struct words *words,
                             struct why *why) {
    const struct flag *flag = NULL;
    for (unsigned at = 0; (flag = args_flag_at(args->sets, at)) != NULL; at++) {
        if (flag->letter == word[0]) {
            return flag_take(args, at, word[1] != '\0' ? word + 1 : NULL, words, why);
        }
    }
    why_set(why, "there is no flag '-%s'", word);
    return err_make(ERR_USAGE, "arguments: flag");
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

static struct err operand_take(struct args *args, const char *word, struct why *why) {
    const struct command *command = args->command;
    if (command == NULL) {
        why_set(why, "'%s' stands after a flag; the command comes first", word);
        return err_make(ERR_USAGE, "arguments: command");
    }
    const int64_t most = operands_bounds(command).max;
    if (args->operand_count >= most) {
        why_set(why, "'%s' is one word too many%s", word,
                most > 0 ? "; quote what belongs together" : "");
        return err_make(ERR_USAGE, "arguments: operands");
    }
    args->operands[args->operand_count++] = word;
    return ERR_OK;
}

/* The command that a command takes: nothing in it is a flag of ours. */
static void rest_take(struct args *args, struct words *words) {
    args->rest = words->argv + words->at;
    args->rest_count = (unsigned)(words->argc - words->at);
    words->at = words->argc;
}

static struct err words_read(struct args *args, struct words *words, struct why *why) {
    struct err err = ERR_OK;
    bool flags_over = false;
    for (; words->at < words->argc && !err_failed(err); words->at++) {
        const char *word = words->argv[words->at];
        bool plain = flags_over || word[0] != '-' || word[1] == '\0';
        if (plain && args->command != NULL && args->command->takes_rest) {
            rest_take(args, words);
        } else if (plain) {
            err = operand_take(args, word, why);
        } else if (strcmp(word, "--") == 0) {
            flags_over = true;
        } else if (word[1] == '-') {
            err = flag_long(args, word + 2, words, why);
        } else {
            err = flag_short(args, word + 1, words, why);
        }
    }
    return err;
}

/* Takes the command's words; none at all is a question, not an error. */
static struct err command_take(const struct command *const *commands, struct words *words,
                               struct args *args, struct why *why) {
    if (words->argc < 2 || words->argv[1][0] == '-') {
        return ERR_OK;
    }
    const char *first = words->argv[1], *second = words->argc > 2 ? words->argv[2] : NULL;
    int taken = 1;
    const struct command *command = command_find(commands, first, second, &taken);
    bool group = group_exists(commands, first);
    if (command == NULL && group && second != NULL && second[0] != '-') {
        return command_unknown(commands, first, second, why);
    }
    if (command == NULL && !group) {
        return command_unknown(commands, NULL /* no group */, first, why);
    }
    words->at += taken;
    args->command = command;
    args->group = command == NULL ? first : NULL;
    return ERR_OK;
}

static struct err operands_check(const struct args *args, struct why *why) {
    const struct command *command = args->command;
    unsigned count = args->operand_count + args->rest_count;
    if (command == NULL || args->help || count >= operands_bounds(command).min) {
        return ERR_OK;
    }
    why_set(why, "something is missing: drover %s%s%s %s",
            command->group != NULL ? command->group : "", command->group != NULL ? " " : "",
            command->name, command->operands);
    return err_make(ERR_USAGE, "arguments: operands");
}

struct err args_parse(const struct command *const *commands, int argc, const char *const *argv,
                      struct args *ret_args, struct why *why) {
    struct args args = {0};
    struct words words = {.argv = argv, .argc = argc, .at = 1};
    struct err err = command_take(commands, &words, &args, why);
    if (err_failed(err)) {
        return err;
    }
    args_sets(args.command, args.sets);
    err = words_read(&args, &words, why);
    if (!err_failed(err)) {
        args.help = args_on(&args, "help");
        err = operands_check(&args, why);
    }
    if (!err_failed(err)) {
        *ret_args = args;
    }
    return err;
}

/* --- Asking ----------------------------------------------------------------------------------- */

unsigned args_at(const struct args *args, const char *name) {
    const struct flag *flag = NULL;
    unsigned at = 0;
    while ((flag = args_flag_at(args->sets, at)) != NULL && strcmp(flag->name, name) != 0) {
        at++;
    }
    assert(flag != NULL);
    return at;
}

const char *args_directory(const struct args *args) {
    const struct flag *flag = NULL;
    for (unsigned at = 0; (flag = args_flag_at(args->sets, at)) != NULL; at++) {
        if (flag->env != NULL && strcmp(flag->env, "DROVER_DATA") == 0) {
            return args->values[at].text;
        }
    }
    return NULL;
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
