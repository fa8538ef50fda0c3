/* meta.h: what the file of a workflow or a flow says of itself, and the script that a worker is
 * given. Pure.
 *
 * A workflow has one of two forms. In the body form, the first statement is `export const meta =
 * {…}`, a literal; what follows is the body of an async function. In the main form a module exports
 * a function: `export default`, `export { f as default }`, `module.exports =`, `exports.default =`,
 * or an object with `default`; there `meta` may stand anywhere at top level, or be missing.
 * A flow is exported in the same ways, as an object in place of the function. Its `meta` has `name`
 * and `description` where those are texts that stand in the object itself; a computed name is known
 * to the worker alone.
 *
 * Prepared   the text is the body of an async function that a worker can run. Of the body form, the
 *            statement of `meta` is blanked, a blank for each character. Of the main form, the
 *            words that export are blanked or replaced, and a last line is added that returns the
 *            function; of a flow, the object. So a line and a column in it are those of the file;
 *            only after the closing brace of a nameless default function, on its line, columns are
 *            one too high.
 * Promise    `meta` is parsed, never run. The time is linear in the length of the source, whatever
 *            it holds. What is refused is refused for sure: where tokens alone cannot tell, the
 *            engine's verdict decides (script_syntax_hint has a word for its errors, then). Words
 *            in strings, comments, patterns and names of properties are of no account.
 * Ownership  the source is borrowed for the call; a prepared script is the caller's.
 * Threads    any.
 * Failure    ERR_BAD_SCRIPT, and *ret_fault says where and what; ERR_OUT_OF_MEMORY.
 */
#ifndef DROVER_SCRIPT_READER_META_H
#define DROVER_SCRIPT_READER_META_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "base/text.h"
#include "script/reader/fault.h"

enum {
    SCRIPT_SOURCE_MAX = 1 << 20, /* Bytes of one file. */
    SCRIPT_NAME_MAX = 200,       /* Bytes of meta.name. */
    SCRIPT_META_MAX = 256 << 10, /* Bytes of the literal. */
    SCRIPT_META_DEPTH_MAX = 64,
    SCRIPT_PHASES_MAX = 200,
    SCRIPT_NOTES_MAX = 20,
    SCRIPT_MODEL_MAX = 200, /* Bytes of a model's name in a note. */
};

/* A file's folder says which of the two it holds. */
enum script_kind { SCRIPT_WORKFLOW, SCRIPT_FLOW, SCRIPT_KINDS };
enum script_form { SCRIPT_FORM_BODY, SCRIPT_FORM_MAIN, SCRIPT_FORM_FLOW };
const char *script_form_name(enum script_form form); /* "body", …: as workers know it. */

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

struct script_source {
    struct bytes text;
    struct bytes file; /* Its name or path: the stem is the name where meta has none. */
    enum script_kind kind;
};

struct script_prepared {
    enum script_form form;
    json_t *meta; /* Owned: an object; `name` and `description` are always in it, as texts. */
    char *text;   /* Owned, terminated. */
    size_t len;
    bool names_no_model; /* Calls of agent() are there, all for the default model. */
    bool objects;        /* Results of agent() and workflow() are objects: {ok, output, …}. */
    bool timers;         /* The script has setTimeout(), clearTimeout() and sleep(). */
    unsigned note_count;
    struct script_note notes[SCRIPT_NOTES_MAX]; /* The first ones. */
};

MUST_CHECK struct err script_prepare(const struct script_source *source,
                                     struct script_prepared *ret_prepared,
                                     struct script_fault *ret_fault);
void script_prepared_done(struct script_prepared *prepared); /* For AUTO; zeroed is allowed. */
/* Asks about each note with a name. CONFIRMED ends a doubt, and may have changed the message. */
enum script_note_verdict { NOTE_LEFT, NOTE_CONFIRMED, NOTE_DROPPED };
void script_notes_resolve(struct script_prepared *prepared,
                          enum script_note_verdict (*judge)(void *ctx, struct script_note *note),
                          void *ctx);

/* Scripts below .boocode/workflows are written for results that are objects, and those that say so:
 * meta.results is "object", else "value". */
MUST_CHECK bool script_has_objects(const json_t *meta, struct bytes file);

/* Name of a script that gives itself none: "review" for "a/b/review.js". Borrowed. */
struct bytes script_stem(struct bytes file);
const char *script_meta_name(const struct script_prepared *prepared);        /* Borrowed. */
const char *script_meta_description(const struct script_prepared *prepared); /* Borrowed. */
/* Whether a script has timers: `meta.timers` says so, else the folder of its file. Scripts of
 * Claude Code test for setTimeout, and must find none. */
bool script_has_timers(const json_t *meta, struct bytes file);
/* The file stands below a folder .boocode/workflows. */
bool script_is_of_boocode(struct bytes file);
/* The schema that args must fit, which compiles; NULL: any will do. Borrowed. */
const json_t *script_meta_args(const struct script_prepared *prepared);

/* Behind an engine's syntax error on `line`: a sentence, when the line looks like TypeScript; else
 * NULL. Static. */
const char *script_syntax_hint(struct bytes source, unsigned line);
/* Makes of an engine's fault one of the user's file: a place in what we put after the script is
 * that of its last token, and says that the script ended too early; and a hint is added. */
void script_fault_place(struct bytes source, struct script_fault *fault);

#endif
