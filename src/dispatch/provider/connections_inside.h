/* connections_inside.h: what the files behind connections.h know of each other.
 *
 *   connections.c          the set: opening, changes, closing
 *   connections_load.c     the rows and their keys at the start
 *   connections_default.c  which model is asked when nobody names one
 */
#ifndef DROVER_DISPATCH_PROVIDER_CONNECTIONS_INSIDE_H
#define DROVER_DISPATCH_PROVIDER_CONNECTIONS_INSIDE_H

#include "base/json/json.h"
#include "dispatch/provider/connections.h"
#include "loop/address.h"
#include "model/key.h"

enum { CONNECTIONS_FOUND_MAX = 16, CONNECTIONS_FIRST_MAX = PROVIDERS_MAX + CONNECTIONS_FOUND_MAX };

/* What a connection's provider lists first, of what is known to answer questions. */
struct first_model {
    char connection[CONNECTION_NAME_MAX + 1];
    char model[MODEL_NAME_MAX + 1];
    bool priced; /* The price table knows it, so it answers; another may be for speech. */
};

struct connections {
    struct connections_options options;
    struct models *models; /* Borrowed. */
    struct settings_kept *settings;
    struct model_connection *found[CONNECTIONS_FOUND_MAX]; /* Owned; as they were at the open. */
    size_t found_count;
    char *lost[PROVIDERS_MAX]; /* Owned: names of files of keys. */
    size_t lost_count;
    bool stopped;
    /* connections_default.c */
    struct first_model *first; /* Owned; NULL: no list was asked for yet. */
    size_t first_count;
    bool listing, stale; /* stale: something changed while the list was under way. */
    struct timer listing_wait;
    void (*listed)(void *ctx);
    void *listed_ctx;
};

MUST_CHECK struct err connections__build(const struct provider *provider, const char *key,
                                         struct model_connection **ret_connection, struct why *why);
void connections__use(struct connections *connections, const struct model_connection *connection);
/* Asks the providers for their models if that may decide which model is the default. */
void connections__look(struct connections *connections);
/* The same, and waits for it, at most CONNECTIONS_WAIT_MS; `listed` never inside the call. */
void connections__wait(struct connections *connections, void (*listed)(void *ctx), void *ctx);
/* Whoever waits there waits no longer. */
void connections__tell(struct connections *connections);

#endif
