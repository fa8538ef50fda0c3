/* find.h: agents that are programs, by name: definitions in files, and those that are built in; and
 * where the program of each is.
 *
 * Places     NAME.json in .drover/agents of the project, then of the home; then the ones that are
 *            built in (rules/agent/fields.c). The first of a name counts.
 * Programs   are looked for in the PATH of the client, then in ~/.local/bin. A definition that is
 *            given away has the absolute path, so that what runs is what was found.
 * Promise    a file that cannot be used keeps its name, and is reported as broken: nothing else is
 *            found for it, and it stops no other.
 * Threads    the pool: it blocks on the disk.
 */
#ifndef DROVER_AGENT_FIND_H
#define DROVER_AGENT_FIND_H

#include "agent/program.h"

enum { AGENT_FILES_MAX = 200 }; /* Files of one place. */

struct agent_search {
    const char *root, *home, *path; /* NULL or "": none. */
};

enum agent_found { AGENT_READY, AGENT_MISSING /* The program is. */, AGENT_BROKEN };
extern const char *const agent_found_names[]; /* NULL ends them. */
/* Texts live for the call. */
struct agent_seen {
    const struct agent_definition *what; /* The command is absolute where it is READY. */
    const struct program *program;       /* NULL: BROKEN. */
    const char *from;                    /* "built in", or the path of its file. */
    enum agent_found found;
    const char *why; /* The fault, and what to do; "". */
};
typedef void (*agent_see)(void *ctx, const struct agent_seen *seen);

/* Each name once. */
void agent_each(const struct agent_search *search, agent_see see, void *ctx);
/* False: there is no agent of that name. */
MUST_CHECK bool agent_find(const struct agent_search *search, struct bytes name, agent_see see,
                           void *ctx);
/* An object about it, as `drover agent ls --json` shows it. */
void agent_seen_write(const struct agent_seen *seen, struct text *text);

#endif
