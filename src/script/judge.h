/* judge.h: likely mistakes in a script, as far as its text tells.
 *
 * Noted, and left to the run: sources of chance and time, names of other hosts, such as timers,
 * `require`, `process`, `fetch`, names that nothing defines, promises that nothing awaits, and what
 * agent(), parallel() and pipeline() will not take, where it stands there literally.
 *
 * Promise    the answer follows from the source alone. In doubt nothing is noted: a run finds what
 *            was missed, with its line. A text that is no JavaScript has no notes, nor has one that
 *            takes longer than CHECKER_CPU_MS, or any where the checker (checker.h) cannot run.
 * Ownership  what is asked about is borrowed for the call.
 * Threads    any that may block: the checker is another process. The latest answers are kept.
 * Failure    ERR_OUT_OF_MEMORY; *ret_notes is untouched.
 */
#ifndef DROVER_SCRIPT_JUDGE_H
#define DROVER_SCRIPT_JUDGE_H

#include "base/base.h"
#include "base/err.h"
#include "script/reader/read.h"

enum {
    SCRIPT_NOTES_MAX = 20,
    SCRIPT_MODEL_MAX = 200, /* Bytes of a model's name in a note. */
};

/* A name in a note that only the daemon knows about. */
enum script_note_about {
    NOTE_ABOUT_SCRIPT,     /* None. */
    NOTE_ABOUT_MODEL,      /* Not CONNECTION/MODEL: it may be an alias. */
    NOTE_ABOUT_CONNECTION, /* A doubt, as is the next: nothing is wrong until somebody knows it. */
    NOTE_ABOUT_AGENT_TYPE,
    NOTE_ABOUT_WORKFLOW, /* "PLUGIN:NAME": it may be found by its NAME. */
};

/* Code of a note about an agent type that is there, and names tools that are not. */
#define NOTE_UNKNOWN_TOOL "unknown_tool"
/* Code of a note about an agent type whose definition cannot be used. */
#define NOTE_BAD_AGENT_TYPE "bad_agent_type"
/* Code of a note about a result that is read as if it were an object of another host's. */
#define NOTE_RESULT_MEMBER "result_member"

/* A likely mistake, which only a run can prove. `grave`: an error (it throws if it is reached),
 * else a warning. */
struct script_note {
    struct script_fault fault;
    bool grave, doubt; /* doubt: it is not shown. */
    enum script_note_about about;
    char name[SCRIPT_MODEL_MAX + 1]; /* "": none. */
};

struct script_notes {
    unsigned count;
    bool names_no_model; /* Calls of agent() are there, all for the default model. */
    struct script_note list[SCRIPT_NOTES_MAX]; /* The first ones. */
};

/* `prepared` was made of the source. */
MUST_CHECK struct err script_judge(const struct script_source *source,
                                   const struct script_prepared *prepared,
                                   struct script_notes *ret_notes);

/* For a daemon. The latest answers are in a file of its data directory, too. `failed` hears once
 * that there are no notes, since the checker could not start, or has ended; from any thread. */
#define SCRIPT_JUDGE_FILE "verdicts"
void script_judge_open(const char *data_dir, void (*failed)(void *ctx, struct err err), void *ctx);
void script_judge_close(void); /* Without one before, nothing. */

#endif
