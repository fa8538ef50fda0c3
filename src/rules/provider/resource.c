/* resource.c: connections: as rows, and as the API takes and shows them and `drover provider add`
 * and `set` send them. Order: that of the help, of the request, of the answer and of their
 * descriptions. What fields mean together is checked by api/provider/change.c.
 *
 * No row has a key, and the name of its file is not shown: an event never has either.
 */
#include "rules/provider/provider.h"

#include <inttypes.h>
#include <string.h>

#include "base/id.h"
#include "base/resource/resource.h"

static_assert(offsetof(struct provider_view, row) == 0, "a row alone is read by the same table");
#define AT(member) offsetof(struct provider_view, member)

enum {
    TAKEN = FIELD_GIVEN | FIELD_CHANGED,
    TAKEN_AND_SHOWN = TAKEN | FIELD_SHOWN,
};

#define KINDS "{\"enum\":[\"openai\",\"responses\",\"anthropic\",\"scripted\"]}"
#define TEXTS "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"
#define TEXTS_BY_NAME "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}"

/* The limit that holds, also where none was given: only a scripted one has none. */
static struct field_value max_concurrent_get(const void *of) {
    const struct provider *row = of;
    int64_t number = row->numbers.max_concurrent;
    number =
        number == 0 && !bytes_is(row->kind, "scripted") ? CONNECTION_CONCURRENT_DEFAULT : number;
    return (struct field_value){.number = number, .null = number == 0};
}

static const struct field rows[] = {
    {ROW_ONCE("name", FIELD_TEXT, AT(row.name)), .use = FIELD_GIVEN | FIELD_SHOWN, .required = true,
     .max = CONNECTION_NAME_MAX},
    {ROW_EACH("kind", FIELD_TEXT, AT(row.kind)), .use = TAKEN_AND_SHOWN, .required = true,
     .schema = KINDS, .max = 16,
     FLAG_WORD("kind", "KIND", "openai|responses|anthropic|scripted",
               "Choose the protocol; most servers speak openai.")},
    {ROW_EACH("base_url", FIELD_TEXT, AT(row.base_url)), .use = TAKEN_AND_SHOWN,
     .empty = FIELD_EMPTY_NULL, .max = 2048,
     FLAG("base-url", FLAG_TEXT, "URL",
          "Set the address, including the version: https://api.example.com/v1.")},
    {FIELD("key", FIELD_JSON, AT(key)), .use = TAKEN, .schema = "{\"type\":[\"string\",\"null\"]}",
     FLAG("key-file", FLAG_TEXT, "FILE",
          "Read the key from this file; '-' reads standard input or prompts.")},
    {ROW_EACH("key_header", FIELD_TEXT, AT(row.key_header)), .use = TAKEN_AND_SHOWN,
     .empty = FIELD_EMPTY_NULL, .max = 128,
     FLAG("key-header", FLAG_TEXT, "NAME",
          "Send the key in this header, alone: api-key for Azure. '' is the usual header.")},
    {ROW_EACH("key_file", FIELD_TEXT, AT(row.key_file)), .use = FIELD_KEPT},
    {FIELD("key_set", FIELD_BOOL, AT(key_set)), .use = FIELD_LISTED},
    {FIELD("key_from", FIELD_CHARS, AT(key_from)), .use = FIELD_LISTED, .empty = FIELD_EMPTY_NULL},
    {FIELD("headers", FIELD_JSON, AT(headers)), .use = TAKEN, .schema = TEXTS_BY_NAME,
     FLAG("header", FLAG_LIST, "NAME:VALUE", "Send this header with each request; no secrets.")},
    {ROW_EACH("headers", FIELD_STORED, AT(row.headers)), .schema = TEXTS_BY_NAME},
    {FIELD("models", FIELD_TEXTS, AT(models)), .use = TAKEN, .max = CONNECTION_MODELS_MAX,
     FLAG("model", FLAG_LIST, "NAME",
          "Add a model that its list lacks; the first is preferred. Repeatable.")},
    {ROW_EACH("models", FIELD_STORED, AT(row.models)), .schema = TEXTS},
    {FIELD("window", FIELD_INT, AT(row.numbers.window)), .use = TAKEN_AND_SHOWN, .or_null = true,
     .empty = FIELD_EMPTY_NULL, .min = 1, .max = CONNECTION_WINDOW_MAX, .column = "context_window",
     .group = FIELD_INSERTED | FIELD_SET,
     FLAG("window", FLAG_INT, "TOKENS", "Limit prompts of its models to this many tokens.")},
    {ROW_EACH("max_concurrent", FIELD_INT, AT(row.numbers.max_concurrent)), .use = TAKEN_AND_SHOWN,
     .or_null = true, .empty = FIELD_EMPTY_NULL, .min = 1, .max = CONNECTION_CONCURRENT_MAX,
     .get = max_concurrent_get,
     FLAG("max-concurrent", FLAG_INT, "N", "Make at most N calls at a time; more wait.")},
    {FIELD("origin", FIELD_CHARS, AT(origin)), .use = FIELD_LISTED},
    {FIELD("cause", FIELD_CHARS, AT(cause)), .use = FIELD_LISTED, .empty = FIELD_EMPTY_NULL},
    {FIELD("detail", FIELD_CHARS, AT(detail)), .use = FIELD_LISTED, .empty = FIELD_EMPTY_NULL},
    {FIELD("resume_at_ms", FIELD_TIME, AT(resume_at_ms)), .use = FIELD_LISTED},
    /* Null, and no ROW_MADE: some connections are no rows. */
    {ROW_ONCE("made_ms", FIELD_TIME, AT(row.made_ms))},
    {ROW_EACH("changed_ms", FIELD_TIME, AT(row.changed_ms))},
};
#define FIELDS                                                                                     \
    { FIELD_ROWS(rows), .use = FIELD_SHOWN }
const struct field_set provider_fields = FIELDS;

const struct resource provider_resource = {
    .name = "provider",
    .plural = "providers",
    .path = "/api/v1/providers",
    .table = "providers",
    .key = "name",
    .valid = connection_name_valid,
    .fields = FIELDS,
    .size = sizeof(struct provider),
    .rows_max = PROVIDERS_MAX,
};

bool connection_name_valid(struct bytes name) {
    return id_name_valid(name, CONNECTION_NAME_MAX);
}

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
