/* refused.h: refused parameters are stored, so that the next daemon knows them.
 *
 * Promise    each finding of models_on_refused becomes a row, in a commit of its own. One that
 *            cannot be stored is made again by the next daemon, at the cost of a request: no call
 *            waits for the store.
 * Ownership  embedded in its owner; models and store outlive it.
 * Threads    the loop; refused_keeper_read: in a store function.
 */
#ifndef DROVER_DISPATCH_PROVIDER_REFUSED_H
#define DROVER_DISPATCH_PROVIDER_REFUSED_H

#include "engine/provider/refused.h"
#include "model/model.h"
#include "store/store.h"

/* A row that was read: kept until it is handed to models. */
struct refused_row {
    char *model; /* Owned. */
    parameter_set parameters;
    int64_t until_ms;
};
struct refused_keeper {
    struct models *models;
    struct store *store;
    struct refused_row rows[REFUSED_PARAMETERS_MAX];
    size_t count;
};
void refused_keeper_start(struct refused_keeper *keeper, struct models *models,
                          struct store *store);
void refused_keeper_stop(struct refused_keeper *keeper); /* While models are there. */
void refused_keeper_done(struct refused_keeper *keeper); /* After the last read. */

/* Reads the rows; may run more than once. */
MUST_CHECK struct err refused_keeper_read(struct refused_keeper *keeper, struct tx *tx);
/* Hands the rows to models, once all connections are there, and forgets them. */
void refused_keeper_use(struct refused_keeper *keeper);

#endif
