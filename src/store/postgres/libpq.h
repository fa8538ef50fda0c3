/* libpq.h: PostgreSQL's client library, opened when it is first needed.
 *
 * Promise    nothing of libpq (nor of OpenSSL and Kerberos, which come with it) is loaded before
 *            libpq_open, so a daemon on SQLite starts in a fifth of the time and a tenth of the
 *            memory that the linked library would cost.
 * Ownership  the caller owns the table and ends it with libpq_close. The library itself stays in
 *            memory until the process ends: it registers handlers that outlive dlclose.
 * Threads    the table is read-only after libpq_open; a connection belongs to one thread at a time.
 * Failure    ERR_CONFIG: the library is missing or too old; `why` names the package to install.
 */
#ifndef DROVER_STORE_POSTGRES_LIBPQ_H
#define DROVER_STORE_POSTGRES_LIBPQ_H

#include <libpq-fe.h>

#include "base/base.h"
#include "base/err.h"

/* Every function that we call, once. PostgreSQL 14's libpq is the first that has them all. */
#define LIBPQ_TABLE(X)                                                                             \
    X(PQconnectdbParams)                                                                           \
    X(PQconninfoParse)                                                                             \
    X(PQconninfoFree)                                                                              \
    X(PQfinish)                                                                                    \
    X(PQsendQuery)                                                                                 \
    X(PQsetnonblocking)                                                                            \
    X(PQflush)                                                                                     \
    X(PQisBusy)                                                                                    \
    X(PQconsumeInput)                                                                              \
    X(PQexitPipelineMode)                                                                          \
    X(PQstatus)                                                                                    \
    X(PQerrorMessage)                                                                              \
    X(PQserverVersion)                                                                             \
    X(PQsocket)                                                                                    \
    X(PQsetNoticeReceiver)                                                                         \
    X(PQenterPipelineMode)                                                                         \
    X(PQpipelineSync)                                                                              \
    X(PQsendPrepare)                                                                               \
    X(PQsendQueryPrepared)                                                                         \
    X(PQsetSingleRowMode)                                                                          \
    X(PQgetResult)                                                                                 \
    X(PQclear)                                                                                     \
    X(PQresultStatus)                                                                              \
    X(PQresultErrorField)                                                                          \
    X(PQcmdStatus)                                                                                 \
    X(PQcmdTuples)                                                                                 \
    X(PQntuples)                                                                                   \
    X(PQgetvalue)                                                                                  \
    X(PQgetlength)                                                                                 \
    X(PQgetisnull)

struct libpq {
    void *library; /* From dlopen; owned. */
#define X(name) __typeof__(name) *name;
    LIBPQ_TABLE(X)
#undef X
};

MUST_CHECK struct err libpq_open(struct libpq *ret_libpq, struct why *why);
void libpq_close(struct libpq *libpq); /* A zeroed table is allowed. */

#endif
