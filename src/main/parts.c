/* parts.c: see parts.h. */
#include "main/parts.h"

#include "dispatch/host/parts.h"
#include "dispatch/run/budget_days.h"
#include "dispatch/run/retention.h"
#include "dispatch/workflow/workflows.h"

const struct dispatch_part *const leader_parts[] = {
    &host_watch_part, &reports_part,          &orphans_part,     &retention_part,
    &removals_part,   &script_retention_part, &budget_days_part, NULL};

const struct dispatch_part *const guest_parts[] = {&host_watch_part, &removals_part, &orphans_part,
                                                   &guest_part, NULL};
