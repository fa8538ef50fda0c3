/* resource.c: tokens. Order: that of the answer. */
#include "rules/token/token.h"

#include "base/scope.h"

#define AT(member) .at = offsetof(struct token, member)

enum { TAKEN_AND_SHOWN = FIELD_GIVEN | FIELD_SHOWN };

const char *const token_scope_names[] = {"read", "run", "approve", "admin", NULL};
static_assert(SCOPE_READ == 1 && SCOPE_RUN == 2 && SCOPE_APPROVE == 4 && SCOPE_ADMIN == 8,
              "the bits of scopes are those of token_scope_names");

static struct field_value secret_get(const void *row) {
    const struct token *token = row;
    return (struct field_value){.text = bytes_of(token->secret)};
}

static const struct field rows[] = {
    {.name = "id",
     .kind = FIELD_ID,
     AT(id),
     .required = true,
     .column = "token",
     .group = FIELD_INSERTED},
    {.name = "owner",
     .kind = FIELD_TEXT,
     AT(owner),
     .use = TAKEN_AND_SHOWN,
     .min = 1,
     .max = TOKEN_OWNER_MAX,
     .column = "owner",
     .group = FIELD_INSERTED,
     FILTER_SEARCH("owner or label")},
    {.name = "label",
     .kind = FIELD_TEXT,
     AT(label),
     .use = TAKEN_AND_SHOWN,
     .plain = true,
     .max = TOKEN_LABEL_MAX,
     .column = "label",
     .group = FIELD_INSERTED,
     .filter = FIELD_SEARCH},
    {.name = "scopes",
     .kind = FIELD_NAMES,
     AT(scopes),
     .use = TAKEN_AND_SHOWN,
     .required = true,
     .names = token_scope_names,
     .min = 1,
     .max = TOKEN_SCOPES,
     .column = "scopes",
     .group = FIELD_INSERTED},
    {.name = "made_ms",
     .kind = FIELD_TIME,
     AT(made_ms),
     .required = true,
     .column = "made_ms",
     .group = FIELD_INSERTED,
     FILTER_SINCE("made")},
    {.name = "hash",
     .kind = FIELD_TEXT,
     AT(hash),
     .use = FIELD_KEPT,
     .column = "hash",
     .group = FIELD_INSERTED},
    {.name = "token", .kind = FIELD_TEXT, .use = FIELD_WHOLE, .get = secret_get},
};

const struct resource token_resource = {
    .name = "token",
    .plural = "tokens",
    .path = "/api/v1/tokens",
    .table = "tokens",
    .key = "id",
    .prefix = "tok",
    .of_daemon = true,
    .fields = {FIELD_ROWS(rows), .use = FIELD_SHOWN},
    .size = sizeof(struct token),
    .removal = "revoked_ms",
    .rows_max = TOKEN_COUNT_MAX,
    .routes = {[RESOURCE_LIST] = {.scope = SCOPE_ADMIN,
                                  .summary = "List the live tokens, without their secrets"},
               [RESOURCE_ADD] = {.scope = SCOPE_ADMIN,
                                 .summary = "Make a token; only this answer shows its secret",
                                 .secret = true},
               [RESOURCE_REMOVE] = {.scope = SCOPE_ADMIN, .summary = "Revoke a token"}},
};
