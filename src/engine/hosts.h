/* hosts.h: the places whose daemons share a database on a server.
 *
 * Why        a daemon looks after the processes of its own data directory in every role, so a run
 *            belongs to a host, whoever leads. A host that says nothing any more is seen here.
 * Promise    each daemon writes its own row at its start and each HOST_SEEN_MS. There is one
 *            leader: its row makes the others standbys.
 * Threads    inside a store function.
 * Failure    as store.h.
 */
#ifndef DROVER_ENGINE_HOSTS_H
#define DROVER_ENGINE_HOSTS_H

#include "base/base.h"
#include "base/err.h"
#include "engine/runs.h"
#include "store/store.h"

enum {
    HOST_SEEN_MS = 10 * 1000, /* Between two signs of life. */
};

enum host_role { HOST_STANDBY, HOST_LEADER };

struct host_row {
    int64_t id;
    struct bytes place; /* As of home.h. */
    struct bytes name;  /* For people: HOSTNAME:DATA. */
    struct bytes version;
    enum host_role role;
    int64_t made_ms, seen_ms;
    int64_t runs; /* Jobs of it that have not ended. */
};

/* A sign of life: place, name, version and role of `host` count. */
MUST_CHECK struct err tx_host_seen(struct tx *tx, const struct host_row *host);
/* By place or name. Texts live in the transaction's arena. */
MUST_CHECK struct err tx_host_find(struct tx *tx, struct bytes word, bool *ret_found,
                                   struct host_row *ret_host);
/* In the order of ids above `after`. */
struct host_page {
    int64_t after, limit;
};
MUST_CHECK struct err tx_host_each(struct tx *tx, const struct host_page *page,
                                   struct err (*each)(void *ctx, const struct host_row *host),
                                   void *ctx);

#endif
