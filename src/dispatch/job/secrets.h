/* secrets.h: variables of a command whose values are secrets, by the references of a definition of
 * an agent (rules/agent/definition.h).
 *
 *   DIR/agent-keys/NAME     0600: one line, the secret; made by the user
 *
 * Promise    the values are read when the command begins, and are in no row, log or answer. One
 *            that is not there refuses the start: a program without its key would say less.
 * Ownership  *ret_env is the caller's.
 * Threads    the pool: it blocks on the disk.
 */
#ifndef DROVER_DISPATCH_JOB_SECRETS_H
#define DROVER_DISPATCH_JOB_SECRETS_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "loop/world.h"

#define AGENT_KEYS_FOLDER "agent-keys"

struct secret_places {
    const struct world *world;
    const char *data_dir;
    const char *const *environment; /* The daemon's; ends with NULL. */
};
/* A copy of `env` (NULL: none) with the variables of `references`. */
MUST_CHECK struct err secrets_resolve(const struct secret_places *places, const json_t *env,
                                      const json_t *references, json_t **ret_env, struct why *why);

#endif
