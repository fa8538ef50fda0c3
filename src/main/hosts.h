/* hosts.h: the hosts that share a database, as this daemon takes part in them.
 *
 * Threads    the loop.
 */
#ifndef DROVER_MAIN_HOSTS_H
#define DROVER_MAIN_HOSTS_H

#include "base/text.h"
#include "dispatch/job/dispatch.h"

/* HOSTNAME:DATA, for people; owned by the caller. */
char *hosts_name(const char *data_dir);
/* In the words of /metrics. */
void hosts_metrics(const struct dispatch *dispatch, struct text *text);

#endif
