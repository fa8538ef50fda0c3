/* postgres.c: sessions and transactions of the PostgreSQL driver, and the outcome of a COMMIT whose
 * answer was lost. See postgres.h for the shape.
 *
 * BEGIN, the fence, SAVEPOINT, RELEASE and ROLLBACK TO are queued and travel with the next
 * statement; those of a function whose count of rows nobody wants are sent without waiting. So an
 * append (a query, an UPDATE and an INSERT) costs one round trip in a group, and two alone, COMMIT
 * included. What fails on the way breaks the transaction: nothing of it happened, and the core runs
 * its functions each alone.
 */
#include "store/postgres/postgres.h"

#include <poll.h>
#include <string.h>

#include "base/memory.h"

enum {
    STANDBY_TICK_MS = 200, /* A blocking wait would hold back the server's vacuum. */
    /* The session of a daemon that was killed just now goes when the server notices. */
    GOING_TICK_MS = 10,
    GOING_TRIES = 50,
    RETRY_FIRST_MS = 10,
    RETRY_MAX_MS = 500,
    SETTLES_MAX = 4,
};

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

/* --- Sessions: made, checked, locked, made again ---------------------------------------------- */

/* A guest that stands still in a transaction must hold up nobody: the leader may want its row. */
static const char guest_settings[] = "SET idle_in_transaction_session_timeout = 10000";

/* Waits for the time, or until the server says something: that it stops, for one. A signal cuts it
 * short, and then we only ask sooner. */
static void wait_ms(const struct pg_link *link, int ms) {
    struct pollfd socket = {.fd = link != NULL ? pg_link_socket(link) : -1, .events = POLLIN};
    (void)poll(&socket, 1, ms);
}

/* A session that has entered the schema. On failure `*ret_link` is untouched. The server is checked
 * each time: where the URL names several, or a name that moves, it may be another one now.
 * One that only copies another is behind it: it would show readers what is old, and the writer an
 * epoch by which it would think that it was replaced. */
static struct err make_link(struct pg_database *database, enum pg_enter how,
                            struct pg_link **ret_link, struct why *why) {
    struct pg_link *link = NULL;
    TRY(pg_link_open(&database->pq, database->url, &database->patience, &link, why));
    int64_t oid = 0;
    if (how == PG_ENTER_MAKE) {
        pg_link_set_silence(link,
                            database->patience.reply_ms); /* Another daemon may make it too. */
    }
    struct err err = pg_server_check(link, why);
    if (!err_failed(err)) {
        err = pg_schema_enter(link, how, &oid, why);
    }
    if (!err_failed(err) && database->oid != 0 && oid != database->oid) {
        why_set(why, "the schema was dropped and created again while it was in use");
        err = err_make(ERR_STORE_LOST, "postgres: schema");
    }
    if (!err_failed(err) && database->options.guest) {
        err = pg_link_script(link, guest_settings);
    }
    if (err_failed(err)) {
        pg_link_close(link);
        return err;
    }
    /* At start only: later, several threads come here, as those of a guest always do. */
    if (database->oid == 0 && !database->options.guest) {
        database->oid = oid;
    }
    *ret_link = link;
    return ERR_OK;
}

/* --- The writer's lock ------------------------------------------------------------------------ */

static struct err refuse_or_wait(struct pg_session *session, bool *told, struct why *why) {
    struct pg_database *database = session->database;
    if (!database->options.standby) {
        pg_schema_explain_lock(session->link, database->oid, why);
        return err_make(ERR_BUSY, "postgres: schema lock");
    }
    if (!*told && database->options.waiting != NULL) {
        database->options.waiting(database->options.waits);
    }
    *told = true;
    wait_ms(session->link, STANDBY_TICK_MS);
    if (database->options.give_up != NULL && database->options.give_up(database->options.waits)) {
        return err_make(ERR_INTERRUPTED, "postgres: stand by");
    }
    return ERR_OK;
}

/* While it stands by, a daemon outlives restarts of the server: it is there to outlive things. */
static struct err try_lock(struct pg_session *session, bool waited, bool *ret_locked,
                           struct why *why) {
    if (!pg_link_alive(session->link)) {
        struct pg_link *link = NULL;
        struct err err = make_link(session->database, PG_ENTER_MAKE, &link, why);
        if (err_failed(err)) {
            return err.code == ERR_STORE_DOWN ? ERR_OK : err;
        }
        pg_link_close(session->link);
        session->link = link;
    }
    struct err err = pg_schema_try_lock(session->link, session->database->oid, ret_locked);
    return err.code == ERR_STORE_DOWN && waited ? ERR_OK : err;
}

/* A look that failed says nothing: the next try for the lock finds out what is wrong. */
static void keep_vigil(struct pg_session *session, struct pg_vigil *vigil) {
    const struct pg_database *database = session->database;
    enum pg_vigil_seen seen = PG_VIGIL_ALIVE;
    if (!pg_link_alive(session->link) ||
        err_failed(pg_vigil_look(vigil, session->link, database->oid, &seen))) {
        pg_vigil_reset(vigil);
    } else if (seen != PG_VIGIL_ALIVE && database->options.stalled != NULL) {
        database->options.stalled(database->options.waits, /* ended */ seen == PG_VIGIL_ENDED);
    }
}

static struct err lock(struct pg_session *session, struct why *why) {
    struct pg_vigil vigil = {.looks = 0};
    bool locked = false, told = false;
    struct err err = try_lock(session, told, &locked, why);
    for (unsigned tries = 1; !err_failed(err) && !locked; tries++) {
        if (tries <= GOING_TRIES) {
            wait_ms(session->link, GOING_TICK_MS);
        } else {
            err = refuse_or_wait(session, &told, why);
            if (!err_failed(err) &&
                (tries - GOING_TRIES) % (PG_VIGIL_EVERY_MS / STANDBY_TICK_MS) == 0) {
                keep_vigil(session, &vigil);
            }
        }
        if (!err_failed(err)) {
            err = try_lock(session, told, &locked, why);
        }
    }
    return err_failed(err) ? err : pg_backend_get(session->link, &session->backend);
}

/* --- Connections ------------------------------------------------------------------------------ */

static void session_disconnect(struct conn *conn) {
    if (conn == NULL) {
        return;
    }
    struct pg_session *session = pg_session_of(conn);
    if (conn->role == CONN_WRITER && session->link != NULL && pg_link_alive(session->link)) {
        pg_schema_unlock(
            session->link); /* The session itself ends a little later than this call. */
    }
    pg_link_close(session->link);
    mem_free(session);
}

static struct err session_connect(struct database *database, enum conn_role role,
                                  struct conn **ret_conn, struct why *why) {
    struct pg_session *session = mem_new(sizeof *session);
    session->base = (struct conn){.driver = database->driver, .role = role};
    session->database = CONTAINER_OF(database, struct pg_database, base);
    enum pg_enter how = role == CONN_WRITER ? PG_ENTER_MAKE : PG_ENTER_FIND;
    if (role == CONN_WRITER) {
        session->database->patience.give_up = session->database->options.give_up;
        session->database->patience.ctx = session->database->options.waits;
    }
    if (session->database->options.guest) {
        *ret_conn = &session->base; /* The first BEGIN connects. */
        return ERR_OK;
    }
    struct err err = make_link(session->database, how, &session->link, why);
    if (!err_failed(err) && role == CONN_WRITER) {
        err = lock(session, why);
    }
    session->database->patience.give_up = NULL;
    if (err_failed(err)) {
        session_disconnect(&session->base);
        return err;
    }
    pg_link_set_silence(session->link, session->database->patience.reply_ms);
    *ret_conn = &session->base;
    return ERR_OK;
}

/* Whether another daemon has served this schema since we did. While it is only about to (it has the
 * lock, and not raised the epoch yet), the next try will see. */
static struct err check_place(const struct pg_session *session, struct pg_link *link) {
    static const char sql[] = "SELECT epoch FROM nodes";
    int64_t epoch = 0;
    struct err err = pg_link_numbers(link, sql, NO_ARGS, ERR_STORE_LOST, &epoch, 1);
    return err_failed(err) || epoch == session->epoch ? err
                                                      : err_make(ERR_STORE_LOST, "postgres: fence");
}

/* Tries once. The lock may still be with the session that we lost: the server learns of a cut
 * connection only when it next reads or writes, so we ask it to end that one. */
static struct err renew(struct pg_session *session) {
    struct pg_link *link = NULL;
    struct err err = make_link(session->database, PG_ENTER_FIND, &link, /* why */ NULL);
    if (err_failed(err)) {
        return err.code == ERR_STORE_LOST ? err : err_make(ERR_STORE_DOWN, err.step);
    }
    if (session->base.role != CONN_WRITER || session->database->options.guest) {
        pg_link_set_silence(link, session->database->patience.reply_ms);
        session->link = link;
        return ERR_OK;
    }
    bool locked = false;
    struct pg_backend backend = {.pid = 0};
    err = pg_backend_end(link, session->backend);
    (void)err; /* The lock stays taken, then: the next try is another chance. */
    err = pg_schema_try_lock(link, session->database->oid, &locked);
    if (!err_failed(err)) {
        err = check_place(session, link);
        session->replaced = session->replaced || err.code == ERR_STORE_LOST;
    }
    if (!err_failed(err)) {
        err = locked ? pg_backend_get(link, &backend)
                     : err_make(ERR_STORE_DOWN, "postgres: schema lock");
    }
    if (err_failed(err)) {
        pg_link_close(link);
        return err;
    }
    session->backend = backend;
    pg_link_set_silence(link, session->database->patience.reply_ms);
    session->link = link;
    return ERR_OK;
}

static struct err session_reconnect(struct pg_session *session, uint64_t until_ns) {
    struct pg_patience *patience = &session->database->patience;
    pg_link_close(session->link);
    session->link = NULL;
    session->broken = false;
    if (pg_patience_over(patience, UINT64_MAX)) {
        return err_make(ERR_STORE_DOWN, "postgres: closing");
    }
    for (int pause_ms = RETRY_FIRST_MS;; pause_ms *= 2) {
        struct err err = renew(session);
        atomic_store(&patience->unreachable, err_failed(err));
        if (!err_failed(err) || err.code == ERR_STORE_LOST ||
            pg_patience_over(patience, until_ns)) {
            return err;
        }
        pause_ms = pause_ms < RETRY_MAX_MS ? pause_ms : RETRY_MAX_MS;
        wait_ms(NULL, pause_ms);
    }
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
    /* Outside a transaction the round is one, and the answer comes after its commit. */
    TRY(pg_link_numbers(session->link, sql, NO_ARGS, ERR_STORE_CORRUPT, numbers,
                        COUNT_OF(numbers)));
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
 * commits, too: once its record is durable (and replicated), so is the earlier one. The place is
 * returned only then: a row that was merely read may not be durable yet. */
static struct err read_place(struct pg_session *session, struct place *ret_place) {
    static const char sql[] = "SELECT epoch, batch FROM nodes FOR UPDATE";
    int64_t numbers[2] = {0};
    pg_link_queue(session->link, (struct pg_step){.sql = sql_begin});
    TRY(pg_link_numbers(session->link, sql, NO_ARGS, ERR_STORE_LOST, numbers, COUNT_OF(numbers)));
    TRY(pg_link_run(session->link, sql_commit, NO_ARGS, NULL /* no result */));
    *ret_place = (struct place){.epoch = numbers[0], .batch = numbers[1]};
    return ERR_OK;
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
        struct err err = session_reconnect(session, pg_patience_until(patience, ms));
        session->down = err.code == ERR_STORE_DOWN;
        if (err_failed(err)) {
            return err;
        }
    }
    if (base->role != CONN_WRITER || session->database->options.guest) {
        begin_unfenced(session);
        return ERR_OK;
    }
    TRY(session->unsure ? become_sure(session) : ERR_OK);
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

static struct err step_queue(struct pg_session *session, const char *sql) {
    if (!alive(session)) {
        return err_make(ERR_STORE_DOWN, "postgres: connection");
    }
    pg_link_queue(session->link, (struct pg_step){.sql = sql});
    return ERR_OK;
}

static struct err savepoint(struct conn *base) {
    pg_session_of(base)->posted = 0;
    return step_queue(pg_session_of(base), sql_savepoint);
}

/* A function that sent nothing needs no savepoint. */
static struct err release(struct conn *base) {
    struct pg_session *session = pg_session_of(base);
    return alive(session) && pg_link_unqueue_last(session->link, sql_savepoint)
               ? ERR_OK
               : step_queue(session, sql_release);
}

static struct err rollback_to(struct conn *base) {
    struct pg_session *session = pg_session_of(base);
    if (alive(session) && pg_link_unqueue_last(session->link, sql_savepoint)) {
        return ERR_OK;
    }
    struct err err = step_queue(session, sql_rollback_to);
    return err_failed(err) ? err : step_queue(session, sql_release);
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
    struct err err = session_reconnect(session, until_ns);
    bool read = false;
    for (unsigned i = 0; i < SETTLES_MAX && !read && !err_failed(err); i++) {
        err = read_place(session, &place);
        read = !err_failed(err);
        if (!read && !pg_patience_over(patience, until_ns)) {
            err =
                session_reconnect(session, until_ns); /* The server went down again, or is full. */
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

/* The connection was lost in COMMIT. An empty transaction reports nothing that could be
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
    .connect = session_connect,
    .disconnect = session_disconnect,
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
