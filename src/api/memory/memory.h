/* memory.h: /api/v1/memory: what agents remember, for people to look at and take away.
 *
 * Ownership  everything in the host is borrowed for the server's life.
 * Threads    the loop.
 */
#ifndef DROVER_API_MEMORY_MEMORY_H
#define DROVER_API_MEMORY_MEMORY_H

#include "api/base/resource.h"

extern const struct resource_handlers memory_handlers;
extern const struct route memory_routes[];

#endif
