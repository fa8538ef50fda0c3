/* where.h: programs of agents on this machine: their paths, their versions, and whether somebody
 * has logged in.
 *
 * Paths      a name is looked for in the PATH of the client, then in ~/.local/bin, then in the
 *            newest Node of nvm (~/.nvm/versions/node), since a daemon that a service started has
 *            neither in its PATH.
 * Versions   `PROGRAM --version`, all of a list at once, at most VERSION_MS together. An answer is
 *            kept until the file changes. While one thread asks, another one does not wait.
 * Logins     are seen by the presence of a file or a variable. What they hold is never read.
 * Threads    the pool: all of it blocks on the disk. struct agent_versions may be shared.
 */
#ifndef DROVER_AGENT_WHERE_H
#define DROVER_AGENT_WHERE_H

#include "base/base.h"
#include "base/limits.h"
#include "rules/agent/definition.h"

enum { AGENT_VERSION_MAX = 40, AGENT_VERSIONS_MAX = 32, AGENT_VERSION_MS = 2000 };

struct agent_where {
    char path[LIMIT_PATH_MAX];
    char extra[LIMIT_PATH_MAX]; /* Folder that its PATH must begin with; "": none. */
};
/* `root`, `home`, `path`: NULL or "": none. */
MUST_CHECK bool agent_where_find(const char *root, const char *home, const char *path,
                                 const char *command, struct agent_where *ret_where);

/* False: it is known where logins of the program are seen, and there is none. */
MUST_CHECK bool agent_logged_in(const struct agent_definition *what, const char *home);

/* The folder in which Claude Code or Codex keeps what it knows: as its variable says, else below
 * the home. False: it is another program, or there is no home. */
MUST_CHECK bool agent_folder_find(const struct agent_definition *what, const char *home,
                                  char ret_folder[LIMIT_PATH_MAX]);

struct agent_versions;
struct agent_versions *agent_versions_new(void);
void agent_versions_free(struct agent_versions *versions); /* NULL is allowed. */
/* Asks the programs whose versions are not known; `paths` ends with NULL. */
void agent_versions_ask(struct agent_versions *versions, const char *const *paths);
/* "": unknown. */
struct agent_version {
    char text[AGENT_VERSION_MAX + 1];
};
struct agent_version agent_version_of(struct agent_versions *versions, const char *path);

#endif
