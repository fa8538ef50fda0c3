/* progress.h: tells followers of owner:NAME and project:NAME how far a workflow is.
 *
 * Promise    a frame run_progress {"id","progress","at_ms"} (hub_say) when the figures of a
 *            workflow have changed, at most once a second of each workflow; the last one says how
 *            it ended. Where nobody follows, nothing is read.
 * Threads    the loop.
 */
#ifndef DROVER_DISPATCH_WORKFLOW_PROGRESS_H
#define DROVER_DISPATCH_WORKFLOW_PROGRESS_H

#include "base/base.h"
#include "journal/hub.h"
#include "loop/loop.h"
#include "store/store.h"

struct progress_board;
struct progress_board *progress_open(struct loop *loop, struct store *store, struct hub *hub);
struct progress_of {
    int64_t workflow;
    struct bytes owner, project;
};
/* A change of the workflow or of a step. `board` NULL: it does nothing. */
void progress_mark(struct progress_board *board, const struct progress_of *of);
void progress_stop(struct progress_board *board);
void progress_close(struct progress_board *board); /* After store_close. NULL: fine. */

#endif
