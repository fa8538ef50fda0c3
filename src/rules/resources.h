/* resources.h: all resources (base/resource/resource.h). Threads: any; constant. */
#ifndef DROVER_RULES_RESOURCES_H
#define DROVER_RULES_RESOURCES_H

#include "base/resource/resource.h"

extern const struct resource *const resources[]; /* NULL ends them. */

#endif
