/* memory.h: /api/v1/memory: what agents remember, for people to look at and take away.
 *
 * Ownership  everything in struct memories is borrowed for the server's life.
 * Threads    the loop.
 */
#ifndef DROVER_API_MEMORY_MEMORY_H
#define DROVER_API_MEMORY_MEMORY_H

#include "http/server.h"
#include "loop/loop.h"
#include "store/store.h"

struct memories {
    struct loop *loop;
    struct store *store;
};
struct route_table memory_table(struct memories *memories);

#endif
