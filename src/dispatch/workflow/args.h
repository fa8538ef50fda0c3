/* args.h: whether args are what a script asks for, in the schema of its meta.
 *
 * Promise    the same for a run that is started, for workflow() within one, and for a plan. None
 *            count as {}: defaults of the script may do for all of them.
 * Threads    any; pure.
 * Failure    ERR_BAD_FIELD, and `why` says which script, where, and what is wrong, in one line.
 */
#ifndef DROVER_DISPATCH_WORKFLOW_ARGS_H
#define DROVER_DISPATCH_WORKFLOW_ARGS_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "script/reader/meta.h"

/* args NULL: none. */
MUST_CHECK struct err flow_args_check(const struct script_prepared *prepared, const json_t *args,
                                      struct why *why);

#endif
