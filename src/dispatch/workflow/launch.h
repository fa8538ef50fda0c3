/* launch.h: run_workflow, as turns call it (dispatch/turn/row_tools.h has the promise). */
#ifndef DROVER_DISPATCH_WORKFLOW_LAUNCH_H
#define DROVER_DISPATCH_WORKFLOW_LAUNCH_H

#include "dispatch/turn/row_tools.h"

extern const struct workflow_tool workflow_tool;

#endif
