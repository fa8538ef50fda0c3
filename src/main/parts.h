/* parts.h: the features that a dispatcher carries beside the flights of jobs. Each list ends with
 * NULL. */
#ifndef DROVER_MAIN_PARTS_H
#define DROVER_MAIN_PARTS_H

#include "dispatch/job/dispatch.h"

extern const struct dispatch_part *const leader_parts[];
extern const struct dispatch_part *const guest_parts[]; /* For a standby. */

#endif
