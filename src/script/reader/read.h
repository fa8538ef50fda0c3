/* read.h: all that must be known of a text before it can run: its form, its meta, and the text
 * that a worker is given. Others include this header and judge.h; the rest of this folder stands
 * behind the two, but for tokens and their syntax, which a worker has too (script/worker/place.c).
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
 * Promise    the answer follows from the source alone. `meta` is parsed, never run. Time is linear
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
};

/* A file's folder says which of the two it holds. */
enum script_kind { SCRIPT_WORKFLOW, SCRIPT_FLOW, SCRIPT_KINDS };
enum script_form { SCRIPT_FORM_BODY, SCRIPT_FORM_MAIN, SCRIPT_FORM_FLOW };

struct script_source {
    struct bytes text;
    struct bytes file; /* Name or path: the stem is the name where meta has none. */
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
    struct script_place meta_at[META_KEYS]; /* Places of values, or of the object that lacks one. */
    char *text;                             /* Owned, terminated. */
    size_t len;
    bool objects; /* Results of agent() and workflow() are objects: {ok, output, …}. */
    bool timers;  /* The script has setTimeout(), clearTimeout() and sleep(). */
};

MUST_CHECK struct err script_read(const struct script_source *source,
                                  struct script_prepared *ret_prepared,
                                  struct script_fault *ret_fault);
void script_prepared_done(struct script_prepared *prepared); /* For AUTO; zeroed is allowed. */

#endif
