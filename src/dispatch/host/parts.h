/* parts.h: the work of a dispatcher for the hosts that share its database.
 *
 *   host_watch   signs of life, of this host and of the others
 *   reports      takes the ends that other hosts report: of the leader
 *   guest        follows the commands of a host that does not lead: of a standby
 *   orphans      ends what lives here of attempts that were given up
 *
 * Threads      the loop.
 */
#ifndef DROVER_DISPATCH_HOST_PARTS_H
#define DROVER_DISPATCH_HOST_PARTS_H

#include "dispatch/job/dispatch.h"

extern const struct dispatch_part host_watch_part, reports_part, guest_part, orphans_part;

/* Time without a sign of life of another host, counted in looks at the database; -1: not known. */
int64_t host_watch_quiet_ms(const struct dispatch *dispatch, struct bytes place);

#endif
