/* tokens.c: the secret of a token that is made, and the table of those that are live. */
#include "api/token/tokens.h"

#include <string.h>

#include "base/hash.h"

static struct err owner_check(struct request *request, struct arena *arena, void *row) {
    const struct token *token = row;
    return token_owner_valid(token->owner)
               ? ERR_OK
               : err_why(&request->op.why, ERR_BAD_FIELD,
                         "\"owner\" must have 1 to %d of a-z, 0-9, '_', '.', '-', and begin with a "
                         "letter or digit",
                         TOKEN_OWNER_MAX);
}

struct sha256_hex tokens__secret_make(const struct loop *loop, struct token *token) {
    uint8_t random[32];
    world_random(loop_world(loop), random, sizeof random);
    token_secret_make(random, token->secret);
    explicit_bzero(random, sizeof random);
    const struct sha256 digest = sha256_of(token->secret, TOKEN_SECRET_LEN);
    return sha256_hex(&digest);
}

static struct err secret_make(struct request *request, struct arena *arena, void *row) {
    struct token *token = row;
    const struct sha256_hex hash = tokens__secret_make(request->loop, token);
    token->hash = bytes_of(arena_try_copy(arena, hash.text, sizeof hash.text - 1));
    return token->hash.data != NULL ? ERR_OK : err_make(ERR_OUT_OF_MEMORY, "tokens: hash");
}

static void table_change(void *api, const struct resource_key *key, const void *row) {
    const struct tokens *tokens = api;
    if (row != NULL) {
        token_table_put(tokens->table, row);
        return;
    }
    const struct id id = id_copy(key->id);
    token_table_remove(tokens->table, id.text);
    tokens->revoked(tokens->ctx, id.text);
}

const struct resource_handlers token_handlers = {.resource = &token_resource,
                                                 .read = owner_check,
                                                 .start = secret_make,
                                                 .changed = table_change};
