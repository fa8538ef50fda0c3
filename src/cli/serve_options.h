/* serve_options.h: what `drover serve` asks of the daemon.
 *
 * The command reads settings; the daemon itself (main/daemon.h) stands above, where API and CLI
 * meet, and is handed to cli_main.
 *
 * Ownership  everything in it is borrowed until the daemon has stopped.
 * Threads    the main thread.
 */
#ifndef DROVER_CLI_SERVE_OPTIONS_H
#define DROVER_CLI_SERVE_OPTIONS_H

#include "base/base.h"
#include "base/err.h"
#include "base/log.h"
#include "cli/listen.h"
#include "http/server.h"
#include "loop/world.h"

struct serve_options {
    const char *data;             /* The data directory. */
    const char *database;         /* "postgres://…"; NULL: SQLite in `data`. */
    struct listen_address listen; /* Beside the socket in `data`. */
    bool insecure_loopback;
    unsigned drain_ms;
    struct http_limits limits;
    const char *const *allowed_hosts, *const *allowed_origins; /* NULL: none. */
    const struct world *world;
    struct log *log;
    /* `url` is where it is reached. */
    void (*ready)(void *ctx, const char *url, size_t tokens);
    void *ctx;
};

#endif
