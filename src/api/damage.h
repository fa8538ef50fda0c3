/* damage.h: rows that are damaged, for whoever keeps the daemon: GET /api/v1/damage. Its route
 * stands in the table of system.c.
 *
 * Ownership  `info` is a struct system_info, borrowed for the life of the server.
 * Threads    the loop.
 */
#ifndef DROVER_API_DAMAGE_H
#define DROVER_API_DAMAGE_H

#include "api/system.h"

extern const struct query_param damage_query[];
extern const char damage_answer[]; /* Schema. */
void damage_list(struct exchange *exchange, void *info);

#endif
