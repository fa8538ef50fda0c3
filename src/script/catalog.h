/* catalog.h: which workflows there are, or which flows, and where.
 *
 * Places     .drover/workflows, .claude/workflows and .boocode/workflows of the root, then of each
 *            folder above it up to the one with .git; the same three of the home, and
 *            $CLAUDE_CONFIG_DIR/workflows; then those built in. The first of a name counts, the
 *            others are shadowed. Files are *.js and *.mjs that do not begin with a dot.
 *            Of flows in the same way, from .drover/flows and .boocode/flows alone.
 * Names      meta.name; of a file that is not valid, or says none, its stem. So a broken file is
 *            found by its stem and reported as broken; nothing else is run in its place.
 * Promise    no file is read through a link that leads out of its place; and of a project, whose
 *            files came from elsewhere, no place that is a link out of the project. What a user put
 *            into his home is his own. Files are read anew each time, so an edited one counts at
 *            once. What is not valid is listed with its fault. All is bounded; a place with more
 *            files than are read says so.
 * Ownership  results are the caller's: …_done. What a search names is borrowed for the call.
 * Threads    any; it blocks on the disk: the pool.
 */
#ifndef DROVER_SCRIPT_CATALOG_H
#define DROVER_SCRIPT_CATALOG_H

#include "base/base.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/json/json.h"
#include "base/text.h"
#include "script/judge.h"
#include "script/meta.h"

enum {
    CATALOG_FILES_MAX = 500, /* Of one place. */
    CATALOG_PLACES_MAX = 64,
    CATALOG_BYTES_MAX = 64 << 20, /* Of all files that are read for one answer. */
};

/* The workflows and flows that come along: those of workflows/ and flows/ in the source tree.
 * Static; a file that is NULL ends each. */
struct builtin {
    const char *file; /* "deep-research.js" */
    struct bytes source;
};
const struct builtin *builtin_list(size_t *ret_count);
const struct builtin *builtin_flows(size_t *ret_count);

struct catalog_search {
    enum script_kind kind;
    const char *root;       /* Absolute; NULL or "": no project. */
    const char *home;       /* NULL or "": none. */
    const char *config_dir; /* CLAUDE_CONFIG_DIR; NULL or "": none. */
};

enum catalog_origin { CATALOG_PROJECT, CATALOG_HOME, CATALOG_BUILT_IN, CATALOG_PATH };
const char *catalog_origin_name(enum catalog_origin origin);

struct catalog_place {
    char *path;      /* Owned; absolute. Of the built-in ones: "built-in". */
    size_t base_len; /* Of a project's: the folder that it must not leave. */
    enum catalog_origin origin;
    bool found;
    bool truncated; /* It has more than CATALOG_FILES_MAX. */
    unsigned files;
    const char *problem; /* Static: why it could not be read; NULL: it could, or is not there. */
};

struct catalog_entry {
    char *name, *file; /* Owned; file: absolute, or "built-in/NAME.js". */
    char *place;       /* Owned; "" of a file that was named by its path. */
    enum script_kind kind;
    enum catalog_origin origin;
    char *shadowed_by;      /* Owned: the file that counts; NULL: it is this one. */
    bool valid;             /* Else: fault. */
    bool checked;           /* The engine has read it, or the fault is ours. Others set it. */
    struct sha256_hex hash; /* Of its text; empty: that was not read. */
    json_t *meta;           /* Owned; NULL when it is not valid. */
    enum script_form form;
    struct script_fault fault;
};

struct catalog {
    enum script_kind kind;
    struct catalog_place places[CATALOG_PLACES_MAX];
    unsigned place_count;
    struct catalog_entry *entries; /* Owned; in the order of the places, then by file. */
    unsigned entry_count, entry_size;
};

/* ERR_BAD_FIELD: the root is not a folder. */
MUST_CHECK struct err catalog_read(const struct catalog_search *search, struct catalog *ret_catalog,
                                   struct why *why);
void catalog_done(struct catalog *catalog); /* For AUTO; zeroed is allowed. */

/* A file that was named, whole. */
struct catalog_script {
    struct catalog_entry entry;
    char *source; /* Owned, terminated. NULL: it could not be read. */
    size_t len;
    struct script_prepared prepared; /* When entry.valid. */
    struct script_notes notes;       /* Filled by catalog_judge. */
};
/* ERR_WORKFLOW_NOT_FOUND or ERR_FLOW_NOT_FOUND: `why` has the nearest names and the places that
 * were searched. A script that is not valid is found all the same: ask entry.valid. */
MUST_CHECK struct err catalog_find(const struct catalog_search *search, struct bytes name,
                                   struct catalog_script *ret_script, struct why *why);
/* A file by its path: an absolute one as it is, else beneath the root and never out of it.
 * ERR_WORKFLOW_NOT_FOUND or ERR_FLOW_NOT_FOUND, ERR_FORBIDDEN, ERR_BAD_FIELD (not a plain file, too
 * large). */
MUST_CHECK struct err catalog_open(const struct catalog_search *search, const char *path,
                                   struct catalog_script *ret_script, struct why *why);
/* Fills the notes of a script that is valid; another has none. */
MUST_CHECK struct err catalog_judge(struct catalog_script *script);
void catalog_script_done(struct catalog_script *script); /* For AUTO; zeroed is allowed. */

/* Puts another text into the file of a script that was found by its name. ERR_CONFLICT: it is
 * built in, no file of its own, read-only, not the text of `hash` any more, or would have another
 * name. ERR_BAD_SCRIPT: the text is no script. Nothing was changed then. A script that was broken
 * gets the name of its text. */
struct catalog_save {
    struct bytes text, hash; /* hash: of the text that is replaced (catalog_entry). */
    uint64_t random;         /* For the name of a temporary file. */
};
MUST_CHECK struct err catalog_save(struct catalog_script *script, const struct catalog_save *save,
                                   struct why *why);

/* {"name","description","phases",…,"file","place","origin","form","checked","shadowed",…,"notes",
 * "source","hash"} */
void catalog_script_write(const struct catalog_script *script, struct text *text);
/* {"workflows":[…],"places":[…]}, each workflow without "notes" and "source". Flows: "flows" in
 * place of "workflows", each without "phases" and "args", too. */
void catalog_write(const struct catalog *catalog, struct text *text);

/* Asks about each note with a name. CONFIRMED ends a doubt, and may have changed the message. */
enum script_note_verdict { NOTE_LEFT, NOTE_CONFIRMED, NOTE_DROPPED };
void script_notes_resolve(struct script_notes *notes,
                          enum script_note_verdict (*judge)(void *ctx, struct script_note *note),
                          void *ctx);

/* A list of {"line","column","code","severity","detail"}; severity: "error" or "warning". */
void script_notes_write(const struct script_notes *notes, struct text *text);
struct script_verdict {
    const struct script_prepared *prepared; /* NULL: it is not valid, for the fault alone. */
    const struct script_notes *notes;       /* Where it is valid. */
    const struct script_fault *fault;       /* Ours, or the engine's; NULL: there is none. */
    bool checked;                           /* The engine has read it. */
};
/* {"valid","form","meta","problems","checked"} */
void script_verdict_write(const struct script_verdict *verdict, struct text *text);

#endif
