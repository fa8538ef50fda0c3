/* router.h: from a path to the routes that live there.
 *
 * Promise    a literal segment wins over a parameter. Paths that differ only in a trailing slash
 *            are different. HEAD is answered by GET, OPTIONS by the router's list.
 * Ownership  the router owns its rows; routes and their contexts are borrowed for its life.
 * Threads    one at a time; matching writes nothing.
 * Failure    a table that contradicts itself is our own bug, asserted.
 */
#ifndef DROVER_HTTP_ROUTER_H
#define DROVER_HTTP_ROUTER_H

#include "base/base.h"
#include "http/http.h"
#include "http/target.h"

enum { ROUTE_METHODS_MAX = 6, ALLOW_SIZE = 64 };

struct router_entry {
    const struct route *route;
    void *ctx;
    void (*handle)(struct exchange *exchange, void *ctx);
};

/* One path and all that can be done there. */
struct router_row {
    unsigned segment_count, entry_count;
    struct bytes segments[TARGET_SEGMENTS_MAX]; /* data NULL: a parameter. */
    struct router_entry entries[ROUTE_METHODS_MAX];
};

/* Zeroed before the first route. */
struct router {
    struct router_row *rows; /* Owned. */
    size_t count;
};

void router_done(struct router *router);
void router_add(struct router *router, const struct router_entry *entry);

/* NULL when there is nothing by that path. ret_params: the parameters' segments, in order. */
const struct router_row *router_match(const struct router *router, const struct target *target,
                                      struct bytes ret_params[PATH_PARAMS_MAX]);
const struct router_entry *router_entry_find(const struct router_row *row, struct bytes method);
/* "GET, HEAD, OPTIONS" */
void router_allow(const struct router_row *row, char ret_allow[ALLOW_SIZE]);

#endif
