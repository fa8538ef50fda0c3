/* token.h: the fields of a token, as clients send and see them.
 *
 * Ownership  texts are borrowed from the filler of the struct.
 * Threads    any; pure.
 */
#ifndef DROVER_RULES_TOKEN_TOKEN_H
#define DROVER_RULES_TOKEN_TOKEN_H

#include "base/base.h"
#include "base/fields/fields.h"
#include "base/hash.h"
#include "base/id.h"

enum { TOKEN_OWNER_MAX = 64, TOKEN_LABEL_MAX = 200, TOKEN_SCOPES = 4 };

struct token {
    struct id id;
    struct sha256 hash; /* Digest of the secret; stored in hex. */
    struct bytes owner, label;
    unsigned scopes;
    int64_t made_ms;
};
/* A token that was just made: FIELD_WHOLE shows the secret, too. */
struct token_made {
    struct token token;
    struct bytes secret;
};

/* The names of scopes, as users write them: bit n is name n. NULL ends them. */
extern const char *const token_scope_names[TOKEN_SCOPES + 1];
extern const struct field_set token_fields;

#endif
