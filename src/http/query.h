/* query.h: the parameters of a query, by the route's table.
 *
 * Promise    every value is within its bounds; a parameter that is not in the table, or comes
 *            twice, is refused by name. Flags are 0 or 1.
 * Ownership  texts point to where the target's do.
 * Threads    any; pure.
 * Failure    ERR_BAD_QUERY with `why`.
 */
#ifndef DROVER_HTTP_QUERY_H
#define DROVER_HTTP_QUERY_H

#include "base/base.h"
#include "base/err.h"
#include "http/http.h"
#include "http/target.h"

struct query_value {
    bool given;
    int64_t number; /* INT, FLAG: the default when not given. */
    struct bytes text;
};

MUST_CHECK struct err query_read(const struct query_param *table, const struct target *target,
                                 struct query_value ret_values[QUERY_PARAMS_MAX], struct why *why);

#endif
