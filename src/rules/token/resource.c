/* resource.c: tokens. Order: that of the answer. */
#include "rules/token/token.h"

#include "base/scope.h"

#define AT(member) offsetof(struct token, member)

enum { TAKEN_AND_SHOWN = FIELD_GIVEN | FIELD_SHOWN };

const char *const token_scope_names[] = {"read", "run", "approve", "admin", NULL};
static_assert(SCOPE_READ == 1 && SCOPE_RUN == 2 && SCOPE_APPROVE == 4 && SCOPE_ADMIN == 8,
              "the bits of scopes are those of token_scope_names");

static struct field_value secret_get(const void *row) {
    const struct token *token = row;
    return (struct field_value){.text = bytes_of(token->secret)};
}

static struct field_value kind_get(const void *row) {
    const struct token *token = row;
    return (struct field_value){.text = token->origin.len > 0 ? BYTES("page") : BYTES("token")};
}

static const struct field rows[] = {
    {ROW_ID(FIELD_ID, AT(id), "token", "TOKEN")},
    {ROW_ONCE("owner", FIELD_TEXT, AT(owner)), .use = TAKEN_AND_SHOWN, .min = 1,
     .max = TOKEN_OWNER_MAX, FILTER_SEARCH("owner or label"), FIELD_HEAD("OWNER", -16)},
    {ROW_ONCE("label", FIELD_TEXT, AT(label)), .use = TAKEN_AND_SHOWN, .plain = true,
     .max = TOKEN_LABEL_MAX, .filter = FIELD_SEARCH, FIELD_HEAD("LABEL", FIELD_REST)},
    {ROW_ONCE("scopes", FIELD_NAMES, AT(scopes)), .use = TAKEN_AND_SHOWN, .required = true,
     .names = token_scope_names, .min = 1, .max = TOKEN_SCOPES, FIELD_HEAD("SCOPE", -22)},
    {.name = "kind", .kind = FIELD_TEXT, .get = kind_get, FIELD_HEAD("KIND", -5)},
    {ROW_ONCE("origin", FIELD_TEXT, AT(origin)), .empty = FIELD_EMPTY_NULL},
    {ROW_EACH("used_ms", FIELD_TIME, AT(used_ms)), .head = "USED", .width = -FIELD_TIME_WIDTH,
     .fit = FIELD_LEAVES},
    {ROW_MADE(AT(made_ms)), FILTER_SINCE("created"), .width = -FIELD_TIME_WIDTH},
    {ROW_ONCE("hash", FIELD_TEXT, AT(hash)), .use = FIELD_KEPT},
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
