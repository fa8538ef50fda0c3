/* causes.h: the cause with which a run ends, or waits, when a call of a model has failed.
 *
 * Threads    any.
 */
#ifndef DROVER_DISPATCH_PROVIDER_CAUSES_H
#define DROVER_DISPATCH_PROVIDER_CAUSES_H

#include "model/model.h"
#include "rules/run/run.h"

enum run_cause provider_run_cause(enum model_cause cause);

#endif
