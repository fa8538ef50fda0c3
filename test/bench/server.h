/* server.h: a daemon that a benchmark starts, and ends, by itself.
 *
 * Threads    one.
 * Failure    a daemon that does not become ready, or does not end well, ends the run.
 */
#ifndef DROVER_BENCH_SERVER_H
#define DROVER_BENCH_SERVER_H

#include <sys/types.h>

#include "wire.h"

struct server {
    pid_t pid;
    int out;
    struct target target;
};
struct server server_start(char **command); /* Until it has answered. */
void server_stop(struct server *server);
void server_kill(struct server *server); /* As a crash would. */

/* The figure of that name on its /metrics. */
int64_t server_metric(const struct server *server, const char *name);

#endif
