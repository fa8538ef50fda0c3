/* workflows.h: which workflows there are, over HTTP.
 *
 *   GET  /api/v1/workflows          all of them, those that are broken or shadowed too
 *   GET  /api/v1/workflows/{name}   one, with its source
 *   POST /api/v1/scripts/check      what is wrong with a script
 *
 * Those that run are runs.h's.
 *
 * Ownership  everything in struct workflow_runs_api is borrowed for the server's life.
 * Threads    the loop; files are read, and scripts judged, in the pool.
 */
#ifndef DROVER_API_WORKFLOW_WORKFLOWS_H
#define DROVER_API_WORKFLOW_WORKFLOWS_H

#include "api/workflow/runs.h"
#include "http/server.h"

struct route_table workflows_table(struct workflow_runs_api *api);

#endif
