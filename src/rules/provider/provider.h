/* provider.h: a connection to a provider of models: its row, its numbers, and the fields that a
 * client sends and is shown.
 *
 * A number of a connection is declared once: a member of struct provider_numbers and a row of
 * resource.c. The API, its description, the flags of `drover provider add` and `set`, their
 * request, the column that is read and written and the connection in use (model/connection.h)
 * are derived from these; the column in store/migrations/ and the use of the number are by hand.
 *
 * Ownership  texts and values of what was read from a body are borrowed from its JSON.
 * Threads    any; pure.
 */
#ifndef DROVER_RULES_PROVIDER_PROVIDER_H
#define DROVER_RULES_PROVIDER_PROVIDER_H

#include "base/base.h"
#include "base/fields/fields.h"

enum {
    PROVIDERS_MAX = 200,
    CONNECTION_NAME_MAX = 64,
    CONNECTION_MODELS_MAX = 1000,
    CONNECTION_WINDOW_MAX = 100000000,
    CONNECTION_CONCURRENT_DEFAULT = 16,
    CONNECTION_CONCURRENT_MAX = 4096,
};

/* 0: not set. */
struct provider_numbers {
    int64_t window;         /* Tokens, of each of its models. */
    int64_t max_concurrent; /* Not set: the default; scripted: no limit. */
};

/* A row: see engine/provider/providers.h. */
struct provider {
    struct bytes name, kind;
    struct bytes base_url;        /* Empty: the kind has none. */
    struct bytes key_file;        /* Empty: no key. */
    struct bytes key_header;      /* Header that carries the key; empty: that of its kind. */
    struct bytes headers, models; /* Compact JSON: an object of strings, an array of strings. */
    struct provider_numbers numbers;
    int64_t made_ms, changed_ms;
};

/* A connection as the API has it. */
struct provider_view {
    struct provider row; /* First. */
    /* Given; NULL: not given. The key may be null. */
    json_t *key, *headers, *models;
    /* Shown. */
    bool key_set;
    const char *key_from; /* For people: "key file", "environment of the daemon"; NULL: no key. */
    const char *origin;
    /* While its calls wait: why, in the provider's words, and until when. NULL, 0: they do not. */
    const char *cause, *detail;
    int64_t resume_at_ms;
};
extern const struct field_set provider_fields;
/* Rows: struct provider. */
struct resource;
extern const struct resource provider_resource;
MUST_CHECK bool connection_name_valid(struct bytes name);

/* Words of how much a model may think: low, medium, high. NULL ends them. */
extern const char *const effort_names[];

/* Fault of the first number that is out of its bounds. */
MUST_CHECK struct err provider_numbers_check(const struct provider_numbers *numbers,
                                             const char *connection, struct why *why);

#endif
