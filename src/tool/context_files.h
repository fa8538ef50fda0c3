/* context_files.h: what a project tells its agents: AGENTS.md, CLAUDE.md, and skills.
 *
 * Instructions  AGENTS.md, and CLAUDE.md where there is none (or where it says something else), of
 *               the working directory and each folder above it up to the project's root: the
 *               nearest first.
 * Skills        folders with SKILL.md under .drover/skills and .claude/skills of the project, then
 *               of the user's home; the first of a name counts. Front matter: name, description.
 * Promise       nothing is read through a symbolic link that leads out of its place; files that are
 *               not plain, not UTF-8 or too large are left out, with a warning. What is returned is
 *               bounded.
 * Ownership     results are the caller's: …_done.
 * Threads       the pool: it blocks on the disk.
 */
#ifndef DROVER_TOOL_CONTEXT_FILES_H
#define DROVER_TOOL_CONTEXT_FILES_H

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"

enum {
    CONTEXT_FILE_MAX = 32 << 10, /* Of one; more is cut, and said so. */
    CONTEXT_TOTAL_MAX = 96 << 10,
    CONTEXT_FILES_MAX = 16,
    SKILLS_MAX = 64,
    SKILL_NAME_MAX = 64,
    SKILL_ABOUT_MAX = 512,
    SKILL_TEXT_MAX = 48 << 10,
};

struct context_place {
    const char *root; /* Absolute: the project's root. */
    const char *cwd;  /* Relative to it, "" for itself. */
    const char *home; /* "": none; for skills. */
};

struct context_file {
    char *path; /* Owned; relative to the root. */
    char *text; /* Owned, terminated. */
    size_t len;
    bool cut;
};
struct context_files {
    size_t count;
    struct context_file files[CONTEXT_FILES_MAX]; /* The nearest first. */
    struct text warnings;                         /* A line each. */
};
MUST_CHECK struct err context_files_read(const struct context_place *place,
                                         struct context_files *ret_files);
void context_files_done(struct context_files *files); /* For AUTO; zeroed is allowed. */

struct skill {
    char *name, *about; /* Owned. */
    char *folder;       /* Owned: as shown, ".drover/skills/NAME" or "~/.claude/skills/NAME". */
};
struct skills {
    size_t count;
    struct skill items[SKILLS_MAX]; /* By name. */
    struct text warnings;
};
MUST_CHECK struct err skills_list(const struct context_place *place, struct skills *ret_skills);
void skills_done(struct skills *skills); /* For AUTO; zeroed is allowed. */
/* For the prompt: one line each, "" when there is none. */
void skills_write(const struct skills *skills, struct text *text);
/* The text of SKILL.md without its front matter, and the names of the files beside it.
 * ERR_NOT_FOUND: `why` suggests the name that is near. */
MUST_CHECK struct err skill_load(const struct context_place *place, const char *name,
                                 struct text *text, struct why *why);

#endif
