/* providers.h: the connections to providers of models that somebody set, as rows.
 *
 * Promise    a connection belongs to the daemon, not to an owner: it is what this daemon reaches,
 *            and its key is paid for by whoever runs it. So admins change connections, and whoever
 *            may read sees them.
 *            A row never holds a key. It names the file that does (key_file), and each change of
 *            the key names another file: what is committed and what the file holds cannot differ,
 *            whatever a crash leaves behind.
 * Ownership  a struct provider borrows its texts: from the caller, or, where a function here fills
 *            it, from the transaction's arena. provider_copy owns all of them.
 * Threads    tx_…: inside a store function. The rest: any.
 */
#ifndef DROVER_ENGINE_PROVIDER_PROVIDERS_H
#define DROVER_ENGINE_PROVIDER_PROVIDERS_H

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"
#include "engine/base/resource.h"
#include "rules/provider/provider.h"
#include "store/store.h"

enum {
    PROVIDER_KEY_FILE_MAX = 128,
    PROVIDER_JSON_MAX = 256 << 10, /* Of headers and of models, each. */
};

struct provider *provider_copy(const struct provider *provider);
void provider_free(struct provider *provider); /* NULL is allowed. */

/* --- In a store function ---------------------------------------------------------------------- */

/* A key, or what a provider says to it, has changed without a change of a row: notices that were
 * held by that are due. */
MUST_CHECK struct err tx_provider_cured(struct tx *tx);
/* A default model is known that was not: notices whose turns had no model are due. */
MUST_CHECK struct err tx_provider_listed(struct tx *tx);
/* After each change of a row (engine/system/resources.c). */
MUST_CHECK struct err provider__changed(struct tx *tx, const struct resource_key *key,
                                        const void *row);

#endif
