/* refused.h: parameters that providers have refused, as rows: one for each model, by the name under
 * which it is asked.
 *
 * Promise    what a model refused is not forgotten by a restart, and not kept for ever: it holds
 *            until it expires, or until its connection is changed (providers.h).
 * Ownership  texts are borrowed for the call.
 * Threads    tx_...: inside a store function.
 */
#ifndef DROVER_ENGINE_PROVIDER_REFUSED_H
#define DROVER_ENGINE_PROVIDER_REFUSED_H

#include "base/base.h"
#include "base/err.h"
#include "rules/provider/parameters.h"
#include "store/store.h"

enum { REFUSED_PARAMETERS_MAX = 256 }; /* Models; those that expire first make room. */

struct refused_parameters {
    struct bytes model; /* "connection/model" */
    parameter_set parameters;
    int64_t until_ms;
};

/* Adds to those that the model has refused before, which hold as long from then on. */
MUST_CHECK struct err tx_refused_learn(struct tx *tx, const struct refused_parameters *refused);
/* Rows that have not expired; the newest first, at most REFUSED_PARAMETERS_MAX. */
MUST_CHECK struct err tx_refused_each(struct tx *tx,
                                      struct err (*each)(void *ctx,
                                                         const struct refused_parameters *refused),
                                      void *ctx);
/* Forgets the rows of all models of a connection. */
MUST_CHECK struct err tx_refused_forget(struct tx *tx, struct bytes connection);

#endif
