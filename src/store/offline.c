/* offline.c: see offline.h. */
#include "store/offline.h"

#include "base/memory.h"
#include "store/driver.h"
#include "store/tx.h"

struct store_look {
    struct conn *conn; /* Owned. */
    struct tx tx;
};

struct err store_look_open(const char *where, const struct world *world,
                           struct store_look **ret_look, struct why *why) {
    const struct driver *driver = driver_for(where);
    struct conn *conn = NULL;
    struct schema schema = {.version = 0};
    if (driver->look == NULL) {
        return err_why(why, ERR_CONFLICT,
                       "only a daemon can read the rows of a PostgreSQL database");
    }
    struct err err = driver->look(where, &conn, why);
    err = err_failed(err) ? err : driver->schema(conn, &schema);
    if (!err_failed(err)) {
        err = store__schema_refuse(&schema, "The database", NULL /* the doctor names it */, why);
    }
    if (!err_failed(err) && schema.version < store__schema_known()) {
        err = err_why(why, ERR_CONFLICT,
                      "the database has schema %lld, and this drover reads %lld: the daemon "
                      "migrates it when it starts",
                      (long long)schema.version, (long long)store__schema_known());
    }
    if (err_failed(err)) {
        driver->disconnect(conn);
        return err;
    }
    struct store_look *look = mem_new(sizeof *look);
    look->conn = conn;
    tx_init(&look->tx, conn, world, 0 /* no daemon's epoch */);
    *ret_look = look;
    return ERR_OK;
}

struct err store_look_read(struct store_look *look, store_fn fn, void *ctx) {
    struct call call = {.fn = fn, .ctx = ctx};
    tx_read(&look->tx, &call);
    return call.result;
}

void store_look_close(struct store_look *look) {
    if (look != NULL) {
        tx_done(&look->tx);
        look->conn->driver->disconnect(look->conn);
        mem_free(look);
    }
}
