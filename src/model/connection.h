/* connection.h: one way to a provider of models, as its user configured it. Plain data.
 *
 * Promise    connection_check says what is wrong with one in a sentence that names the field.
 * Ownership  what the struct points to is borrowed from whoever filled it, or owned by a copy
 *            (connection_copy, connection_free).
 * Threads    any.
 */
#ifndef DROVER_MODEL_CONNECTION_H
#define DROVER_MODEL_CONNECTION_H

#include "base/base.h"
#include "base/err.h"
#include "loop/world.h"
#include "model/request.h"
#include "rules/provider/provider.h"

enum {
    CONNECTION_URL_MAX = 2048,
    CONNECTION_KEY_MAX = 4096,
    CONNECTION_HEADERS_MAX = 16,
    MODEL_NAME_MAX = 256, /* Of a model, without its connection. */
};

struct connection_header {
    const char *name, *value;
};

enum { MODEL_KEY_REDACTED_MIN = 8 }; /* Bytes; shorter keys are used, and not redacted. */

struct model_connection {
    const char *name; /* [a-z0-9][a-z0-9._-]*: what stands before the slash of a model's name. */
    enum model_kind kind;
    /* Up to and with the version: "https://…/v1"; a query goes after each path. NULL: scripted. */
    const char *base_url;
    const char *key;        /* NULL: none is sent. */
    const char *key_header; /* Header that carries it, alone; NULL: that of its kind. */
    const struct connection_header *headers; /* Sent with each request. */
    size_t header_count;
    const char *const *models; /* Known to be there, beside what the provider lists. */
    size_t model_count;
    struct provider_numbers numbers;
    const char *origin; /* Where it comes from, for people: "OPENAI_API_KEY"; NULL: set. */
};

MUST_CHECK struct err connection_check(const struct model_connection *connection, struct why *why);
/* "host:port" as the URL has it. Borrowed from it. */
struct bytes connection_authority(const char *base_url);
/* Whether `models` holds it. */
MUST_CHECK bool connection_names(const struct model_connection *connection, const char *model);
struct model_connection *connection_copy(const struct model_connection *connection);
void connection_free(struct model_connection *connection); /* NULL is allowed. */

/* A provider's key from a file that only its owner may read: one line; its end, and blanks around
 * it, are no part of the key. Blocks. *ret_key is the caller's (mem_wipe).
 * ERR_CONFIG, or what reading it failed with; `why` names the file, never what it holds. */
MUST_CHECK struct err key_load(const struct world *world, const char *path, char **ret_key,
                               struct why *why);

#endif
