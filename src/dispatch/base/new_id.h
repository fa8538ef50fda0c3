/* new_id.h: ids of rows that a transaction will make.
 *
 * Threads    any.
 */
#ifndef DROVER_DISPATCH_BASE_NEW_ID_H
#define DROVER_DISPATCH_BASE_NEW_ID_H

#include "base/id.h"
#include "loop/world.h"

static inline struct id new_id(const struct world *world, const char *prefix) {
    uint8_t random[10];
    world_random(world, random, sizeof random);
    return id_make(prefix, world_wall_ms(world), random);
}

#endif
