/* system.h: who answers here, and whom it sees: GET /api/v1/version.
 *
 * Ownership  everything in struct system_info is borrowed for the server's life.
 * Threads    the loop.
 */
#ifndef DROVER_API_SYSTEM_SYSTEM_H
#define DROVER_API_SYSTEM_SYSTEM_H

#include "api/base/request.h"
#include "dispatch/job/dispatch.h"
#include "http/server.h"
#include "store/store.h"

struct system_info {
    struct request_host host; /* First. */
    const char *version;
    const char *database;  /* "sqlite" or "postgres". */
    const char *on_demand; /* Command that started the daemon; NULL: none did. */
    int64_t started_ms;    /* By the wall clock. */
    int64_t jobs_max;      /* As the limit of open files allows, like the next. */
    size_t connections_max;
    const char *data;  /* Data directory. */
    const char *where; /* The database, as store_backup takes it. */
    bool backup_runs;  /* Backups are made one at a time. */
};

extern const struct route system_routes[];
extern const struct route names_routes[];  /* names.c: GET /api/v1/names */
extern const struct route log_routes[];    /* log.c: GET /api/v1/system/log */
extern const struct route backup_routes[]; /* backup.c: /api/v1/system/backup */

/* overview.c: GET /api/v1/overview, GET /api/v1/waiting, POST /api/v1/seen */
extern const struct route overview_routes[];

#endif
