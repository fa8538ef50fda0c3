/* fields.c: the fields of a connection, as the API takes and shows them and `drover provider add`
 * and `set` send them. Order: that of the help, of the request, of the answer and of their
 * descriptions. What fields mean together is checked by api/provider/change.c. */
#include "rules/provider/provider.h"

#include <inttypes.h>
#include <string.h>

#define AT(member) .at = offsetof(struct provider_view, member)
#define FLAG(flag_name, flag_kind, placeholder, help)                                              \
    .flag = {.name = flag_name, .kind = flag_kind, .value = placeholder, .about = help}

enum {
    TAKEN = FIELD_GIVEN | FIELD_CHANGED,
    TAKEN_AND_SHOWN = TAKEN | FIELD_LISTED,
};

#define KINDS "{\"enum\":[\"openai\",\"responses\",\"anthropic\",\"scripted\"]}"
#define TEXTS "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"
#define TEXTS_BY_NAME "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}"

#define NUMBER(member, field, column, least, most, flag_name, placeholder, help)                   \
    {.name = field,                                                                                \
     .kind = FIELD_INT,                                                                            \
     AT(row.numbers.member),                                                                       \
     .use = TAKEN_AND_SHOWN,                                                                       \
     .or_null = true,                                                                              \
     .empty = FIELD_EMPTY_NULL,                                                                    \
     .min = (least),                                                                               \
     .max = (most),                                                                                \
     FLAG(flag_name, FLAG_INT, placeholder, help)},

static const struct field rows[] = {
    {.name = "name",
     .kind = FIELD_TEXT,
     AT(row.name),
     .use = FIELD_GIVEN | FIELD_LISTED,
     .required = true},
    {.name = "kind",
     .kind = FIELD_TEXT,
     AT(row.kind),
     .use = TAKEN_AND_SHOWN,
     .required = true,
     .schema = KINDS,
     .flag = {.name = "kind",
              .kind = FLAG_TEXT,
              .value = "KIND",
              .about = "Choose the protocol; most servers speak openai.",
              .choices = "openai|responses|anthropic|scripted"}},
    {.name = "base_url",
     .kind = FIELD_TEXT,
     AT(row.base_url),
     .use = TAKEN_AND_SHOWN,
     .empty = FIELD_EMPTY_NULL,
     FLAG("base-url", FLAG_TEXT, "URL",
          "Set the address, including the version: https://api.example.com/v1.")},
    {.name = "key",
     .kind = FIELD_JSON,
     AT(key),
     .use = TAKEN,
     .schema = "{\"type\":[\"string\",\"null\"]}",
     FLAG("key-file", FLAG_TEXT, "FILE",
          "Read the key from this file; '-' reads standard input or prompts.")},
    {.name = "key_header",
     .kind = FIELD_TEXT,
     AT(row.key_header),
     .use = TAKEN_AND_SHOWN,
     .empty = FIELD_EMPTY_NULL,
     FLAG("key-header", FLAG_TEXT, "NAME",
          "Send the key in this header, alone: api-key for Azure. '' is the usual header.")},
    {.name = "key_set", .kind = FIELD_BOOL, AT(key_set)},
    {.name = "key_from", .kind = FIELD_CHARS, AT(key_from), .empty = FIELD_EMPTY_NULL},
    {.name = "headers",
     .kind = FIELD_JSON,
     AT(headers),
     .use = TAKEN,
     .schema = TEXTS_BY_NAME,
     FLAG("header", FLAG_LIST, "NAME:VALUE", "Send this header with each request; no secrets.")},
    {.name = "headers", .kind = FIELD_STORED, AT(row.headers), .schema = TEXTS_BY_NAME},
    {.name = "models",
     .kind = FIELD_TEXTS,
     AT(models),
     .use = TAKEN,
     .max = CONNECTION_MODELS_MAX,
     FLAG("model", FLAG_LIST, "NAME",
          "Add a model that its list lacks; the first is preferred. Repeatable.")},
    {.name = "models", .kind = FIELD_STORED, AT(row.models), .schema = TEXTS},
    PROVIDER_NUMBERS(NUMBER) /* A row each. */
    {.name = "origin", .kind = FIELD_CHARS, AT(origin)},
    {.name = "cause", .kind = FIELD_CHARS, AT(cause), .empty = FIELD_EMPTY_NULL},
    {.name = "detail", .kind = FIELD_CHARS, AT(detail), .empty = FIELD_EMPTY_NULL},
    {.name = "resume_at_ms", .kind = FIELD_TIME, AT(resume_at_ms), .empty = FIELD_EMPTY_NULL},
    {.name = "made_ms", .kind = FIELD_TIME, AT(row.made_ms)},
    {.name = "changed_ms", .kind = FIELD_TIME, AT(row.changed_ms)},
};
const struct field_set provider_fields = {FIELD_ROWS(rows), .use = FIELD_LISTED};

const char *const effort_names[] = {"low", "medium", "high", NULL};

struct err provider_numbers_check(const struct provider_numbers *numbers, const char *connection,
                                  struct why *why) {
    const struct provider_view view = {.row.numbers = *numbers};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t number = 0; /* Not set. */
        if (rows[i].or_null) {
            memcpy(&number, (const char *)&view + rows[i].at, sizeof number);
        }
        if (number != 0 && (number < rows[i].min || number > rows[i].max)) {
            return err_why(why, ERR_BAD_FIELD,
                           "the connection \"%s\": \"%s\" must be between %" PRId64 " and %" PRId64,
                           connection, rows[i].name, rows[i].min, rows[i].max);
        }
    }
    return ERR_OK;
}
