/* git_run.h: runs git, from its words to its end.
 *
 * Promise    git dies with this process, however this one ends (PR_SET_PDEATHSIG), and has the
 *            environment that is given, no signal blocked, and of our descriptors `keep_fds`
 *            alone. A git that writes more than `output_max` bytes is killed.
 * Ownership  all of the call is borrowed until git_run returns. git_result_done ends the result.
 * Threads    one: the process that calls must have no other, since git is forked. Blocks.
 * Failure    ERR_UNREACHABLE: the program cannot be executed; ERR_STALLED: it did nothing for too
 *            long, which a pipe named .gitignore brings about; ERR_IO; ERR_OUT_OF_MEMORY. A git
 *            that ended with another code than 0 is a result.
 */
#ifndef DROVER_TOOL_CHANGES_GIT_RUN_H
#define DROVER_TOOL_CHANGES_GIT_RUN_H

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"

enum {
    GIT_KEEP_MAX = 2,
    GIT_WORDS_MAX = 1100,
    GIT_OUTPUT_MAX = 256 << 20, /* Names of 200,000 files take 20 MB. */
    GIT_COMPLAINTS_MAX = 64 << 10
};

struct git_words {
    const char *words[GIT_WORDS_MAX + 1]; /* NULL behind the last. */
    size_t count;
    bool full; /* A word had no place; the words are not complete. */
};
void git_words_add(struct git_words *words, const char *word);
void git_words_add_all(struct git_words *words, const char *const *more, size_t count);

/* The next piece of standard input, borrowed until the next call. False: there is no more. */
struct git_feed {
    bool (*next)(void *ctx, struct bytes *ret_piece); /* NULL: standard input is empty. */
    void *ctx;
};

struct git_call {
    const char *program; /* A path. */
    const struct git_words *words;
    const char *const *environment; /* Ends with NULL. */
    const char *folder;
    struct git_feed feed;
    size_t output_max;
    int stall_ms;               /* Bound of a time without input or output; then git is killed. */
    int keep_fds[GIT_KEEP_MAX]; /* Open in git, too: locks that last until git has ended, also
                                 * where this process was killed. -1: none. */
};

struct git_result {
    int code; /* Exit code; -1: ended by a signal. */
    bool cut; /* The output was longer, and ends at the bound. */
    struct text output, complaints;
};
MUST_CHECK struct err git_run(const struct git_call *call, struct git_result *ret_result);
void git_result_done(struct git_result *result); /* For AUTO; a zeroed one is allowed. */

#endif
