/* providers.h: connections to providers of models, the models, and the daemon's settings over HTTP.
 *
 *   GET    /api/v1/providers               those that were set and those that were found
 *   POST   /api/v1/providers               set one
 *   GET    /api/v1/providers/{name}        one of them
 *   PATCH  /api/v1/providers/{name}        change what is named
 *   DELETE /api/v1/providers/{name}        remove one that was set
 *   POST   /api/v1/providers/{name}/test   one tiny call
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

#include "api/base/op.h"
#include "api/base/page.h"
#include "base/base.h"
#include "dispatch/provider/connections.h"
#include "http/http.h"
#include "http/server.h"
#include "loop/loop.h"
#include "store/store.h"

struct provider_test;
struct providers_api {
    struct loop *loop;
    struct store *store;
    struct connections *connections;
    struct provider_test *tests; /* Calls under way; begins NULL. */
    unsigned test_count;
};

struct route_table providers_table(struct providers_api *api);
struct route_table settings_table(struct providers_api *api);
/* Ends the calls of tests, and answers them: before the models are closed. */
void providers_stop(struct providers_api *api);

/* --- Between the files of this resource ------------------------------------------------------- */

void providers__add(struct exchange *exchange, void *ctx);
void providers__patch(struct exchange *exchange, void *ctx);
void providers__remove(struct exchange *exchange, void *ctx);
void providers__test(struct exchange *exchange, void *ctx);
void providers__forget(struct exchange *exchange, void *ctx);
void providers__models(struct exchange *exchange, void *ctx);

/* From the path; what is no name of a connection is answered as one that is not there. */
MUST_CHECK bool providers__name(struct exchange *exchange, struct bytes *ret_name);
MUST_CHECK bool providers__name_fits(struct bytes name);
MUST_CHECK struct err providers__absent(struct why *why);
/* One as JSON. `origin`: where it comes from; NULL: it was set. */
void providers__write(const struct connections *connections, const struct provider *provider,
                      const char *origin, struct text *text);

/* What a body says of a connection. Borrowed from the exchange, but for the JSON texts. */
enum { PROVIDERS_Q = PAGE_OWNER }; /* Position in the query tables of providers and models. */
enum body_value { VALUE_ABSENT, VALUE_NULL, VALUE_GIVEN };
struct provider_body {
    const char *name, *kind, *base_url; /* NULL: absent. */
    enum body_value key_how, window_how, concurrent_how;
    const char *key;
    int64_t window, max_concurrent;
    struct text headers, models; /* Owned; no bytes: absent. */
};
enum provider_body_of { BODY_OF_NEW, BODY_OF_CHANGE };
/* Checks each field. *ret_body is to be ended on failure, too. */
MUST_CHECK struct err provider_body_read(const json_t *json, enum provider_body_of of,
                                         struct provider_body *ret_body, struct why *why);
void provider_body_done(struct provider_body *body);
/* Puts what was given into the row, and checks what can only be wrong together. */
MUST_CHECK struct err provider_body_merge(const struct provider_body *body,
                                          struct provider *provider, struct why *why);

#endif
