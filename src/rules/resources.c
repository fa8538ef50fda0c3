/* resources.c: the table of resources. */
#include "rules/resources.h"

#include "rules/agent/resource.h"
#include "rules/board/task.h"
#include "rules/inbox/inbox.h"
#include "rules/job/terminal.h"
#include "rules/mail/mail.h"
#include "rules/memory/memory.h"
#include "rules/project/project.h"
#include "rules/provider/provider.h"
#include "rules/token/token.h"
#include "rules/tree/tree.h"

const struct resource *const resources[] = {
    &agent_resource,        &delivery_resource,     &mail_resource,
    &memory_resource,       &project_resource,      &provider_resource,
    &task_attempt_resource, &task_comment_resource, &task_output_resource,
    &task_resource,         &task_review_resource,  &terminal_resource,
    &token_resource,        &tree_resource,         NULL,
};
