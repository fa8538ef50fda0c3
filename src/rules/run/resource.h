/* resource.h: the descriptor of runs, and the groups of their columns that are written together. A
 * new run has the defaults of columns that are not inserted. Threads: any; constant. */
#ifndef DROVER_RULES_RUN_RESOURCE_H
#define DROVER_RULES_RUN_RESOURCE_H

#include "base/resource/resource.h"

enum run_columns {
    RUN_PROGRESS = FIELD_SET,    /* Written by runs__write. */
    RUN_BUDGET = FIELD_SET << 1, /* Written by budget__write_run. */
    RUN_ENDED = FIELD_SET << 2,  /* Inserted with a step that has ended (workflow/steps.c). */
};
extern const struct resource run_resource; /* Rows: struct run_row. */

#endif
