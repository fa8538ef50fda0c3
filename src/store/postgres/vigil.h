/* vigil.h: whether the daemon that has the schema's lock still does anything.
 *
 * Why        a daemon that stands still (SIGSTOP, a machine that sleeps, a network that is cut and
 *            whose end the server has not noticed) keeps its session, and with it the lock. One
 *            that lives commits at least each few seconds (engine/host/pulse.h), which moves the
 *            row of `nodes`.
 * Promise    the session is ended after PG_VIGIL_LOOKS looks in a row, a second apart, that saw the
 *            same row under the same session, and saw that the server waits for that session. So
 *            neither a slow server nor a long migration counts against it, nor the time in which
 *            we stood still ourselves. The fence makes it safe: what was replaced commits nothing.
 * Ownership  embedded, zeroed.
 * Threads    that of the link.
 */
#ifndef DROVER_STORE_POSTGRES_VIGIL_H
#define DROVER_STORE_POSTGRES_VIGIL_H

#include "base/base.h"
#include "base/err.h"
#include "store/postgres/link.h"
#include "store/postgres/schema.h"

enum { PG_VIGIL_LOOKS = 15, PG_VIGIL_EVERY_MS = 1000 };

struct pg_vigil {
    int64_t epoch, batch;
    struct pg_backend backend; /* Session that has the lock. */
    unsigned looks;            /* In a row that saw all this; 0: none has seen anything. */
};
/* Another connection, or nothing was seen for a while: what was seen before counts no more. */
void pg_vigil_reset(struct pg_vigil *vigil);
enum pg_vigil_seen {
    PG_VIGIL_ALIVE,   /* Or not seen for long enough. */
    PG_VIGIL_ENDED,   /* The session was ended, and the lock may be free. */
    PG_VIGIL_REFUSED, /* The role may not end the session. */
};
MUST_CHECK struct err pg_vigil_look(struct pg_vigil *vigil, struct pg_link *link, int64_t oid,
                                    enum pg_vigil_seen *ret_seen);

#endif
