/* link.h: one connection to PostgreSQL, on which statements travel in rounds.
 *
 * Promise    everything queued since the last round and the statement that closes the round go out
 *            together and come back together: BEGIN, the fence, SAVEPOINT and the first query of a
 *            function cost one round trip instead of four. A failed statement makes the server skip
 *            the rest of its round, so nothing runs after a failure, COMMIT included.
 * Ownership  the caller owns the link; the URL is copied, the table of functions and the
 *            patience borrowed for life.
 *            A PGresult handed out is the caller's (PQclear).
 * Threads    one at a time. Every call blocks until the server has answered, is gone or was
 *            silent for too long.
 * Failure    ERR_STORE_DOWN: the connection is lost (pg_link_alive is false from then on); whatever
 *            was on its way may or may not have happened. Any other error was reported by the
 *            server: that statement did nothing, and its transaction waits for a ROLLBACK.
 */
#ifndef DROVER_STORE_POSTGRES_LINK_H
#define DROVER_STORE_POSTGRES_LINK_H

#include "base/base.h"
#include "base/err.h"
#include "store/driver.h"
#include "store/postgres/libpq.h"
#include "store/postgres/patience.h"

struct pg_link;

/* ERR_CONFIG: the URL wants to wait longer for a connection than 30 seconds; `why` says so. */
MUST_CHECK struct err pg_link_open(const struct libpq *libpq, const char *url,
                                   struct pg_patience *patience, struct pg_link **ret_link,
                                   struct why *why);
void pg_link_close(struct pg_link *link); /* NULL is allowed. */
/* How long the server may be silent before an answer; at first, enter_ms of its patience. */
void pg_link_set_silence(struct pg_link *link, unsigned ms);
bool pg_link_alive(const struct pg_link *link);
/* Between rounds, without waiting: a connection that the server has closed is not alive after. */
void pg_link_look(struct pg_link *link);
const struct libpq *pg_link_libpq(const struct pg_link *link);
int pg_link_socket(const struct pg_link *link);  /* To wait on; -1 when it is lost. */
int pg_link_version(const struct pg_link *link); /* 150003 is 15.3. */

/* A statement: a string literal of the one dialect, found again by its address. */
enum { PG_STEP_ARGS_MAX = 3 };
struct pg_step {
    const char *sql;
    struct arg args[PG_STEP_ARGS_MAX]; /* Numbers only: they outlive the call. */
    size_t count;
    bool fence;  /* Divides by zero where somebody replaced us: ERR_STORE_LOST. */
    bool schema; /* Fails where the schema is not of our version: ERR_BUSY. */
};

/* Goes out with the next round, in front of its statement, in the order of the calls. */
void pg_link_queue(struct pg_link *link, struct pg_step step);
/* Takes back the step queued last, if it is this one. */
MUST_CHECK bool pg_link_unqueue_last(struct pg_link *link, const char *sql);

/* Closes the round with this statement. ret_result may be NULL. */
MUST_CHECK struct err pg_link_run(struct pg_link *link, const char *sql, const struct arg *args,
                                  size_t count, PGresult **ret_result);
/* The same, but rows arrive as they are asked for, in pieces: *ret_result holds some (none: the end
 * is near). While pg_link_streams, only these two may be called. */
MUST_CHECK struct err pg_link_stream(struct pg_link *link, const char *sql, const struct arg *args,
                                     size_t count, PGresult **ret_result);
MUST_CHECK struct err pg_link_stream_next(struct pg_link *link, PGresult **ret_result);
bool pg_link_streams(const struct pg_link *link);
/* Sends a statement whose answer is not needed now: it comes with the end of the round. */
MUST_CHECK struct err pg_link_post(struct pg_link *link, const char *sql, const struct arg *args,
                                   size_t count);
/* Forgets what is queued, and ends a round that has only posted statements. */
void pg_link_drain(struct pg_link *link);
/* Was it a queued or posted step that failed the last round, so that its statement never ran? */
bool pg_link_queue_failed(const struct pg_link *link);
/* Several statements in one string, which need not be a literal: migrations. */
MUST_CHECK struct err pg_link_script(struct pg_link *link, const char *sql);

/* Runs a statement, and reads the first columns of its first row. Without a row, or where a value
 * is NULL, the answer is the error `absent`; ERR_NONE: success, and numbers from there on stay. */
MUST_CHECK struct err pg_link_numbers(struct pg_link *link, const char *sql, const struct arg *args,
                                      size_t count, enum err_code absent, int64_t *ret_numbers,
                                      int columns);

/* Text of the server or libpq about the last failure; never NULL. */
const char *pg_link_message(const struct pg_link *link);

/* Meaning of a SQLSTATE; "": libpq itself failed. ERR_INTERNAL: not in our table, so our statement
 * was wrong. */
struct err postgres_error(const char *sqlstate, const char *step);

#endif
