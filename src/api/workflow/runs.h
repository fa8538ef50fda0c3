/* runs.h: workflows over HTTP: those that run, and which there are.
 *
 *   POST   /api/v1/workflows               start one: its script, its name, or its path
 *   POST   /api/v1/workflows/{name}/runs   start the one of that name
 *   POST   /api/v1/scripts/plan            what one would do, and nothing begins
 *   GET    /api/v1/runs/{id}/agents        the agents of one
 *   GET    /api/v1/runs/{id}/limits        what they wait for
 *   GET    /api/v1/runs/{id}/script        the script that the run has, or one within it
 *   GET    /api/v1/runs/{id}/export        all of a run of any kind, as one document
 *   POST   /api/v1/runs/{id}/skip          one of them is skipped,
 *   POST   /api/v1/runs/{id}/restart       or asked anew
 *   POST   /api/v1/runs/{id}/retry         a run of any kind that ended badly begins again
 *   POST   /api/v1/runs/{id}/pause         no agent of it begins any more,
 *   POST   /api/v1/runs/{id}/resume        until it goes on
 *
 *   GET    /api/v1/workflows               all of them, those that are broken or shadowed too
 *   GET    /api/v1/workflows/{name}        one, with its source
 *   POST   /api/v1/scripts/check           what is wrong with a script
 *
 * All else of a run is as for the others: show, stop, remove, events.
 *
 * Ownership  everything in struct workflow_runs_api is borrowed for the server's life.
 * Threads    the loop; files are read, and scripts judged, in the pool.
 */
#ifndef DROVER_API_WORKFLOW_RUNS_H
#define DROVER_API_WORKFLOW_RUNS_H

#include "api/base/page.h"
#include "base/base.h"
#include "dispatch/job/dispatch.h"
#include "dispatch/workflow/workflows.h"
#include "http/http.h"
#include "http/server.h"
#include "script/catalog.h"

struct flows;
struct workflow_runs_api {
    struct request_host host; /* First. */
    struct workflows *workflows;
    struct flows *flows;          /* For a retry. */
    struct catalog_search search; /* Without the root. */
};
extern const struct route workflow_runs_routes[], workflows_routes[];

/* --- Shared inside api/ ---------------------------------------------------------------------- */

extern const struct request_kind workflows__export, workflows__retry, workflows__script;

#endif
