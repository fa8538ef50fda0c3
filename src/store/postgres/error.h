/* error.h: what a failure told by PostgreSQL means to us.
 *
 * Promise    one table from SQLSTATE to our codes. A state that is not in it is ERR_INTERNAL: our
 *            statement was wrong.
 */
#ifndef DROVER_STORE_POSTGRES_ERROR_H
#define DROVER_STORE_POSTGRES_ERROR_H

#include "base/base.h"
#include "base/err.h"

enum { SQLSTATE_SIZE = 6 }; /* With the terminator. */

struct err postgres_error(const char *sqlstate, const char *step);

#endif
