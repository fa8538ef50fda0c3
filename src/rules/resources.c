/* resources.c: the table of resources. */
#include "rules/resources.h"

#include "rules/memory/memory.h"
#include "rules/project/project.h"

const struct resource *const resources[] = {
    &memory_resource,
    &project_resource,
    NULL,
};
