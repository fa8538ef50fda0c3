/* vigil.c: see vigil.h. */
#include "store/postgres/vigil.h"

void pg_vigil_reset(struct pg_vigil *vigil) {
    *vigil = (struct pg_vigil){.looks = 0};
}

/* Outside a transaction, so that each look sees what is committed now. No row: nobody has the lock,
 * or nobody may look: the state of a session of another role is nobody's to see. */
struct err pg_vigil_look(struct pg_vigil *vigil, struct pg_link *link, int64_t oid,
                         enum pg_vigil_seen *ret_seen) {
    static const char sql[] =
        "SELECT n.epoch, n.batch, a.pid, (extract(epoch FROM a.backend_start) * 1000000)::bigint, "
        "(a.state LIKE 'idle%')::int FROM nodes n, pg_locks l JOIN pg_stat_activity a "
        "ON a.pid = l.pid WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 "
        "AND l.classid = ($1 >> 32)::oid AND l.objid = ($1 & 4294967295)::oid AND l.database = "
        "(SELECT oid FROM pg_database WHERE datname = current_database())";
    enum { EPOCH, BATCH, PID, START_US, IDLE, COLUMNS };
    int64_t seen[COLUMNS] = {0};
    bool found = false;
    struct err err =
        pg_link_numbers(link, sql, ARGS(pg_schema_lock_key(oid)), seen, COLUMNS, &found);
    *ret_seen = PG_VIGIL_ALIVE;
    if (err_failed(err) || !found || seen[IDLE] == 0) {
        pg_vigil_reset(vigil);
        return err;
    }
    bool same = vigil->looks > 0 && vigil->epoch == seen[EPOCH] && vigil->batch == seen[BATCH] &&
                vigil->backend.pid == seen[PID] && vigil->backend.start_us == seen[START_US];
    if (!same) {
        *vigil = (struct pg_vigil){.epoch = seen[EPOCH],
                                   .batch = seen[BATCH],
                                   .backend = {.pid = seen[PID], .start_us = seen[START_US]},
                                   .looks = 1};
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
