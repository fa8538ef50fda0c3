/* projects.h: /api/v1/projects: what its resource (rules/project/resource.c) does not say.
 *
 * Threads    the loop, and the store's for bodies.
 */
#ifndef DROVER_API_PROJECT_PROJECTS_H
#define DROVER_API_PROJECT_PROJECTS_H

#include "api/base/resource.h"

extern const struct resource_handlers project_handlers;

#endif
