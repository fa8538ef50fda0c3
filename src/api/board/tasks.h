/* tasks.h: /api/v1/projects/{project}/tasks, and what agents call at /api/projects/{project}/tasks.
 *
 * Threads    the loop, and the store's for bodies.
 */
#ifndef DROVER_API_BOARD_TASKS_H
#define DROVER_API_BOARD_TASKS_H

#include "api/base/resource.h"

struct musts;
struct tasks_api {
    struct request_host host; /* First. */
    struct musts *musts;      /* Borrowed. */
};
extern const struct resource_handlers task_handlers; /* The list. */
extern const struct route task_routes[];             /* The host is a struct tasks_api. */
extern const struct route task_changes_routes[];     /* The host is a struct changes_api. */

#endif
