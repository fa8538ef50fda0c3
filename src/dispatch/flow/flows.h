/* flows.h: performs flows: asks the worker of a file, begins the children of steps, and tells the
 * rows of both.
 *
 * Promise    what is to be done is read from the rows alone (tx_flow_look): after a restart, and
 *            after each change. Nothing here is truth. What a function came to is stored before
 *            anything follows from it.
 * Ownership  what the options point to is borrowed for life.
 * Threads    the loop; agents and files are looked up in the pool.
 */
#ifndef DROVER_DISPATCH_FLOW_FLOWS_H
#define DROVER_DISPATCH_FLOW_FLOWS_H

#include "dispatch/base/room.h"
#include "dispatch/job/dispatch.h"
#include "dispatch/provider/connections.h"
#include "dispatch/workflow/workflows.h"
#include "engine/flow/flows.h"
#include "script/script.h"

struct agent_rows;
struct flows_options {
    struct room_options room;
    struct connections *connections;
    struct dispatch *dispatch;
    struct workflows *workflows;
    struct scripts *scripts;      /* Workers of the present build of the engine. */
    struct catalog_search search; /* For files that are named; the root is the run's. */
    struct agent_rows *agents;
    const struct spool *spool; /* Output of commands. */
    int64_t cpu_ms, memory_mb; /* For a function. */
    int64_t workers_max;       /* As of struct workflows_limits. */
    int64_t at_once;           /* Steps of one flow at once; 0: as rules/flow/flow.h has it. */
    int64_t step_timeout_ms;   /* As of struct flow_new. */
    const char *data_dir;      /* Never written to by a flow, */
    unsigned umask;            /* and the umask of files that are. */
    struct run_bounds bounds;
};
struct flows;
struct flows *flows_open(const struct flows_options *options);
/* As a performer (dispatch/base/performer.h). */
void flows_run_note(void *flows, const struct run_row *row);
void flows_stop(void *flows, void (*stopped)(void *ctx), void *ctx);
void flows_close(struct flows *flows); /* NULL is allowed. */

#endif
