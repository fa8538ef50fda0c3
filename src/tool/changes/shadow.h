/* shadow.h: the shadow repository, and the place of one world in it.
 *
 *   SHADOW/HEAD, config, objects/, refs/     a bare repository
 *   SHADOW/info/attributes                   takes all conversions of contents away
 *   SHADOW/lock                              shared by passes; exclusive while objects are deleted
 *   SHADOW/worlds/ID/index                   the private index of a world
 *   SHADOW/worlds/ID/lock                    held while a pass works on the index
 *   SHADOW/worlds/ID/busy                    exists from the begin of a pass, whose time it has,
 *                                            to its success
 *   SHADOW/worlds/ID/tree                    "INDEX TREE": last sum of the index, and its tree
 *   SHADOW/worlds/ID/tracked                 names in the user's own index, from its last reading
 *   SHADOW/worlds/ID/large                   the world is too large; its time is that of the look
 *
 * Promise    git sees no configuration but the words given here: not the user's, not the system's,
 *            not the project's; no hooks, no filters, no fsmonitor. Two passes of one world never
 *            overlap, also where one was killed: git inherits the locks. What a killed git left
 *            (its lock of the index, objects half written) is removed before the next pass.
 * Ownership  shadow_close ends what shadow_open returned.
 * Threads    one. Blocks, also for the pass of somebody else.
 * Failure    nothing is open. ERR_UNREACHABLE: no git; ERR_INTERNAL: git refused; ERR_NOT_FOUND:
 *            there is no such repository; else of the disk. `why` is a sentence.
 */
#ifndef DROVER_TOOL_CHANGES_SHADOW_H
#define DROVER_TOOL_CHANGES_SHADOW_H

#include <sys/stat.h>

#include "base/base.h"
#include "base/err.h"
#include "base/limits.h"
#include "tool/changes/git_run.h"

enum { TREE_HEX = 41 /* With the terminator. */ };

struct shadow_path {
    char text[LIMIT_PATH_MAX + 32];
};

struct shadow {
    const char *git; /* Path of the program. Borrowed. */
    struct shadow_path folder, world;
    const char *root;      /* The folder of the world; NULL: no world is open. Borrowed. */
    int use_fd, lock_fd;   /* Owned; locks of the repository and of the world. -1: none. */
    struct timespec begun; /* Begin of the pass, by the clock of the disk. */
};

/* For reading trees. The repository must exist. */
MUST_CHECK struct err shadow_open(const char *git, const char *folder, struct shadow *ret_shadow,
                                  struct why *why);
/* For a deletion of objects: no pass of any world is under way, and none begins before the end. The
 * repository must exist. */
MUST_CHECK struct err shadow_open_alone(const char *git, const char *folder,
                                        struct shadow *ret_shadow, struct why *why);
/* For a pass over the world `id`, whose folder is `root`. Makes what is missing. */
MUST_CHECK struct err shadow_open_world(struct shadow *shadow, const char *id, const char *root,
                                        struct why *why);
/* The pass has left nothing unfinished. Without that, the next one sweeps first. */
void shadow_end_pass(const struct shadow *shadow);
void shadow_close(struct shadow *shadow); /* For AUTO. */

struct shadow_path shadow_file(const struct shadow *shadow,
                               const char *name); /* In the world's place. */

/* Begins the words of a call: git and its settings. */
void shadow_words(struct git_words *words);
/* `index` is a path, NULL: the world's own; only with an open world. */
struct shadow_call {
    const struct git_words *words;
    const char *index;
    struct git_feed feed;
    size_t output_max; /* 0: GIT_OUTPUT_MAX. */
};
MUST_CHECK struct err shadow_run(const struct shadow *shadow, const struct shadow_call *call,
                                 struct git_result *ret_result, struct why *why);
/* The same; a git that ended with a failure is one, with the last line of what it wrote. */
MUST_CHECK struct err shadow_must(const struct shadow *shadow, const struct shadow_call *call,
                                  struct git_result *ret_result, struct why *why);

/* The last line that git wrote about itself: a fatal error stands there. */
struct bytes shadow_complaint(const struct git_result *result);

/* Version of git. ERR_UNREACHABLE: there is none; ERR_UPGRADE_REQUIRED: too old. */
MUST_CHECK struct err shadow_check_git(const char *git, char ret_version[32], struct why *why);
/* The value of core.excludesFile in the user's own configuration, or the file that git takes
 * without one. False: there is no such file. */
MUST_CHECK bool shadow_user_ignore(const char *git, struct shadow_path *ret_path);

/* Replaces a file: what was there before, or the new content, survives a crash. */
MUST_CHECK struct err shadow_write_file(const char *path, struct bytes content);

#endif
