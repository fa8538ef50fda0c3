/* key.h: a provider's key from a file that only its owner may read.
 *
 * Ownership  *ret_key is the caller's (key_free, which wipes it).
 * Threads    any; blocks.
 * Failure    ERR_CONFIG, or what reading it failed with; `why` names the file, never what it holds.
 */
#ifndef DROVER_MODEL_KEY_H
#define DROVER_MODEL_KEY_H

#include "base/base.h"
#include "base/err.h"
#include "loop/world.h"

/* One line; its end, and blanks around it, are no part of the key. */
MUST_CHECK struct err key_load(const struct world *world, const char *path, char **ret_key,
                               struct why *why);
void key_free(char **key); /* For AUTO. */

#endif
