/* find.h: agents that are programs, by name: definitions in files and rows, and those that are
 * built in; and where the program of each is.
 *
 * Places     .drover/agents of the project's folder and of each folder above it up to the one with
 *            .git (without one: of that folder alone), then of the home: NAME.json, else NAME.md
 *            (file.h). Then the rows (rows.h), then what is built in (rules/agent/fields.c). The
 *            first of a name counts: a file is nearer to its user than what was stored once. A file
 *            of a project may replace none of the user's agents, since a cloned project must not
 *            decide what "claude" runs: it is broken.
 * Programs   where.h. A definition that is given away has the absolute path, so that what runs is
 *            what was found.
 * Promise    a file that cannot be used keeps its name, and is reported as broken: nothing else is
 *            found for it, and it stops no other. No file of a project is read through a link that
 *            leads out of its folder, and no program that a project names is run to be looked at.
 * Threads    the pool: it blocks on the disk.
 */
#ifndef DROVER_AGENT_FIND_H
#define DROVER_AGENT_FIND_H

#include "agent/program.h"
#include "agent/rows.h"
#include "agent/where.h"
#include "rules/agent/resource.h"

enum {
    AGENT_FILES_MAX = 500, /* Files of one place. */
    AGENT_NAMES_MAX = 1000,
};

struct agent_search {
    const char *root, *home, *path;  /* NULL or "": none. */
    struct agent_rows *rows;         /* NULL: none. */
    struct agent_versions *versions; /* NULL: nobody is asked for a version. */
};

static inline bool agent_may_start(enum agent_state found) {
    return found == AGENT_READY || found == AGENT_NOT_LOGGED_IN;
}
/* Texts live for the call. */
struct agent_seen {
    const struct agent_definition *what; /* The command is absolute where it may start. */
    const struct program *program;       /* NULL: BROKEN. */
    const char *from;                    /* "built in", "stored", or the path of its file. */
    const char *version;                 /* "": unknown. */
    enum agent_state found;
    const char *why; /* The fault, and what to do; "". */
};
typedef void (*agent_see)(void *ctx, const struct agent_seen *seen);

/* Each name once, in their order. A folder with more files than are listed is itself a broken one,
 * with the name AGENT_MORE. */
#define AGENT_MORE ".drover/agents"
void agent_each(const struct agent_search *search, agent_see see, void *ctx);
/* False: there is no agent of that name. */
MUST_CHECK bool agent_find(const struct agent_search *search, struct bytes name, agent_see see,
                           void *ctx);
/* As lists have it; texts are those of `seen`. */
struct agent_shown agent_seen_show(const struct agent_seen *seen);

#endif
