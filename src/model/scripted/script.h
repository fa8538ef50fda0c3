/* script.h: what the scripted model says, from a user's message or a file. Pure. docs/scripted.md
 * tells it for users.
 *
 * A script is steps, one for each call of the model in a turn; a step is actions. In a message, an
 * action is a line that begins with one of these words; other lines are skipped:
 *
 *   say: TEXT        think: TEXT        call: TOOL {arguments}        delay: 50ms | 2s
 *   tokens: N [at R/s]                  fail: WHAT [xN] [after 2s]    stop: length | refused
 *   usage: fresh=1 cache_read=2 …       step:
 *
 * What follows a call begins the next step, as `step:` does, unless it is another call, `usage` or
 * `stop`. In TEXT, \n and \t are a line's end and a tab, \\ a backslash.
 *
 * A file: {"models": {"NAME": {"turns": [{"when": "words", "steps": [["say: hi", …], …]}]}}}. The
 * first turn whose words stand in the newest message of the user; else, of those without words, the
 * one of the same number as the message.
 *
 * Which step: its index is the number of assistant messages after the message that has the script.
 * Beyond the last step, or without a script: a friendly sentence; if the request has a schema, the
 * smallest value that fits it.
 *
 * Promise    the same request gives the same actions.
 * Ownership  the caller ends a plan with script_plan_done. Threads: any.
 */
#ifndef DROVER_MODEL_SCRIPTED_SCRIPT_H
#define DROVER_MODEL_SCRIPTED_SCRIPT_H

#include "base/base.h"
#include "base/err.h"
#include "model/failure.h"
#include "model/request.h"
#include "rules/trace/usage.h"

enum {
    SCRIPT_FILE_MAX = 4 << 20,
    SCRIPT_ACTIONS_MAX = 1000, /* Of one step. */
    SCRIPT_TOKENS_MAX = 1000000,
    SCRIPT_DELAY_MAX_MS = 3600000,
};

enum script_kind {
    SCRIPT_SAY,    /* text */
    SCRIPT_THINK,  /* text */
    SCRIPT_CALL,   /* name, text: the arguments */
    SCRIPT_DELAY,  /* number: milliseconds */
    SCRIPT_TOKENS, /* number, rate: in a second; 0: at once */
    SCRIPT_FAIL,   /* fault, times, after_ms */
    SCRIPT_STOP,   /* number: enum model_stop */
    SCRIPT_USAGE,  /* usage */
};

struct script_action {
    enum script_kind kind;
    char *text, *name; /* Owned. */
    int64_t number, rate;
    enum model_cause cause;
    int status;
    unsigned times;    /* The first so many tries fail; 0: each. */
    uint64_t after_ms; /* As if the provider had said so; 0: it said nothing. */
    struct usage usage;
};

struct script_plan {
    struct script_action *actions; /* Owned. */
    size_t count;
};

struct script_file;
MUST_CHECK struct err script_file_open(struct bytes text, struct script_file **ret_file,
                                       struct why *why);
void script_file_close(struct script_file *file); /* NULL is allowed. */

/* `file` may be NULL. A line that is no valid action becomes one that fails with a sentence. */
void script_plan_make(const struct script_file *file, struct bytes model,
                      const struct model_request *request, struct script_plan *ret_plan);
void script_plan_done(struct script_plan *plan);

#endif
