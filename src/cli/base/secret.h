/* secret.h: a secret from a file, the input, or a person at a terminal.
 *
 * Promise    it is one line without blanks around it, and it is shown nowhere: not while it is
 *            typed, and in no error.
 * Ownership  *ret_secret: mem_wipe.
 * Threads    one; blocks. Before Ctrl-C is taken over (talk_open), so that it ends a wait here.
 * Failure    ERR_USAGE where it is empty, too long or of several lines; else what reading it failed
 *            with.
 */
#ifndef DROVER_CLI_BASE_SECRET_H
#define DROVER_CLI_BASE_SECRET_H

#include "base/base.h"
#include "base/err.h"
#include "cli/base/config.h"
#include "loop/world.h"

enum { SECRET_MAX = 4096 };

/* `file` "-": the input; on a terminal, `prompt` is shown there first. */
MUST_CHECK struct err secret_read(const char *file, const char *prompt, const struct world *world,
                                  char **ret_secret, struct why *why);
/* From a variable of the user's environment. */
MUST_CHECK struct err secret_of_env(const struct config_env *env, const char *variable,
                                    char **ret_secret, struct why *why);

#endif
