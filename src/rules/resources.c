/* resources.c: the table of resources. */
#include "rules/resources.h"

#include "rules/memory/memory.h"

const struct resource *const resources[] = {
    &memory_resource,
    NULL,
};
