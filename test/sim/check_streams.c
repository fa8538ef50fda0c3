/* check_streams.c: followers of the hub, over all lives: whole, no gap, no repeat. */
#include "ops.h"

const struct sim_part part_streams = {.name = "streams"};
