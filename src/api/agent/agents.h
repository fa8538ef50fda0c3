/* agents.h: /api/v1/agents: agents, as they are defined and found; storing the definition of one.
 *
 * Ownership  everything in struct agents_api is borrowed for the server's life.
 * Threads    the loop; files are read in the pool.
 */
#ifndef DROVER_API_AGENT_AGENTS_H
#define DROVER_API_AGENT_AGENTS_H

#include "api/base/resource.h"

struct agent_rows;
struct agent_versions;
struct spool;
struct agents_api {
    struct request_host host;      /* First. */
    const char *home, *config_dir; /* The user's folder, and Claude Code's; NULL: none. */
    struct agent_rows *rows;
    struct agent_versions *versions;
    const struct spool *spool;
};
extern const struct resource_handlers agent_handlers;
extern const struct route agents_routes[];

#endif
