/* offline.c: see look.h. */
#include "store/offline.h"

#include "base/memory.h"
#include "store/call.h"
#include "store/driver.h"
#include "store/reader.h"

struct store_look {
    const struct driver *driver;
    struct conn *conn; /* Owned. */
    struct reader reader;
};

static struct err schema_check(const struct driver *driver, struct conn *conn, struct why *why) {
    struct schema schema = {.version = 0};
    struct err err = driver->schema(conn, &schema);
    if (!err_failed(err) &&
        (schema.series != SCHEMA_SERIES || schema.version != store__schema_known())) {
        why_set(why, "schema %lld is not that of this drover (%lld)", (long long)schema.version,
                (long long)store__schema_known());
        err = err_make(ERR_CONFLICT, "look: schema");
    }
    return err;
}

struct err store_look_open(const char *where, const struct world *world,
                           struct store_look **ret_look, struct why *why) {
    const struct driver *driver = driver_for(where);
    struct conn *conn = NULL;
    if (driver->look == NULL) {
        return err_why(why, ERR_CONFLICT, "only a daemon reads the rows of a PostgreSQL database");
    }
    struct err err = driver->look(where, &conn, why);
    if (!err_failed(err)) {
        err = schema_check(driver, conn, why);
    }
    if (err_failed(err)) {
        driver->disconnect(conn);
        return err;
    }
    struct store_look *look = mem_new(sizeof *look);
    look->driver = driver;
    look->conn = conn;
    reader_init(&look->reader, conn, world, 0 /* no daemon's epoch */);
    *ret_look = look;
    return ERR_OK;
}

struct err store_look_read(struct store_look *look, store_fn fn, void *ctx) {
    struct call call = {.fn = fn, .ctx = ctx};
    reader_run(&look->reader, &call);
    return call.result;
}

void store_look_close(struct store_look *look) {
    if (look == NULL) {
        return;
    }
    reader_done(&look->reader);
    look->driver->disconnect(look->conn);
    mem_free(look);
}
