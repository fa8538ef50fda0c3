/* key_hint.h: says that a daemon which a command started does not use the keys of this client.
 *
 * Promise    such a daemon has the keys of the command that started it, and keeps them. A client
 *            whose environment holds another key, or one that the daemon lacks, is told on stderr
 *            how to have it used: once for each key, also where nobody could read it twice.
 *            KEY_HINT_FILE in the data directory has the hashes of the keys that were told of.
 *            Nothing is said in a pipe, of a daemon that 'drover serve' started, of a connection
 *            that somebody set, and of one without the daemon's answer.
 * Threads    one; one request over the talk, and none where the environment holds no key.
 */
#ifndef DROVER_CLI_BASE_KEY_HINT_H
#define DROVER_CLI_BASE_KEY_HINT_H

#include "cli/base/api.h"

#define KEY_HINT_FILE "keys-told"

void key_hint(struct talk *talk);

#endif
