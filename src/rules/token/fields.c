/* fields.c: the fields of a token. Order: that of the answer. */
#include "rules/token/token.h"

#define AT(member) .at = offsetof(struct token_made, member)

const char *const token_scope_names[] = {"read", "run", "approve", "admin", NULL};

enum { TAKEN_AND_SHOWN = FIELD_GIVEN | FIELD_LISTED };

static const struct field rows[] = {
    {.name = "id", .kind = FIELD_ID, AT(token.id)},
    {.name = "owner", .kind = FIELD_TEXT, AT(token.owner)},
    {.name = "label",
     .kind = FIELD_TEXT,
     AT(token.label),
     .use = TAKEN_AND_SHOWN,
     .max = TOKEN_LABEL_MAX},
    {.name = "owner",
     .kind = FIELD_TEXT,
     AT(token.owner),
     .use = FIELD_GIVEN,
     .max = TOKEN_OWNER_MAX},
    {.name = "scopes",
     .kind = FIELD_NAMES,
     AT(token.scopes),
     .use = TAKEN_AND_SHOWN,
     .required = true,
     .names = token_scope_names,
     .min = 1,
     .max = TOKEN_SCOPES},
    {.name = "made_ms", .kind = FIELD_INT, AT(token.made_ms)},
    {.name = "token", .kind = FIELD_TEXT, AT(secret), .use = FIELD_WHOLE},
};
const struct field_set token_fields = {FIELD_ROWS(rows), .use = FIELD_LISTED};
