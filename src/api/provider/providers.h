/* providers.h: connections to providers of models, the models, and the daemon's settings over HTTP.
 *
 *   GET    /api/v1/providers               those that were set and those that were found
 *   POST   /api/v1/providers               set one
 *   GET    /api/v1/providers/{name}        one of them
 *   PATCH  /api/v1/providers/{name}        change what is named
 *   DELETE /api/v1/providers/{name}        remove one that was set
 *   POST   /api/v1/providers/{name}/test   one tiny call
 *   POST   /api/v1/providers/{name}/reset  its wait ends, and what was learned is forgotten
 *   GET    /api/v1/environment-keys        hashes of keys that a client may compare with its own
 *   GET    /api/v1/models                  what can be asked
 *   GET    /api/v1/settings                what holds where nobody says otherwise
 *   PATCH  /api/v1/settings                change what is named
 *
 * They belong to the daemon: whoever may read sees them, admins change them
 * (engine/provider/providers.h).
 *
 * Promise    a change is in use for the next call after its answer. A key is in no answer, no error
 *            and no log; an answer says whether there is one (key_set).
 * Ownership  what struct providers_api points to is borrowed for the server's life.
 * Threads    the loop.
 */
#ifndef DROVER_API_PROVIDER_PROVIDERS_H
#define DROVER_API_PROVIDER_PROVIDERS_H

#include "api/base/page.h"
#include "base/base.h"
#include "dispatch/provider/connections.h"
#include "http/http.h"
#include "http/server.h"
#include "loop/loop.h"
#include "store/store.h"

struct provider_test;
struct providers_api {
    struct request_host host; /* First. */
    struct connections *connections;
    struct provider_test *tests; /* Calls under way; begins NULL. */
    unsigned test_count;
};

extern const struct route providers_routes[], settings_routes[];
/* Ends the calls of tests, and answers them: before the models are closed. */
void providers_stop(struct providers_api *api);

/* --- Between the files of this resource ------------------------------------------------------- */

extern const struct one_kind providers__one;
extern const struct field_set providers__test_fields; /* Of a body. */
extern const struct request_kind providers__add, providers__patch, providers__remove,
    providers__forget, providers__reset, providers__test;
/* Writes a connection as JSON. `origin`: where it comes from; NULL: it was set. `away`: why calls
 * wait; NULL: they do not. */
void providers__write(const struct connections *connections, const struct provider *provider,
                      const char *origin, const struct model_failure *away, struct text *text);
/* "refuses": names of the parameters that a model has refused. */
void providers__write_refused(struct text *text, parameter_set refused);

#endif
