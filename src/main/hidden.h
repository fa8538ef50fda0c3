/* hidden.h: what no command of ours may see, sandboxed or not: the data directory, and the files
 * with secrets that may stand elsewhere.
 *
 * Ownership  the list owns its paths: hidden_done. Threads: any.
 */
#ifndef DROVER_MAIN_HIDDEN_H
#define DROVER_MAIN_HIDDEN_H

#include "cli/serve_options.h"

struct hidden {
    char *paths[4]; /* Owned; real ones; ends with NULL. */
};
void hidden_find(struct hidden *hidden, const struct serve_options *serve, const char *data_dir);
void hidden_done(struct hidden *hidden); /* Zeroed is allowed. */

#endif
