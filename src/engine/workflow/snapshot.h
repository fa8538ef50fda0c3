/* snapshot.h: the state of run:ID of a workflow, for a client that just came.
 *
 *   {"run": {…},          as a list of runs shows it
 *    "workflow": {…}      members of its event workflow_started; null: it was pruned
 *    "lines": […],        the last phase, and the newest log lines, newest first
 *    "agents": […],       as GET /runs/{id}/agents lists them, without results
 *    "agents_more": B,    not all of them have room
 *    "floor", "head"}
 *
 * Promise    at most SNAPSHOT_MAX bytes. A stream of another run has no state.
 * Threads    inside a store function. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_WORKFLOW_SNAPSHOT_H
#define DROVER_ENGINE_WORKFLOW_SNAPSHOT_H

#include "journal/snapshot.h"

extern const struct snapshot_kind workflow_snapshot;

#endif
