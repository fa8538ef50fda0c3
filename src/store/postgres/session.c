/* session.c: sessions: made, checked, locked, made again. */
#include <poll.h>

#include "base/memory.h"
#include "store/postgres/postgres.h"
#include "store/postgres/vigil.h"

enum {
    STANDBY_TICK_MS = 200, /* A blocking wait would hold back the server's vacuum. */
    /* The session of a daemon that was killed just now goes when the server notices. */
    GOING_TICK_MS = 10,
    GOING_TRIES = 50,
    RETRY_FIRST_MS = 10,
    RETRY_MAX_MS = 500,
};

/* A guest that stands still in a transaction must hold up nobody: the leader may want its row. */
static const char guest_settings[] = "SET idle_in_transaction_session_timeout = 10000";

/* Until the time is over, or the server has something to say: that it stops, for one. A signal cuts
 * it short, and then we only ask sooner. */
static void wait_ms(const struct pg_link *link, int ms) {
    struct pollfd socket = {.fd = link != NULL ? pg_link_socket(link) : -1, .events = POLLIN};
    (void)poll(&socket, 1, ms);
}

/* A session that has entered the schema. On failure `*ret_link` is untouched. The server is checked
 * each time: where the URL names several, or a name that moves, it need not be the one of before.
 * One that only copies another is behind it: it would show readers what is old, and the writer an
 * epoch by which it would think that it was replaced. */
static struct err make_link(struct pg_database *database, enum pg_enter how,
                            struct pg_link **ret_link, struct why *why) {
    struct pg_link *link = NULL;
    struct err err = pg_link_open(&database->pq, database->url, &database->patience, &link, why);
    if (err_failed(err)) {
        return err;
    }
    int64_t oid = 0;
    if (how == PG_ENTER_MAKE) {
        pg_link_set_silence(link, database->patience.reply_ms); /* Somebody else may make it too. */
    }
    err = pg_server_check(link, why);
    if (!err_failed(err)) {
        err = pg_schema_enter(link, how, &oid, why);
    }
    if (!err_failed(err) && database->oid != 0 && oid != database->oid) {
        why_set(why, "the schema was dropped and made again while it was in use");
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
    bool locked = false, told = false;
    struct err err = try_lock(session, told, &locked, why);
    for (unsigned i = 0; i < GOING_TRIES && !err_failed(err) && !locked; i++) {
        wait_ms(session->link, GOING_TICK_MS);
        err = try_lock(session, told, &locked, why);
    }
    struct pg_vigil vigil = {.looks = 0};
    for (unsigned ticks = 1; !err_failed(err) && !locked; ticks++) {
        err = refuse_or_wait(session, &told, why);
        if (!err_failed(err) && ticks % (PG_VIGIL_EVERY_MS / STANDBY_TICK_MS) == 0) {
            keep_vigil(session, &vigil);
        }
        if (!err_failed(err)) {
            err = try_lock(session, told, &locked, why);
        }
    }
    return err_failed(err) ? err : pg_backend_get(session->link, &session->backend);
}

/* --- Connections ------------------------------------------------------------------------------ */

struct err postgres__connect(struct database *database, enum conn_role role, struct conn **ret_conn,
                             struct why *why) {
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
        postgres__disconnect(&session->base);
        return err;
    }
    pg_link_set_silence(session->link, session->database->patience.reply_ms);
    *ret_conn = &session->base;
    return ERR_OK;
}

void postgres__disconnect(struct conn *conn) {
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

/* Whether another daemon has served this schema since we did. While it is only about to (it has the
 * lock, and not raised the epoch yet), the next try will see. */
static struct err check_place(const struct pg_session *session, struct pg_link *link) {
    static const char sql[] = "SELECT epoch FROM nodes";
    int64_t epoch = 0;
    bool read = false;
    struct err err = pg_link_numbers(link, sql, NO_ARGS, &epoch, 1, &read);
    if (err_failed(err)) {
        return err;
    }
    return read && epoch == session->epoch ? ERR_OK : err_make(ERR_STORE_LOST, "postgres: fence");
}

/* Tries once. The lock may still be with the session that we lost: the server learns of a cut
 * connection only when it next reads or writes, so it is told to end that one. */
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

struct err postgres__reconnect(struct pg_session *session, uint64_t until_ns) {
    struct pg_patience *patience = &session->database->patience;
    pg_link_close(session->link);
    session->link = NULL;
    session->broken = false;
    if (pg_patience_over(patience, UINT64_MAX)) {
        return err_make(ERR_STORE_DOWN, "postgres: closing");
    }
    int pause_ms = RETRY_FIRST_MS;
    struct err err = renew(session);
    atomic_store(&patience->unreachable, err_failed(err));
    while (err_failed(err) && err.code != ERR_STORE_LOST && !pg_patience_over(patience, until_ns)) {
        wait_ms(NULL, pause_ms);
        pause_ms = pause_ms * 2 < RETRY_MAX_MS ? pause_ms * 2 : RETRY_MAX_MS;
        err = renew(session);
        atomic_store(&patience->unreachable, err_failed(err));
    }
    return err;
}
