/* refused.h: refused parameters are stored, so that the next daemon knows them.
 *
 * Promise    each finding of models_on_refused becomes a row, in a commit of its own. One that
 *            cannot be stored is made again by the next daemon, at the cost of a request: no call
 *            waits for the store.
 * Ownership  models and store outlive the time between start and stop.
 * Threads    the loop.
 */
#ifndef DROVER_DISPATCH_PROVIDER_REFUSED_H
#define DROVER_DISPATCH_PROVIDER_REFUSED_H

#include "model/model.h"
#include "store/store.h"

void refused_keep_start(struct models *models, struct store *store);
void refused_keep_stop(struct models *models); /* While models are there. */

#endif
