/* run_key.h: the key of this data directory for tokens of runs (rules/token/run_token.h), in
 * DIR/run.key: 64 hex digits and a line break, for its user alone. Without the file
 * all such tokens end.
 *
 * Threads    before the loop runs: it reads and writes files.
 */
#ifndef DROVER_MAIN_RUN_KEY_H
#define DROVER_MAIN_RUN_KEY_H

#include "loop/world.h"
#include "rules/token/run_token.h"

/* Makes it where there is none. ERR_CONFIG: the file holds something else. */
MUST_CHECK struct err run_key_load(const struct world *world, const char *data_dir,
                                   struct run_token_key *ret_key, struct why *why);

#endif
