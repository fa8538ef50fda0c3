/* tokens.h: additions to the routes of tokens (rules/token/resource.c): the secret, and the table
 * of live tokens.
 *
 * A token is live or dead for the next request after the commit that made or revoked it. Streams
 * that were opened with a token that is then revoked end, and reads that wait are refused.
 *
 * Ownership  everything in struct tokens is borrowed for the server's life.
 * Threads    the loop.
 */
#ifndef DROVER_API_TOKEN_TOKENS_H
#define DROVER_API_TOKEN_TOKENS_H

#include "api/base/resource.h"
#include "engine/token/token.h"

struct tokens {
    struct request_host host; /* First. */
    struct token_table *table;
    /* A token was revoked; the table has it no more. Ends what was begun with it. */
    void (*revoked)(void *ctx, const char *id);
    void *ctx;
};

extern const struct resource_handlers token_handlers; /* Served by a struct tokens. */

#endif
