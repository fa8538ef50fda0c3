/* token.h: a token (resource.c has its fields).
 *
 * Ownership  texts are borrowed from the filler of the struct.
 * Threads    any; pure.
 */
#ifndef DROVER_RULES_TOKEN_TOKEN_H
#define DROVER_RULES_TOKEN_TOKEN_H

#include "base/base.h"
#include "base/id.h"
#include "base/resource/resource.h"

enum {
    TOKEN_OWNER_MAX = 64,
    TOKEN_LABEL_MAX = 200,
    TOKEN_SCOPES = 4,
    TOKEN_COUNT_MAX = 10000,
    TOKEN_SECRET_LEN = 68, /* "drv_" and 64 digits. */
    TOKEN_ORIGIN_SIZE = 288,
    TOKEN_USE_STEP_MS = 60 * 60 * 1000, /* Precision of the last use. */
};
/* Time without use after which the key of a page ends. */
#define TOKEN_UNUSED_MAX_MS (INT64_C(30) * 24 * 60 * 60 * 1000)

struct token {
    struct id id;
    struct bytes owner, label;
    struct bytes hash; /* SHA-256 of the secret, in hex. */
    /* The key of a web page: "http://127.0.0.1:7433", the only origin that may use it; empty: of
     * any other token. */
    struct bytes origin;
    unsigned scopes;
    int64_t made_ms;
    int64_t used_ms;                   /* Last use of the key of a page; 0 of any other token. */
    char secret[TOKEN_SECRET_LEN + 1]; /* Never stored: "" but in the token that is made. */
};

/* The names of scopes, as users write them: bit n is name n. NULL ends them. */
extern const char *const token_scope_names[TOKEN_SCOPES + 1];
extern const struct resource token_resource;

#endif
