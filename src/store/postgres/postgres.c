/* postgres.c: transactions of the PostgreSQL driver, and what becomes of a COMMIT whose answer was
 * lost. See postgres.h for the shape.
 *
 * BEGIN, the fence, SAVEPOINT, RELEASE and ROLLBACK TO are queued and travel with the next
 * statement; those of a function whose count of rows nobody wants are sent without waiting. So an
 * append (a query, an UPDATE and an INSERT) costs one round trip in a group, and two alone, COMMIT
 * included. What fails on the way breaks the transaction: nothing of it happened, and the core runs
 * its functions each alone.
 */
#include "store/postgres/postgres.h"

#include <string.h>

#include "base/memory.h"

enum { SETTLES_MAX = 4 };

static const char sql_begin[] = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
static const char sql_begin_reader[] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/* Our row stands as we left it, or somebody else has served this schema since. The server itself
 * must stop the round then: a function that only writes has sent its COMMIT before anybody reads
 * how many rows this changed. So none is an error (a division by zero), after which the server
 * skips the rest. */
static const char sql_fence[] =
    "WITH fence AS (UPDATE nodes SET batch = $1 WHERE epoch = $2 AND batch = $3 RETURNING 1) "
    "SELECT 1 / count(*) FROM fence";

/* A guest reads and writes rows only as our own version knows them. */
static const char sql_schema[] = "SELECT 1 / count(*) FROM schema WHERE series = $1 AND"
                                 " version = $2";

static const char sql_savepoint[] = "SAVEPOINT f";
static const char sql_release[] = "RELEASE SAVEPOINT f";
static const char sql_rollback_to[] = "ROLLBACK TO SAVEPOINT f";
static const char sql_commit[] = "COMMIT";
static const char sql_rollback[] = "ROLLBACK";

static bool alive(const struct pg_session *session) {
    return session->link != NULL && pg_link_alive(session->link);
}

/* --- A database ------------------------------------------------------------------------------- */

static bool serves(const char *where) {
    return strncmp(where, "postgres://", 11) == 0 || strncmp(where, "postgresql://", 13) == 0;
}

static void database_close(struct database *base) {
    if (base != NULL) {
        struct pg_database *database = CONTAINER_OF(base, struct pg_database, base);
        libpq_close(&database->pq);
        mem_free(database->url);
        mem_free(database);
    }
}

static struct err database_open(const struct store_options *options, struct database **ret_database,
                                struct why *why) {
    struct pg_database *database = mem_new(sizeof *database);
    database->base.driver = &driver_postgres;
    struct err err = libpq_open(&database->pq, why);
    if (err_failed(err)) {
        database_close(&database->base);
        return err;
    }
    database->url = mem_copy(options->where, strlen(options->where));
    pg_patience_init(&database->patience, options->world);
    database->options = *options;
    *ret_database = &database->base;
    return ERR_OK;
}

static void database_closing(struct database *base) {
    pg_patience_close(&CONTAINER_OF(base, struct pg_database, base)->patience);
}

static bool database_reachable(const struct database *base) {
    const struct pg_database *database = CONTAINER_OF(base, const struct pg_database, base);
    return !atomic_load(&database->patience.unreachable);
}

static bool replaced(const struct conn *writer) {
    return CONTAINER_OF(writer, const struct pg_session, base)->replaced;
}

/* --- At start --------------------------------------------------------------------------------- */

static struct err run_script(struct conn *base, const char *script, struct why *why) {
    struct pg_session *session = pg_session_of(base);
    struct err err = pg_link_script(session->link, script);
    if (err_failed(err)) {
        why_set(why, "PostgreSQL: %s", pg_link_message(session->link));
    }
    return err;
}

static struct err raise_epoch(struct conn *base, int64_t *ret_epoch) {
    static const char sql[] = "UPDATE nodes SET epoch = epoch + 1 RETURNING epoch, batch";
    struct pg_session *session = pg_session_of(base);
    int64_t numbers[2] = {0};
    bool read = false;
    /* Outside a transaction the round is one, and the answer comes after its commit. */
    struct err err =
        pg_link_numbers(session->link, sql, NO_ARGS, numbers, COUNT_OF(numbers), &read);
    if (!err_failed(err) && !read) {
        err = err_make(ERR_STORE_CORRUPT, "postgres: nodes");
    }
    if (err_failed(err)) {
        return err;
    }
    session->epoch = numbers[0];
    session->batch = numbers[1];
    *ret_epoch = session->epoch;
    return ERR_OK;
}

/* --- Transactions ----------------------------------------------------------------------------- */

static void rollback(struct conn *base) {
    struct pg_session *session = pg_session_of(base);
    session->broken = false;
    if (alive(session)) {
        pg_link_drain(session->link);
        struct err err =
            pg_link_run(session->link, sql_rollback, NULL, /* count */ 0, /* ret_result */ NULL);
        if (err_failed(err)) { /* The end of the session ends its transaction as well. */
            pg_link_close(session->link);
            session->link = NULL;
        }
    }
}

/* --- What the row says ------------------------------------------------------------------------ */

struct place {
    int64_t epoch, batch;
};

/* In a new session that has the lock. The row's lock makes us wait until the old session's
 * transaction has ended one way or the other, and then shows what it left. This transaction
 * commits too: its record is durable behind the other one's, wherever that one had to be copied.
 * Only then is it told: a row that was merely seen may not have come through. */
static struct err read_place(struct pg_session *session, struct place *ret_place) {
    static const char sql[] = "SELECT epoch, batch FROM nodes FOR UPDATE";
    int64_t numbers[2] = {0};
    bool read = false;
    pg_link_queue(session->link, (struct pg_step){.sql = sql_begin});
    struct err err =
        pg_link_numbers(session->link, sql, NO_ARGS, numbers, COUNT_OF(numbers), &read);
    if (!err_failed(err) && !read) {
        err = err_make(ERR_STORE_LOST, "postgres: nodes");
    }
    err = err_failed(err) ? err
                          : pg_link_run(session->link, sql_commit, NO_ARGS, NULL /* no result */);
    if (!err_failed(err)) {
        *ret_place = (struct place){.epoch = numbers[0], .batch = numbers[1]};
    }
    return err;
}

/* After a COMMIT whose answer was lost, the row stands as before it, or as it left it; anything
 * else was done by another daemon, or the server has lost what it had acknowledged. */
static bool is_ours(const struct pg_session *session, const struct place *place) {
    return place->epoch == session->epoch &&
           (place->batch == session->batch || place->batch == session->batch + 1);
}

/* An empty COMMIT may have counted, and the fence wants the row's own number. */
static struct err become_sure(struct pg_session *session) {
    struct place place = {0};
    struct err err = read_place(session, &place);
    if (err_failed(err)) {
        rollback(&session->base);
        return err;
    }
    if (!is_ours(session, &place)) {
        session->replaced = true;
        return err_make(ERR_STORE_LOST, "postgres: fence");
    }
    session->batch = place.batch;
    session->unsure = false;
    return ERR_OK;
}

/* --- BEGIN and savepoints --------------------------------------------------------------------- */

static void begin_unfenced(struct pg_session *session) {
    bool writes = session->base.role == CONN_WRITER;
    pg_link_queue(session->link, (struct pg_step){.sql = writes ? sql_begin : sql_begin_reader});
    if (session->database->options.guest) {
        pg_link_queue(session->link, (struct pg_step){.sql = sql_schema,
                                                      .args = {arg_int(SCHEMA_SERIES),
                                                               arg_int(store__schema_known())},
                                                      .count = 2,
                                                      .schema = true});
    }
}

/* Nothing is sent yet; a connection found dead by the first statement breaks the transaction, and
 * the core comes back here. One that is dead already is found here: a function that only writes
 * sends its COMMIT in the first round, and its outcome would have to be looked up from a server
 * that may be away for long. */
static struct err begin(struct conn *base) {
    struct pg_session *session = pg_session_of(base);
    session->broken = session->asked = false;
    session->posted = 0;
    if (session->replaced) {
        return err_make(ERR_STORE_LOST, "postgres: fence");
    }
    if (alive(session)) {
        pg_link_look(session->link);
    }
    if (!alive(session)) {
        const struct pg_patience *patience = &session->database->patience;
        unsigned ms = session->down ? 0 : patience->begin_ms;
        struct err err = postgres__reconnect(session, pg_patience_until(patience, ms));
        session->down = err.code == ERR_STORE_DOWN;
        if (err_failed(err)) {
            return err;
        }
    }
    if (base->role != CONN_WRITER || session->database->options.guest) {
        begin_unfenced(session);
        return ERR_OK;
    }
    struct err err = session->unsure ? become_sure(session) : ERR_OK;
    if (err_failed(err)) {
        return err;
    }
    pg_link_queue(session->link, (struct pg_step){.sql = sql_begin});
    pg_link_queue(session->link, (struct pg_step){
                                     .sql = sql_fence,
                                     .args = {arg_int(session->batch + 1), arg_int(session->epoch),
                                              arg_int(session->batch)},
                                     .count = 3,
                                     .fence = true,
                                 });
    return ERR_OK;
}

static struct err savepoint(struct conn *base) {
    struct pg_session *session = pg_session_of(base);
    if (!alive(session)) {
        return err_make(ERR_STORE_DOWN, "postgres: connection");
    }
    session->posted = 0;
    pg_link_queue(session->link, (struct pg_step){.sql = sql_savepoint});
    return ERR_OK;
}

static struct err release(struct conn *base) {
    struct pg_session *session = pg_session_of(base);
    if (!alive(session)) {
        return err_make(ERR_STORE_DOWN, "postgres: connection");
    }
    /* A function that sent nothing needs no savepoint. */
    if (!pg_link_unqueue_last(session->link, sql_savepoint)) {
        pg_link_queue(session->link, (struct pg_step){.sql = sql_release});
    }
    return ERR_OK;
}

static struct err rollback_to(struct conn *base) {
    struct pg_session *session = pg_session_of(base);
    if (!alive(session)) {
        return err_make(ERR_STORE_DOWN, "postgres: connection");
    }
    if (!pg_link_unqueue_last(session->link, sql_savepoint)) {
        pg_link_queue(session->link, (struct pg_step){.sql = sql_rollback_to});
        pg_link_queue(session->link, (struct pg_step){.sql = sql_release});
    }
    return ERR_OK;
}

static bool transaction_lost(struct conn *base) {
    const struct pg_session *session = pg_session_of(base);
    return !alive(session) || session->broken;
}

/* --- COMMIT ----------------------------------------------------------------------------------- */

static enum commit_outcome settle(struct pg_session *session, struct err *ret_err) {
    const struct pg_patience *patience = &session->database->patience;
    struct place place = {0};
    uint64_t until_ns = pg_patience_until(patience, patience->commit_ms);
    struct err err = postgres__reconnect(session, until_ns);
    bool read = false;
    for (unsigned i = 0; i < SETTLES_MAX && !read && !err_failed(err); i++) {
        err = read_place(session, &place);
        read = !err_failed(err);
        if (!read && !pg_patience_over(patience, until_ns)) {
            err = postgres__reconnect(session,
                                      until_ns); /* The server went down again, or is full. */
        }
    }
    session->replaced = session->replaced || (read && !is_ours(session, &place));
    if (!read || session->replaced) {
        *ret_err = err_make(ERR_STORE_LOST, "postgres: commit");
        return COMMIT_UNKNOWN;
    }
    if (place.batch == session->batch) {
        *ret_err = err_make(ERR_STORE_DOWN, "postgres: commit");
        return COMMIT_NOT;
    }
    session->batch = place.batch;
    return COMMIT_DONE;
}

/* The connection was lost in COMMIT. Of an empty transaction nobody is told anything that could be
 * wrong, so a server that stays away must not end the daemon for it. */
static enum commit_outcome look_up(struct pg_session *session, struct err *ret_err) {
    if (session->asked && !session->database->options.guest) {
        return settle(session, ret_err);
    }
    session->unsure = true; /* A guest has no `batch`. */
    *ret_err = err_make(ERR_STORE_DOWN, "postgres: commit");
    return COMMIT_NOT;
}

/* An error that the server tells in answer to COMMIT, on a connection that stays, comes before the
 * commit record: what fails after it is a crash of the server, never an answer. */
static enum commit_outcome commit_writer(struct pg_session *session, struct err *ret_err) {
    const struct libpq *pq = &session->database->pq;
    PGresult *result = NULL;
    struct err err = err_make(ERR_STORE_DOWN, "postgres: commit");
    if (alive(session)) {
        err = pg_link_run(session->link, sql_commit, NULL, /* count */ 0, &result);
    }
    if (!alive(session)) {
        pq->PQclear(result);
        return look_up(session, ret_err);
    }
    /* COMMIT of a failed transaction answers with success and says ROLLBACK. */
    bool committed = !err_failed(err) && strcmp(pq->PQcmdStatus(result), "COMMIT") == 0;
    pq->PQclear(result);
    if (committed) {
        session->batch++;
        atomic_store_explicit(&session->database->patience.unreachable, false,
                              memory_order_relaxed); /* A reader may have thought so. */
        return COMMIT_DONE;
    }
    session->replaced = session->replaced || err.code == ERR_STORE_LOST;
    *ret_err = err_failed(err) ? err : err_make(ERR_INTERNAL, "postgres: commit");
    rollback(&session->base);
    return COMMIT_NOT;
}

static enum commit_outcome commit(struct conn *base, struct err *ret_err) {
    struct pg_session *session = pg_session_of(base);
    if (session->base.role == CONN_WRITER) {
        return commit_writer(session, ret_err);
    }
    rollback(base); /* A reader's rows have been read; how its transaction ends is all the same. */
    return COMMIT_DONE;
}

const struct driver driver_postgres = {
    .cure = "Restore a backup by pg_restore.",
    .words = {.id = "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
              .integer = "BIGINT",
              .strict = ""},
    .serves = serves,
    .open = database_open,
    .close = database_close,
    .closing = database_closing,
    .reachable = database_reachable,
    .replaced = replaced,
    .connect = postgres__connect,
    .disconnect = postgres__disconnect,
    .schema = postgres__schema,
    .run = run_script,
    .raise_epoch = raise_epoch,
    .begin = begin,
    .savepoint = savepoint,
    .release = release,
    .rollback_to = rollback_to,
    .commit = commit,
    .rollback = rollback,
    .transaction_lost = transaction_lost,
    .exec = postgres__exec,
    .query = postgres__query,
    .rows_next = postgres__rows_next,
    .rows_null = postgres__rows_null,
    .rows_int = postgres__rows_int,
    .rows_text = postgres__rows_text,
    .rows_close = postgres__rows_close,
    .backup = postgres__backup,
    .restore = postgres__restore,
    .check = postgres__check,
};
