/* sandbox_hidden.h: what commands in the sandbox must not see of us.
 *
 * Ownership  embedded; ended by hidden_done.
 * Threads    any; blocks on the disk.
 */
#ifndef DROVER_MAIN_SANDBOX_HIDDEN_H
#define DROVER_MAIN_SANDBOX_HIDDEN_H

#include "base/base.h"
#include "cli/system/serve_options.h"

enum { HIDDEN_MAX = 4 };
struct hidden {
    char *paths[HIDDEN_MAX]; /* Owned: resolved; ends with NULL. */
};
/* The data directory, and the files with secrets that may stand elsewhere. */
void hidden_find(struct hidden *hidden, const struct serve_options *serve, const char *data_dir);
void hidden_done(struct hidden *hidden);

#endif
