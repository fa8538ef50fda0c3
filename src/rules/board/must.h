/* must.h: must-haves of a task: what must be true of its result. Pure.
 *
 * A must-have is a sentence, which a reviewer reads, or an object of one member, which the daemon
 * checks before the task goes to review:
 *
 *   {"output": TYPE}      an output of that type                      rows answer for these two
 *   {"text": WORDS}       words in an output
 *   {"file": PATH}        something is there                          the disk
 *   {"unchanged": PATH}   no file below it has changed since the task was taken
 *   {"command": LINE}     a line of /bin/sh exits with 0              a job
 *
 * Threads    any.
 */
#ifndef DROVER_RULES_BOARD_MUST_H
#define DROVER_RULES_BOARD_MUST_H

#include "base/json/json.h"
#include "base/text.h"
#include "rules/run/run.h"

enum must_kind {
    MUST_FILE,
    MUST_COMMAND,
    MUST_OUTPUT,
    MUST_TEXT,
    MUST_UNCHANGED,
    MUST_SENTENCE,
    MUST_KINDS
};
extern const char *const must_names[]; /* Members by kind; NULL ends them: a sentence has none. */
/* The same in the description of the API; a test holds the two together. */
#define MUST_NAMES_SCHEMA "\"file\",\"command\",\"output\",\"text\",\"unchanged\""

/* Kinds as bits. */
enum {
    MUST_OF_COMMAND = 1 << MUST_COMMAND,
    MUST_OF_UNCHANGED = 1 << MUST_UNCHANGED,
    MUST_OF_DISK = 1 << MUST_FILE | MUST_OF_UNCHANGED,
    MUST_OUTSIDE = MUST_OF_DISK | MUST_OF_COMMAND, /* Rows do not answer for these. */
};

enum {
    MUST_VALUE_SHOWN = 300,     /* Bytes of a path or line in a sentence, */
    MUST_TAIL_MAX = 1000,       /* and of the end of a command's output there. */
    MUST_TAIL_LINES = 20,       /* Lines of that. */
    MUST_UNMET_MAX = 256 << 10, /* Bytes of a list of such sentences. */
    MUST_TIMEOUT_S = 600,       /* Time of a command, where the board says nothing. */
    MUST_TIMEOUT_MAX_S = 24 * 60 * 60,
};

struct must {
    enum must_kind kind;
    struct bytes value;
};
/* An item of a list that task_must_haves_write accepted; texts are borrowed from it. */
struct must must_read(const json_t *item);
/* Whether the list (compact JSON) has one of these kinds. */
MUST_CHECK bool must_has(struct bytes must_haves, unsigned kinds);
/* A path without "..": one that leads out of its folder is refused before it is ever looked up. */
MUST_CHECK bool must_path_valid(struct bytes path);

/* As prompts have it: "the file a.txt exists". */
void must_write(const struct must *must, struct text *text);

/* --- Those that are not met ------------------------------------------------------------------- */

/* Appends to a list of JSON strings: KIND "VALUE": WHY. The list stands without its brackets. */
void must_unmet_add(struct text *list, const struct must *must, const char *why);

/* The end of a command, and of its output: any bytes, which are quoted as the text of others. */
struct must_end {
    enum run_state state;
    enum run_cause cause;
    int64_t exit_code;
    int64_t timeout_s;
    bool unbegun; /* The wait for its begin was too long. */
    struct bytes tail;
};
void must_command_add(struct text *list, const struct must *must, const struct must_end *end);

#endif
