/* driver.c: the database that serves a place. */
#include "store/driver.h"

static const struct driver *const drivers[] = {&driver_postgres, &driver_sqlite};

const struct driver *driver_for(const char *where) {
    assert(where != NULL);
    for (size_t i = 0; i < COUNT_OF(drivers); i++) {
        if (drivers[i]->serves(where)) {
            return drivers[i];
        }
    }
    return &driver_sqlite;
}
