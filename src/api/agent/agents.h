/* agents.h: /api/v1/agents: programs that are agents, as they are defined and found.
 *
 * Ownership  everything in struct agents_api is borrowed for the server's life.
 * Threads    the loop; files are read in the pool.
 */
#ifndef DROVER_API_AGENT_AGENTS_H
#define DROVER_API_AGENT_AGENTS_H

#include "api/base/request.h"

struct agents_api {
    struct request_host host; /* First. */
    const char *home;         /* The user's folder; NULL: none. */
};
struct route_table agents_table(struct agents_api *api);

#endif
