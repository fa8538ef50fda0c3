/* usage.h: what models took, over HTTP.
 *
 *   GET /api/v1/usage                 by day, model, agent, session, project or category
 *   GET /api/v1/sessions/{id}/usage   the same of one session
 *
 * Ownership  everything in the host is borrowed for the server's life.
 * Threads    the loop.
 */
#ifndef DROVER_API_TRACE_USAGE_H
#define DROVER_API_TRACE_USAGE_H

#include "api/base/request.h"

extern const struct route usage_routes[];

#endif
