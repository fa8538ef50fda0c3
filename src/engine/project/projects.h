/* projects.h: uses of a project, beside what every resource has (engine/base/resource.h).
 *
 * Threads    inside a store function.
 */
#ifndef DROVER_ENGINE_PROJECT_PROJECTS_H
#define DROVER_ENGINE_PROJECT_PROJECTS_H

#include "base/base.h"
#include "engine/base/resource.h"
#include "rules/project/project.h"

/* A session, run or budget uses the name: the row is there afterwards. A name that is not valid,
 * or one too many, has none, and stops nobody. ret_project: may be NULL; texts in the arena. */
void tx_project_use(struct tx *tx, struct bytes owner, struct bytes name,
                    struct project *ret_project);

/* Name of the project that the folder is the root of, which is made where there is none, under the
 * first name of project_name_of that is free. The default project: there are PROJECT_ROWS_MAX
 * others, or no such name is free. */
MUST_CHECK struct bytes tx_project_of(struct tx *tx, struct bytes owner, struct bytes folder);

/* Settings of the project, JSON as project_settings_write has it; "": none, no such project, or
 * one that takes no rules. In the arena. */
struct bytes tx_project_settings(struct tx *tx, struct bytes owner, struct bytes name);

/* Hook of the resource. ERR_CONFLICT: a run of it has not ended. */
MUST_CHECK struct err projects__removing(struct tx *tx, const struct resource_key *key,
                                         struct why *why);

#endif
