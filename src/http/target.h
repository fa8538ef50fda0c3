/* target.h: takes the target of a request line apart, and reads its query by the route's table.
 *
 * Promise    what comes out is unambiguous: no dot segment, no empty segment but a last one, no
 *            encoded slash, backslash or NUL, and valid UTF-8 after decoding. A path means the same
 *            to us as to any proxy in front of us, or it is refused. Every value of a query is
 *            within its bounds; a parameter that is not in the table, or comes twice, is refused by
 *            name. Flags are 0 or 1.
 * Ownership  results point into the raw bytes or into `scratch`, and live as long as both.
 * Threads    any; pure.
 * Failure    ERR_BAD_REQUEST for a target or path, ERR_BAD_QUERY for the query; `why` says what.
 */
#ifndef DROVER_HTTP_TARGET_H
#define DROVER_HTTP_TARGET_H

#include "base/base.h"
#include "base/err.h"
#include "http/http.h"

enum { TARGET_SEGMENTS_MAX = 16, TARGET_PAIRS_MAX = 32 };

struct target_pair {
    struct bytes name, value;
};

struct target {
    struct bytes authority; /* Of an absolute-form target; data NULL: none. */
    struct bytes path;      /* As sent, from the first slash, without the query. */
    bool asterisk;          /* "*": no segments. */
    unsigned segment_count, pair_count;
    struct bytes segments[TARGET_SEGMENTS_MAX]; /* Decoded. "/" has none, "/a/" has "a" and "". */
    struct target_pair pairs[TARGET_PAIRS_MAX]; /* Decoded, in order. */
};

/* `scratch` has room for raw.len bytes. Of a failed parse *ret_target may not be read. */
MUST_CHECK struct err target_parse(struct bytes raw, char *scratch, struct target *ret_target,
                                   struct why *why);

struct query_value {
    bool given;
    int64_t number; /* INT, FLAG: the default when not given. */
    struct bytes text;
};
MUST_CHECK struct err query_read(const struct query_param *table, const struct target *target,
                                 struct query_value ret_values[QUERY_PARAMS_MAX], struct why *why);

/* --- The router ------------------------------------------------------------------------------- */

/* From a path to the routes that live there. A literal segment wins over a parameter. Paths that
 * differ only in a trailing slash are different. HEAD is answered by GET, OPTIONS by the router's
 * list. The router owns its rows; routes and their contexts are borrowed for its life. A table that
 * contradicts itself is our own bug, asserted. */
enum { ROUTE_METHODS_MAX = 6, ALLOW_SIZE = 64 };

struct router_entry {
    const struct route *route;
    void *ctx;
    void (*handle)(struct exchange *exchange, void *ctx);
};

/* A path and all that can be done there. */
struct router_row {
    unsigned segment_count, entry_count;
    struct bytes segments[TARGET_SEGMENTS_MAX]; /* data NULL: a parameter. */
    struct router_entry entries[ROUTE_METHODS_MAX];
};

/* Zeroed before the first route. */
struct router {
    struct router_row *rows; /* Owned. */
    size_t count;
    struct router_row fallback; /* Answers other paths; without entries: none. */
};

void router_done(struct router *router);
void router_add(struct router *router, const struct router_entry *entry);

/* NULL when there is nothing by that path: not even the fallback, which a path below the first
 * segment of a row never has, since what is missing in the API is not a page.
 * ret_params: the parameters' segments, in order. */
const struct router_row *router_match(const struct router *router, const struct target *target,
                                      struct bytes ret_params[PATH_PARAMS_MAX]);
const struct router_entry *router_entry_find(const struct router_row *row, struct bytes method);
/* "GET, HEAD, OPTIONS" */
void router_allow(const struct router_row *row, char ret_allow[ALLOW_SIZE]);

#endif
