/* read.h: what a text in JavaScript says and does, without running it. All other files of this
 * folder stand behind this header; nobody else includes them, but for the tokens, which a worker has
 * too (script/worker/place.c).
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
 * Promise    the answer depends on the source alone. `meta` is parsed, never run. The time is linear
 *            in the length of the source, whatever it holds. A refused text is refused for sure:
 *            where tokens alone cannot tell, the engine's verdict decides. Words in strings,
 *            comments, patterns and names of properties are of no account.
 * Ownership  the source is borrowed for the call; a prepared script is the caller's.
 * Threads    any.
 * Failure    ERR_BAD_SCRIPT, and *ret_fault says where and what; ERR_OUT_OF_MEMORY.
 */
#ifndef DROVER_SCRIPT_READER_READ_H
#define DROVER_SCRIPT_READER_READ_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "script/reader/fault.h"

enum {
    SCRIPT_SOURCE_MAX = 1 << 20, /* Bytes of one file. */
    SCRIPT_META_MAX = 256 << 10, /* Bytes of the literal. */
    SCRIPT_META_DEPTH_MAX = 64,
    SCRIPT_NOTES_MAX = 20,
    SCRIPT_MODEL_MAX = 200, /* Bytes of a model's name in a note. */
};

/* A file's folder says which of the two it holds. */
enum script_kind { SCRIPT_WORKFLOW, SCRIPT_FLOW, SCRIPT_KINDS };
enum script_form { SCRIPT_FORM_BODY, SCRIPT_FORM_MAIN, SCRIPT_FORM_FLOW };

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

/* Members of meta whose values are checked (script/meta.h). */
enum meta_key {
    META_NAME,
    META_DESCRIPTION,
    META_WHEN_TO_USE,
    META_RESULTS,
    META_PHASES,
    META_ARGS,
    META_KEYS
};

struct script_prepared {
    enum script_form form;
    json_t *meta;                           /* Owned: an object, as it stands in the file. */
    struct script_place meta_at[META_KEYS]; /* Of each value, or of the object that lacks it. */
    char *text;                             /* Owned, terminated. */
    size_t len;
    bool names_no_model; /* Calls of agent() are there, all for the default model. */
    bool objects;        /* Results of agent() and workflow() are objects: {ok, output, …}. */
    bool timers;         /* The script has setTimeout(), clearTimeout() and sleep(). */
    unsigned note_count;
    struct script_note notes[SCRIPT_NOTES_MAX]; /* The first ones. */
};

MUST_CHECK struct err script_read(const struct script_source *source,
                                  struct script_prepared *ret_prepared,
                                  struct script_fault *ret_fault);
void script_prepared_done(struct script_prepared *prepared); /* For AUTO; zeroed is allowed. */

/* Makes of an engine's syntax error one of the user's file: a place in what was added to the script
 * is that of its last token, and says that the script ended too early. A line that looks like
 * TypeScript gets a hint. */
void script_fault_place(struct bytes source, struct script_fault *fault);

#endif
