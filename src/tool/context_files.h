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
    CONTEXT_FILE_MAX = 32 << 10, /* Of one; more is cut, with a note. */
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

/* --- What a project or a home offers, never through a link that leads out --------------------- */

enum context_found { CONTEXT_FOUND, CONTEXT_ABSENT, CONTEXT_UNFIT /* Not plain, or no UTF-8. */ };
struct context_text {
    char *data; /* Owned, terminated. */
    size_t len;
    bool cut; /* At size_max, between characters. */
};
void context_text_done(struct context_text *text); /* For AUTO; zeroed is allowed. */
static inline struct bytes context_bytes(const struct context_text *text) {
    return (struct bytes){text->data, text->len};
}
MUST_CHECK enum context_found context_read(const char *root, const char *path, size_t size_max,
                                           struct context_text *ret_text);

/* The first names of a folder below `root`, sorted, without those that begin with a dot, with this
 * ending. The folder stays open, so that what is read there is of no other one. */
struct context_names {
    int fd; /* Owned; -1: there is no such folder. */
    size_t count;
    char **list; /* Owned, with the names. */
    bool more; /* Names than were asked for, which ones is chance; or it was not read to its end. */
};
void context_names_read(const char *root, const char *path, const char *ending, size_t count_max,
                        struct context_names *ret_names);
void context_names_done(struct context_names *names); /* For AUTO. */
/* Like context_read, of one of them. A link that leads out of the folder is not there. */
MUST_CHECK enum context_found context_read_in(const struct context_names *names, const char *name,
                                              size_t size_max, struct context_text *ret_text);

#endif
