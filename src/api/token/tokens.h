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
#include "engine/token/page_links.h"
#include "engine/token/token.h"
#include "http/host.h"

/* Where the browser is: on this machine, or behind the proxy that the setting public_url names. */
enum page_place { PAGE_LOCAL, PAGE_PUBLIC };

struct tokens {
    struct request_host host; /* First. */
    struct token_table *table;
    /* A token was revoked; the table has it no more. Ends what was begun with it. */
    void (*revoked)(void *ctx, const char *id);
    /* The origin of pages, where the daemon listens from then on (main/page_port.h). */
    struct err (*origin)(void *ctx, enum page_place place, struct origin_text *ret_origin,
                         struct why *why);
    void *ctx;
    struct page_links links;
};

extern const struct route login_routes[]; /* login.c: POST /api/v1/login; served by it, too. */

/* Fills `secret`, and returns its hash. */
struct sha256_hex tokens__secret_make(const struct loop *loop, struct token *token);
extern const struct resource_handlers token_handlers; /* Served by a struct tokens. */

#endif
