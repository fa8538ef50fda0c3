/* script_retention.h: the part of a dispatcher that removes scripts which no run has. */
#ifndef DROVER_DISPATCH_WORKFLOW_SCRIPT_RETENTION_H
#define DROVER_DISPATCH_WORKFLOW_SCRIPT_RETENTION_H

#include "dispatch/job/dispatch.h"

extern const struct dispatch_part script_retention_part;

#endif
