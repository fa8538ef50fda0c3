/* run_token.h: the token of a run, by which a program of it that reaches no socket of the daemon
 * comes in over TCP.
 *
 *   drr_RUN.OWNER.MAC     MAC: hex of HMAC-SHA-256(key, "drover run token\nRUN\nOWNER")
 *
 * Promise    derived, so that no row and no file holds it: there is nothing to read, and nothing to
 *            remove. A daemon that comes back knows it by its key (main/run_key.h). Whether its run
 *            goes on, the row of the run says (engine/run/inside.h).
 * Threads    any; pure.
 */
#ifndef DROVER_RULES_TOKEN_RUN_TOKEN_H
#define DROVER_RULES_TOKEN_RUN_TOKEN_H

#include "rules/token/token.h"

enum {
    RUN_TOKEN_KEY_BYTES = 32,
    RUN_TOKEN_SIZE = 4 + ID_SIZE + TOKEN_OWNER_MAX + 2 + 64,
};

struct run_token_key {
    uint8_t bytes[RUN_TOKEN_KEY_BYTES];
};
struct run_token {
    struct id run;
    char owner[TOKEN_OWNER_MAX + 1];
};

void run_token_write(const struct run_token_key *key, const struct run_token *token,
                     char ret_text[RUN_TOKEN_SIZE]);
/* False: it was not made with this key. */
MUST_CHECK bool run_token_read(const struct run_token_key *key, struct bytes text,
                               struct run_token *ret_token);
/* Whether it looks like one, of whatever key. */
MUST_CHECK bool run_token_is(struct bytes text);

#endif
