/* agent_types.h: kinds of agents that a project or a user has defined, as Claude Code reads them.
 *
 * Places   .drover/agents and .claude/agents of the root, then of the home; `agents` of the
 *          configuration folder. Files are *.md that do not begin with a dot; the first of a name
 *          counts. Behind them three are built in: general-purpose, Explore, Plan.
 * File     front matter: name (else the file's stem), model, tools, disallowedTools, isolation
 *          (worktree, none); the rest is what the model is told to be. Names of tools are ours or
 *          Claude Code's; those that are not known are left out and reported. One with a
 *          pattern, like Bash(git:*), is less than the whole tool, which cannot be had: it is not
 *          allowed, and where it is denied, all of it is.
 * Promise  what a definition takes away is never missed: one that cannot be understood keeps its
 *          name, and is an error, as is one that is not readable; nothing else is found for it.
 *          Nothing is read through a symbolic link that leads out of its folder. What is read is
 *          bounded, and read anew each time.
 * Ownership  results are the caller's: agent_type_done. A place is borrowed for the call.
 * Threads  the pool: it blocks on the disk.
 */
#ifndef DROVER_TOOL_AGENT_TYPES_H
#define DROVER_TOOL_AGENT_TYPES_H

#include "base/base.h"
#include "base/err.h"
#include "tool/tool.h"

enum {
    AGENT_TYPE_FILE_MAX = 48 << 10,
    AGENT_TYPE_FILES_MAX = 500, /* Of one place. */
    AGENT_TYPE_NAME_MAX = 200,
    AGENT_TYPE_MODEL_MAX = 321,
    AGENT_TYPES_MAX = 1000,
};

struct agent_places {
    const char *root, *home, *config_dir; /* Absolute; NULL or "": none. */
};

struct agent_type {
    char *model;        /* Owned; "": it names none. */
    char *instructions; /* Owned; "": none. */
    char *misnamed;     /* Owned: a sentence about unknown names of its `tools`; NULL: none. */
    tool_set tools;     /* It may use no others. */
    bool isolated;      /* Tasks get a git working tree each. */
};
/* ERR_NOT_FOUND: `why` has the nearest names and the places that were searched. ERR_BAD_FIELD: its
 * file is there, and is not as it may be; or might be there, after too many others. */
MUST_CHECK struct err agent_type_find(const struct agent_places *places, struct bytes name,
                                      struct agent_type *ret_type, struct why *why);
/* A type as lists have it; texts live for the call. */
struct agent_type_seen {
    struct bytes name, about, model;
    const char *from;  /* Path of its file, or "built in". */
    const char *fault; /* NULL: none. */
    bool isolated;
};
/* Each name once, as agent_type_find would find it; at most AGENT_TYPES_MAX. */
void agent_types_each(const struct agent_places *places,
                      void (*see)(void *ctx, const struct agent_type_seen *seen), void *ctx);
void agent_type_done(struct agent_type *type); /* For AUTO; zeroed is allowed. */

/* Tools of one name, ours or Claude Code's; "*": all. 0: nobody knows it. */
tool_set agent_tools_named(struct bytes name);
/* The tools of a list, as front matter has it: "Read, Grep" or lines "- Read". */
tool_set agent_tools_read(struct bytes list);
/* Those that it takes away: patterns mean all of their tool. */
tool_set agent_tools_denied(struct bytes list);

#endif
