/* token.h: the tokens that let a client in over TCP.
 *
 * Promise    the secret ("drv_" and 64 hex digits of 32 random bytes) is shown once and never
 *            stored; the database holds its SHA-256. Whoever reads the database cannot log in.
 * How        the loop must not wait for the database to authorize a request, so every live token is
 *            in a table in memory: loaded at start, changed after the commit that changed the rows.
 *            It is looked up by the digest of what was presented, so the time that a comparison
 *            takes tells nothing about a secret.
 * Ownership  the table is the caller's; rows handed to callbacks are borrowed during the call.
 * Threads    token_table_…: the loop. tx_token_…: inside a store function. The rest: any.
 */
#ifndef DROVER_ENGINE_TOKEN_TOKEN_H
#define DROVER_ENGINE_TOKEN_TOKEN_H

#include "base/base.h"
#include "base/err.h"
#include "rules/token/token.h"
#include "store/store.h"

enum { TOKEN_REVOKED_KEPT_MS = 24 * 60 * 60 * 1000 };

/* 1 to 64 of [a-z0-9_.-], beginning with a letter or digit. */
MUST_CHECK bool token_owner_valid(struct bytes owner);

void token_secret_make(const uint8_t random[32], char ret_secret[TOKEN_SECRET_LEN + 1]);

MUST_CHECK bool token_scope_find(const char *name, unsigned *ret_bit);

/* --- In memory -------------------------------------------------------------------------------- */
struct token_grant {
    const char *id, *owner, *origin; /* Borrowed until the table changes. origin "": of no page. */
    unsigned scopes;
    bool use_due; /* The last use of this key of a page is to be stored (page_keys.h). */
};
struct token_table;
MUST_CHECK struct token_table *token_table_new(void);
void token_table_free(struct token_table *table); /* NULL is allowed. */
void token_table_clear(struct token_table *table);
/* Copies. A damaged row lets nobody in. */
void token_table_put(struct token_table *table, const struct token *token);
void token_table_remove(struct token_table *table, const char *id); /* Absent is fine. */
size_t token_table_count(const struct token_table *table);
/* A key of a page that was not used for TOKEN_UNUSED_MAX_MS is not found. */
MUST_CHECK bool token_table_find(const struct token_table *table, struct bytes secret,
                                 int64_t now_ms, struct token_grant *ret_grant);
void token_table_used(struct token_table *table, const char *id, int64_t now_ms);
/* The id of a key of a page that has expired; NULL: there is none. */
const char *token_table_expired(const struct token_table *table, int64_t now_ms);
bool token_table_has_page(const struct token_table *table); /* A key of a page. */

/* --- In a store function ---------------------------------------------------------------------- */
/* Puts all live tokens into the table, and nothing else. */
MUST_CHECK struct err tx_token_load(struct tx *tx, struct token_table *table);
/* Removes at most `count_max` that were revoked before `before_ms`. *ret_more: call again. */
MUST_CHECK struct err tx_token_prune(struct tx *tx, int64_t before_ms, int64_t count_max,
                                     bool *ret_more);

#endif
