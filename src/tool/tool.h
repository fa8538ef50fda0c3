/* tool.h: what a model may call.
 *
 * A tool is one row: its words for the model, the JSON schema of its input, what it needs, and who
 * performs it. Rows are sorted by name, and a model is given them in that order: the same bytes on
 * every call, since providers cache the beginning of a prompt.
 *
 *   name, arguments ──tool_call_read──> call: repaired, checked, digest of the exact arguments
 *   call, place     ──tool_look───────> subjects for the rules; diff and hash for an approval
 *   call, place     ──tool_perform────> result
 *
 * Who performs  TOOL_HERE: tool_perform, in the pool. TOOL_FETCH: web.h, on the loop. TOOL_RUN,
 *               TOOL_ROWS, TOOL_WAIT: whoever wires it, with the readers in requests.h: a child
 *               run, a transaction, or a person's answer.
 * Promise       tool_look and tool_perform touch nothing outside the place's roots, whatever the
 *               arguments are, and end within the place's deadline. tool_look changes nothing.
 * Ownership     rows are static. A call is the caller's (tool_call_done); a result too.
 * Threads       a toolbox does not change: any. tool_look, tool_perform: the pool; they block.
 * Failure       a refusal is a result: a cause, and a sentence that the model can act on. An error
 *               is ours (memory).
 */
#ifndef DROVER_TOOL_TOOL_H
#define DROVER_TOOL_TOOL_H

#include <stdatomic.h>

#include "base/base.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/json/schema.h"
#include "base/text.h"
#include "loop/world.h"
#include "rules/approval/permission.h"
#include "rules/turn/card.h"

enum {
    TOOL_NAME_MAX = 64,
    TOOL_ARGUMENTS_MAX = 4 << 20, /* Bytes of one call's arguments. */
    TOOL_CONTENT_MAX = 64 << 10,  /* Bytes of one result; the rest is readable by range. */
    TOOL_DIFF_MAX = 32 << 10,
};

enum tool_need {
    TOOL_NEEDS_READ = 1 << 0,
    TOOL_NEEDS_WRITE = 1 << 1,
    TOOL_NEEDS_COMMAND = 1 << 2,
    TOOL_NEEDS_NETWORK = 1 << 3,
    TOOL_NEEDS_PERSON = 1 << 4,   /* Somebody who answers. */
    TOOL_NEEDS_SESSIONS = 1 << 5, /* Other sessions, subagents. */
    TOOL_NEEDS_MEMORY = 1 << 6,
    TOOL_NEEDS_TASK = 1 << 7, /* A turn that is an attempt at a task, or is below one. */
};
enum tool_performer { TOOL_HERE, TOOL_FETCH, TOOL_RUN, TOOL_ROWS, TOOL_WAIT };
enum tool_again {
    TOOL_ONCE,       /* A crash in the middle: the model is told outcome_unknown, and looks. */
    TOOL_REPEATABLE, /* It simply runs again. */
};
enum tool_length {
    TOOL_SHORT,
    TOOL_LONG, /* Answers "started" at once; the result comes later. */
};
enum tool_id {
    TOOL_ASK_USER,
    TOOL_DELETE_FILE,
    TOOL_EDIT_FILE,
    TOOL_LIST_FILES,
    TOOL_LOAD_SKILL,
    TOOL_READ_FILE,
    TOOL_READ_SESSION,
    TOOL_RECALL,
    TOOL_REMEMBER,
    TOOL_REQUEST_ACCESS,
    TOOL_RUN_COMMAND,
    TOOL_RUN_JOB,
    TOOL_RUN_WORKFLOW,
    TOOL_SEARCH_FILES,
    TOOL_SPAWN_SUBAGENT,
    TOOL_SUBAGENT_CANCEL,
    TOOL_SUBAGENT_RESULT,
    TOOL_SUBAGENT_STATUS,
    TOOL_TASK_ADD,
    TOOL_TASK_COMMENT,
    TOOL_TASK_OUTPUT,
    TOOL_TASK_SHOW,
    TOOL_TASK_STATUS,
    TOOL_WEB_FETCH,
    TOOL_WEB_SEARCH,
    TOOL_WRITE_FILE,
    TOOL_COUNT
};

struct tool_work;
struct tool {
    const char *name;
    const char *about;  /* For the model. */
    const char *schema; /* Of the input, as JSON. */
    unsigned needs;     /* Of tool_need. */
    enum tool_again again;
    enum tool_length length;
    enum tool_performer performer;
    enum permission permission; /* Where no rule says otherwise. */
    enum subject_kind subject;  /* How the rules compare its subjects. */
    /* TOOL_HERE, and TOOL_ROWS where files are read first: of others NULL. `work->step` says
     * whether to look or to do. */
    struct err (*perform)(struct tool_work *work);
};

/* All rows, with their schemas compiled. */
struct toolbox;
/* NULL: there was no memory. */
MUST_CHECK struct toolbox *toolbox_new(void);
void toolbox_free(struct toolbox *toolbox); /* NULL is allowed. */
const struct tool *tool_get(enum tool_id id);
MUST_CHECK bool tool_find(struct bytes name, enum tool_id *ret_id);

/* Bit n is the tool with id n. */
typedef uint32_t tool_set;
#define TOOL_SET_ALL ((tool_set)((1ULL << TOOL_COUNT) - 1))
static inline tool_set tool_set_of(enum tool_id id) {
    return (tool_set)1 << id;
}

/* --- One call --------------------------------------------------------------------------------- */
struct tool_call {
    enum tool_id id;
    json_t *input;            /* Owned: fits the schema. */
    char *canonical;          /* Owned: the same with sorted keys, terminated. */
    struct sha256_hex digest; /* Of name and canonical arguments: what an approval is for. */
    struct text notes;        /* Owned: what was repaired, a line each; for the model. */
};
void tool_call_done(struct tool_call *call); /* For AUTO; zeroed is allowed. */

/* In the pool when the arguments are large. ERR_NOT_FOUND: no such tool in the set; ERR_BAD_JSON,
 * ERR_BAD_FIELD, ERR_TOO_EXPENSIVE. `problem` (cleared first) then says to the model what is wrong
 * and what would be right. */
MUST_CHECK struct err tool_call_read(const struct toolbox *toolbox, tool_set tools,
                                     struct bytes name, struct bytes arguments,
                                     struct tool_call *ret_call, struct text *problem);

/* --- Where it may act ------------------------------------------------------------------------- */
enum root_access { ROOT_READ, ROOT_WRITE };
struct tool_root {
    const char *path; /* Absolute. */
    enum root_access access;
};
struct tool_place {
    const struct tool_root
        *roots; /* The first is the project's root: relative paths start there. */
    size_t root_count;
    const char *home;   /* Of the user, for skills; "": none. */
    unsigned umask;     /* Umask for new files: base/process/umask.h. */
    const char *closed; /* Absolute, or "": nothing beneath it is touched (our data directory). */
    const struct permission_rules *rules; /* Paths that are denied are not read, listed, found. */
    const struct world *world;
    uint64_t deadline_ns;         /* Of world_mono_ns. */
    const atomic_bool *cancelled; /* NULL: never. */
};

/* What a call is about, for rules and approvals. */
enum { TOOL_SUBJECTS_MAX = 2 };
struct tool_look {
    /* A path as written, normalised, and where it really is; a command as shell words; or what
     * else the rules compare. */
    struct text subjects[TOOL_SUBJECTS_MAX];
    size_t subject_count;
    struct text diff;         /* Of a write: what it would change. */
    bool diff_cut;            /* Not all of that fit. */
    struct sha256_hex before; /* Of the file as it is; "" when there is none, */
    bool unread;              /* or when nothing is known of it (tool_look_file). */
    struct text refusal;      /* Not empty: it would be refused, and why; */
    enum card_cause cause;    /* and as what. */
};
void tool_look_init(struct tool_look *look);
void tool_look_done(struct tool_look *look); /* For AUTO. */

struct tool_result {
    enum card_cause cause;    /* CARD_DONE: it did what was asked. */
    struct text content;      /* For the model. */
    struct text diff;         /* For people; empty when nothing changed. */
    struct sha256_hex before; /* Of the file that was replaced or removed, "" else. */
};
void tool_result_init(struct tool_result *result);
void tool_result_done(struct tool_result *result); /* For AUTO. */

/* Any tool: those that touch no file have their subject from the arguments alone. */
MUST_CHECK struct err tool_look(const struct tool_call *call, const struct tool_place *place,
                                struct tool_look *look);
/* Looks at a file that a program would change by itself, where the program finds it, also outside
 * of the roots: sets only `before` and `unread`. What is no plain file, is larger than
 * TOOL_HASH_MAX or cannot be read is `unread`. */
enum { TOOL_HASH_MAX = 64 << 20 };
void tool_look_file(const struct tool_place *place, const char *path, struct tool_look *look);
/* The verdict on what was looked at. */
struct permission_verdict tool_judge(const struct tool_call *call, const struct tool_look *look,
                                     const struct permission_rules *rules);
/* For tools with `perform`. `seen` (NULL: none) is what was allowed: if the path now leads
 * elsewhere, or the file is another, nothing is done. */
MUST_CHECK struct err tool_perform(const struct tool_call *call, const struct tool_place *place,
                                   const struct tool_look *seen, struct tool_result *result);

#endif
