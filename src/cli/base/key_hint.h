/* key_hint.h: says that a daemon which a command started does not use the keys of this client.
 *
 * Promise    such a daemon has the keys of the command that started it, and keeps them. Where the
 *            environment of a client holds another key, or one that the daemon lacks, a hint on
 *            stderr says how to use it: once for each key. KEY_HINT_FILE in the data directory
 *            has the hashes of the keys of earlier hints. There is no hint in a pipe, about a
 *            daemon of 'drover serve', and about a connection that somebody set.
 * Threads    one; one request over the talk, and none where the environment holds no key.
 */
#ifndef DROVER_CLI_BASE_KEY_HINT_H
#define DROVER_CLI_BASE_KEY_HINT_H

#include "cli/base/api.h"

#define KEY_HINT_FILE "key-hints"

void key_hint(struct talk *talk);

#endif
