/* vigil.c: see postgres_vigil.h. */
#include "store/postgres/vigil.h"

struct seen {
    int64_t epoch, batch, idle;
    struct pg_backend backend;
};

void pg_vigil_reset(struct pg_vigil *vigil) {
    *vigil = (struct pg_vigil){.looks = 0};
}

/* Outside a transaction, so that each look sees what is committed now. *ret_found: somebody has the
 * lock, and may be looked at: the state of a session of another role is nobody's to see. */
static struct err look(struct pg_link *link, int64_t oid, bool *ret_found, struct seen *ret_seen) {
    static const char sql[] =
        "SELECT n.epoch, n.batch, a.pid, (extract(epoch FROM a.backend_start) * 1000000)::bigint, "
        "(a.state LIKE 'idle%')::int FROM nodes n, pg_locks l JOIN pg_stat_activity a "
        "ON a.pid = l.pid WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 "
        "AND l.classid = ($1 >> 32)::oid AND l.objid = ($1 & 4294967295)::oid AND l.database = "
        "(SELECT oid FROM pg_database WHERE datname = current_database())";
    const struct libpq *pq = pg_link_libpq(link);
    struct arg key = pg_schema_lock_key(oid);
    PGresult *result = NULL;
    struct err err = pg_link_run(link, sql, &key, /* count */ 1, &result);
    if (err_failed(err)) {
        return err;
    }
    struct seen seen = {.epoch = 0};
    *ret_found = pg_result_int(pq, result, 0, &seen.epoch) &&
                 pg_result_int(pq, result, 1, &seen.batch) &&
                 pg_result_int(pq, result, 2, &seen.backend.pid) &&
                 pg_result_int(pq, result, 3, &seen.backend.start_us) &&
                 pg_result_int(pq, result, 4, &seen.idle);
    pq->PQclear(result);
    *ret_seen = seen;
    return ERR_OK;
}

static bool is_same(const struct pg_vigil *vigil, const struct seen *seen) {
    return vigil->looks > 0 && vigil->epoch == seen->epoch && vigil->batch == seen->batch &&
           vigil->backend.pid == seen->backend.pid &&
           vigil->backend.start_us == seen->backend.start_us;
}

struct err pg_vigil_look(struct pg_vigil *vigil, struct pg_link *link, int64_t oid,
                         enum pg_vigil_seen *ret_seen) {
    bool found = false;
    struct seen seen;
    struct err err = look(link, oid, &found, &seen);
    *ret_seen = PG_VIGIL_ALIVE;
    if (err_failed(err) || !found || seen.idle == 0) {
        pg_vigil_reset(vigil);
        return err;
    }
    if (!is_same(vigil, &seen)) {
        *vigil = (struct pg_vigil){
            .epoch = seen.epoch, .batch = seen.batch, .backend = seen.backend, .looks = 1};
        return ERR_OK;
    }
    vigil->looks++;
    if (vigil->looks > PG_VIGIL_LOOKS) {
        err = pg_backend_end(link, vigil->backend);
        *ret_seen = err_failed(err) ? PG_VIGIL_REFUSED : PG_VIGIL_ENDED;
        pg_vigil_reset(vigil);
    }
    return ERR_OK;
}
