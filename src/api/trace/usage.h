/* usage.h: what models took, over HTTP.
 *
 *   GET /api/v1/usage                 by day, model, agent, session, project or category
 *   GET /api/v1/sessions/{id}/usage   the same of one session
 *
 * Ownership  everything in struct usages is borrowed for the server's life.
 * Threads    the loop.
 */
#ifndef DROVER_API_TRACE_USAGE_H
#define DROVER_API_TRACE_USAGE_H

#include "base/base.h"
#include "http/server.h"
#include "loop/loop.h"
#include "store/store.h"

struct usages {
    struct loop *loop;
    struct store *store;
};
struct route_table usage_table(struct usages *usages);

#endif
