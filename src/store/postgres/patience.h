/* patience.h: how long the driver waits for a server, and what it thinks of it meanwhile.
 *
 * Promise    no wait is without end: a server that keeps its connections and says nothing, and a
 *            network that swallows packets, cost a known time; once the store closes, some seconds.
 * Ownership  embedded in the database; the world is borrowed for life. Tests may shorten the times.
 * Threads    the times are set before there are threads; everything else: any.
 */
#ifndef DROVER_STORE_POSTGRES_PATIENCE_H
#define DROVER_STORE_POSTGRES_PATIENCE_H

#include <stdatomic.h>

#include "base/base.h"
#include "loop/world.h"
#include "store/postgres/libpq.h"

struct pg_patience {
    const struct world *world;
    unsigned begin_ms;  /* For a new session before a transaction: past it, writes are refused. */
    unsigned commit_ms; /* For a new session that settles a COMMIT: past it, the store is lost. */
    unsigned enter_ms;  /* This and the next two: of silence, in making a session again, */
    unsigned reply_ms;  /* in answering a statement, */
    unsigned script_ms; /* and in answering a script, which may rebuild a table. */
    unsigned close_ms;  /* Of silence, and for a new session, once the store closes. */
    /* Asked while a connection is opened; true ends the waiting. NULL: not asked. */
    bool (*give_up)(void *ctx);
    void *ctx;                       /* Borrowed, for give_up. */
    atomic_uint_fast64_t closing_ns; /* When the store began to close; UINT64_MAX: it hasn't. */
    atomic_bool unreachable;         /* The last we know of the server. */
};

void pg_patience_init(struct pg_patience *patience, const struct world *world);
void pg_patience_close(struct pg_patience *patience); /* From now on waits are short. */

/* A deadline on the monotonic clock; and is it over, by itself or because the store closes? */
uint64_t pg_patience_until(const struct pg_patience *patience, unsigned ms);
bool pg_patience_over(const struct pg_patience *patience, uint64_t until_ns);

/* Waits until PQgetResult will not block. False: the server was silent for so long. */
MUST_CHECK bool pg_patience_wait(struct pg_patience *patience, const struct libpq *pq, PGconn *conn,
                                 unsigned silence_ms);

#endif
