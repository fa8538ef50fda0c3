/* args.h: the words of a command line, read by table.
 *
 * Promise    help, parsing, usage errors, completion and the configuration file all come from the
 *            same rows (struct flag, struct command), so none of them can disagree. What is not in
 *            a table is refused, with the nearest known word as a hint.
 * Values     a duration is a number with ms, s, m, h or d after it (none: seconds) and becomes
 *            milliseconds; a size is one with K, M, G or T (of 1024) and becomes bytes. A list is a
 *            text that may be given more than once.
 * Ownership  struct args borrows argv and whatever text it was given; the tables are static.
 * Threads    one.
 * Failure    ERR_USAGE, and *why says what was wrong.
 */
#ifndef DROVER_CLI_BASE_ARGS_H
#define DROVER_CLI_BASE_ARGS_H

#include "base/base.h"
#include "base/err.h"
#include "base/fields/flag.h"

struct action;
struct invocation;
struct talk;

/* Sections of `drover help`, in their order. */
enum command_section {
    SECTION_NONE, /* Hidden commands. */
    SECTION_AGENTS,
    SECTION_RUNS,
    SECTION_JOBS,
    SECTION_WORKFLOWS,
    SECTION_SESSIONS,
    SECTION_TASKS,
    SECTION_MODELS,
    SECTION_BUDGETS,
    SECTION_EVENTS,
    SECTION_DAEMON,
    SECTION_HELP,
    SECTIONS
};

struct command {
    const char *group; /* "stream" of "stream append"; NULL: a command of one word. */
    const char *name;
    /* A single line: "Remove a budget. Runs that were waiting for it become eligible." Lists of
     * commands show its first sentence, which fits 56 columns. */
    const char *summary;
    enum command_section section;
    /* Whole lines that begin with "drover " and parse (test/unit/test_help.c), one at least. */
    const char *examples;
    bool hidden; /* No help, list or hint names it. */
    /* "NAME [FILE]"; NULL: none are taken. One in brackets may be left out, and one that ends with
     * "…" may be given again. */
    const char *operands;
    unsigned operands_max; /* More than `operands` has words; 0: as many. */
    /* The operands are a command of its own: from the first of them on, every word is taken as it
     * stands, and lies in args.rest instead. */
    bool takes_rest;
    const struct flag *flags; /* Ends with .name NULL; may be NULL. */
    bool talks;               /* A client of the daemon that opens the conversation itself. */
    bool starts_none;         /* A client that starts no daemon where none is. */
    bool asks_models;         /* The user's keys matter to it: see key_hint.h. */
    const char *about;        /* Further help, whole lines; may be NULL. */
    struct err (*run)(struct invocation *invocation);
    /* In place of `run`: what is done in a conversation with the daemon, which is opened before and
     * closed after it. */
    struct err (*converse)(struct invocation *invocation, struct talk *talk);
    const struct action *action; /* Argument of action_run; NULL: `run` does not read it. */
};

/* Whether it is a client of the daemon: --url and so on are taken. */
static inline bool command_talks(const struct command *command) {
    return command->talks || command->converse != NULL;
}

/* `group` NULL: commands of one word. */
bool command_is_of(const struct command *command, const char *group);
/* NULL: there is none. */
const struct command *command_find(const struct command *const *commands, const char *group,
                                   struct bytes name);

enum { ARGS_FLAGS_MAX = 64, ARGS_OPERANDS_MAX = 64, ARGS_REPEATS_MAX = 256 };

/* The flags that a command takes, in the order of help: its own, the client's, everybody's. */
struct args_flags {
    struct {
        const struct flag *flag;
        const struct field *field; /* The field of the flag; NULL: a row of the command. */
    } rows[ARGS_FLAGS_MAX];
    unsigned count;
};
void args_flags(const struct command *command, struct args_flags *ret_flags);

enum value_from { FROM_NOWHERE, FROM_ABSENT, FROM_FILE, FROM_ENV, FROM_FLAG };
struct flag_value {
    enum value_from from;
    const char *text;
    int64_t number; /* INT, DURATION, SIZE; SWITCH: 0 or 1; LIST: how many there are. */
};

/* A value of a LIST; `at` is its flag's position. */
struct args_repeat {
    unsigned at;
    const char *text;
};

struct args {
    const struct command *command; /* NULL when the words name none (help is wanted). */
    const char *group;             /* The words name a group only; borrowed from argv. */
    bool help;                     /* --help stood there. */
    const char *operands[ARGS_OPERANDS_MAX];
    unsigned operand_count;
    struct args_flags flags;
    struct flag_value values[ARGS_FLAGS_MAX];     /* Value of the flag at the same position. */
    struct args_repeat repeats[ARGS_REPEATS_MAX]; /* In the order they came. */
    unsigned repeat_count;
    const char *const *rest; /* Borrowed from argv; rest_count words. */
    unsigned rest_count;
};

/* Reads argv[1] …; a command that is not in `commands` is an error, none at all is not. */
MUST_CHECK struct err args_parse(const struct command *const *commands, int argc,
                                 const char *const *argv, struct args *ret_args, struct why *why);
/* Sets a value from text, checked against its flag. `where` begins the sentence of a refusal. */
MUST_CHECK struct err args_set(struct args *args, unsigned at, const char *text,
                               enum value_from from, const char *where, struct why *why);

/* Position of a flag by name; it must exist. */
unsigned args_at(const struct args *args, const char *name);
bool args_has(const struct args *args, const char *name); /* The command has such a flag. */
bool args_given(const struct args *args, const char *name);
const char *args_text(const struct args *args, const char *name); /* NULL: nobody gave one. */
int64_t args_int(const struct args *args, const char *name, int64_t absent);
/* The next value of a LIST; *cursor begins with 0. NULL: that was the last. */
const char *args_next(const struct args *args, const char *name, unsigned *cursor);
const char *args_directory(const struct args *args); /* The data directory; NULL: not given. */
bool args_on(const struct args *args, const char *name);

#endif
