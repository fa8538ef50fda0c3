/* connect.h: what libpq is asked for beside the URL, and what a URL may not ask for.
 *
 * Promise    a try to connect ends: after ten seconds for each address of each host, or after what
 *            the URL says with connect_timeout, which is at most PG_CONNECT_MAX_S.
 * Threads    any.
 * Failure    ERR_CONFIG: the URL wants to wait longer; `why` says what it may want.
 */
#ifndef DROVER_STORE_POSTGRES_CONNECT_H
#define DROVER_STORE_POSTGRES_CONNECT_H

#include "base/base.h"
#include "base/err.h"
#include "store/postgres/libpq.h"

enum { PG_CONNECT_MAX_S = 30 };

MUST_CHECK struct err pg_connect_check(const struct libpq *pq, const char *url, struct why *why);
/* Blocks. NULL: there is no memory. The caller owns the connection (PQfinish), whatever its state.
 */
PGconn *pg_connect(const struct libpq *pq, const char *url);

#endif
