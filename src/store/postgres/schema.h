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

struct arg pg_schema_lock_key(int64_t oid);
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

/* Runs a statement, and reads the first columns of its first row. *ret_read is false when there is
 * no row, or one of the values is NULL. */
MUST_CHECK struct err pg_link_numbers(struct pg_link *link, const char *sql, const struct arg *args,
                                      size_t count, int64_t *ret_numbers, int columns,
                                      bool *ret_read);

#endif
