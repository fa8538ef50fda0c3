/* flows.h: the routes of flows.
 *
 *   GET    /api/v1/flows                   all of them, those that are broken or shadowed too
 *   GET    /api/v1/flows/{name}            one, with its source
 *   POST   /api/v1/flows/check             its steps, and what is wrong with them; nothing begins
 *   POST   /api/v1/flows                   a run of one: by its name, its path, or its text; or
 *                                          from a run that has ended, with results of its steps
 *   POST   /api/v1/flows/{name}/runs       a run of the one of that name
 *   GET    /api/v1/runs/{id}/flow          the steps of a run
 *
 * All else of a run is as for the others: show, stop, remove, events, approvals.
 *
 * Ownership  everything in struct flows_api is borrowed for the server's life.
 * Threads    the loop; files are read in the pool.
 */
#ifndef DROVER_API_FLOW_FLOWS_H
#define DROVER_API_FLOW_FLOWS_H

#include "api/base/request.h"
#include "dispatch/flow/flows.h"
#include "http/http.h"
#include "script/catalog.h"

struct flows_api {
    struct request_host host; /* First. */
    struct flows *flows;
    struct workflows *workflows;  /* Judges the files of a list. */
    struct catalog_search search; /* Without the root. */
};
extern const struct route flows_routes[];

#endif
