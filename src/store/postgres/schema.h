/* schema.h: where our tables live in a PostgreSQL database, and who may write them.
 *
 * Promise    all tables are in one schema: the first one of the connection's search_path ("$user"
 *            stands for PostgreSQL's usual choice), which is made when it is missing. A session
 *            that entered it sees no other. One session at a time holds its lock.
 * Threads    as the link's: one at a time.
 * Failure    ERR_CONFIG: a server or database that cannot keep our promises; `why` says what to do.
 */
#ifndef DROVER_STORE_POSTGRES_SCHEMA_H
#define DROVER_STORE_POSTGRES_SCHEMA_H

#include "base/base.h"
#include "base/err.h"
#include "store/postgres/link.h"

/* Version, encoding, order of text, fsync, not a standby server. */
MUST_CHECK struct err pg_server_check(struct pg_link *link, struct why *why);

enum pg_enter { PG_ENTER_FIND, PG_ENTER_MAKE };
/* The schema's oid names it for the lock: it is never used again, a schema's name may be. */
MUST_CHECK struct err pg_schema_enter(struct pg_link *link, enum pg_enter how, int64_t *ret_oid,
                                      struct why *why);

/* Held until the session ends. */
MUST_CHECK struct err pg_schema_try_lock(struct pg_link *link, int64_t oid, bool *ret_locked);
void pg_schema_unlock(struct pg_link *link);
/* Tells who holds it. */
void pg_schema_explain_lock(struct pg_link *link, int64_t oid, struct why *why);

/* Identity of a session of the server, also after its process id was given to another. */
struct pg_backend {
    int64_t pid; /* 0: none. */
    int64_t start_us;
};
MUST_CHECK struct err pg_backend_get(struct pg_link *link, struct pg_backend *ret_backend);
/* Ends a session, so that its lock and its rows are free. Success where there is none any more. An
 * error where the role may not end it: that takes the same role, or pg_signal_backend. */
MUST_CHECK struct err pg_backend_end(struct pg_link *link, struct pg_backend backend);

/* The vigil: whether the daemon that has the lock still does anything. A daemon that stands still
 * (SIGSTOP, a machine that sleeps, a network that is cut and whose end the server has not
 * noticed) keeps its session, and with it the lock. One that lives commits at least each few
 * seconds (engine/host/pulse.h), which moves the row of `nodes`. The session is ended after
 * PG_VIGIL_LOOKS looks in a row, a second apart, that saw the same row under the same session,
 * and saw that the server waits for that session. So neither a slow server nor a long migration
 * counts against it, nor the time in which we stood still ourselves. The fence makes it safe:
 * what was replaced commits nothing. */
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
