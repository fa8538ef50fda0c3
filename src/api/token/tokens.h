/* tokens.h: tokens over HTTP, for admins.
 *
 *   POST   /api/v1/tokens        make one; only this answer shows the secret
 *   GET    /api/v1/tokens        list the live ones
 *   DELETE /api/v1/tokens/{id}   revoke one
 *
 * A token is live or dead for the next request after the commit that made or revoked it. Streams
 * that were opened with a token that is then revoked end, and reads that wait are refused.
 *
 * An Idempotency-Key is refused here: the stored answer would hold the secret.
 *
 * Ownership  everything in struct tokens is borrowed for the server's life.
 * Threads    the loop.
 */
#ifndef DROVER_API_TOKEN_TOKENS_H
#define DROVER_API_TOKEN_TOKENS_H

#include "api/base/request.h"
#include "engine/token/token.h"
#include "http/server.h"
#include "loop/loop.h"
#include "store/store.h"

struct tokens {
    struct request_host host; /* First. */
    struct token_table *table;
    /* A token was revoked; the table has it no more. Ends what was begun with it. */
    void (*revoked)(void *ctx, const char *id);
    void *ctx;
};

struct route_table tokens_table(struct tokens *tokens);

#endif
