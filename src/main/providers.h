/* providers.h: models, the connections that lead to them, and the client that their requests share.
 *
 *   opened ──providers_load──> loaded ──providers_end──> ending ──> `ended`
 *
 * Ownership  the caller's; options are borrowed for life.
 * Threads    the loop; providers_open blocks on the disk (price file, script, files of keys).
 */
#ifndef DROVER_MAIN_PROVIDERS_H
#define DROVER_MAIN_PROVIDERS_H

#include "api/provider/providers.h"
#include "base/base.h"
#include "base/err.h"
#include "cli/system/serve_options.h"
#include "dispatch/provider/connections.h"
#include "loop/loop.h"
#include "store/store.h"

struct providers;
struct providers_options {
    const struct serve_options *serve;
    struct loop *loop;
    struct store *store;
    struct shortage *shortage;
    const char *data_dir; /* Absolute. */
};
MUST_CHECK struct err providers_open(const struct providers_options *options,
                                     struct providers **ret_providers, struct why *why);
/* What was set, before anybody is served. `done` never comes inside the call. */
void providers_load(struct providers *providers, void (*done)(void *ctx, struct err err),
                    void *ctx);
/* No call to a model is under way but those that test connections. */
void providers_end(struct providers *providers, void (*ended)(void *ctx), void *ctx);
/* After `ended`, and after store_close. NULL: fine. */
void providers_close(struct providers *providers);

struct connections *providers_connections(const struct providers *providers);
/* For the routes; the same one each time. */
struct providers_api *providers_api(struct providers *providers);

#endif
