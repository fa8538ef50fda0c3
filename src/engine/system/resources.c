/* resources.c: additions of features to the rows of resources: see engine/base/resource.h. */
#include "engine/base/resource.h"
#include "engine/board/board.h"
#include "engine/mail/mail.h"
#include "engine/memory/memory.h"
#include "engine/project/projects.h"
#include "engine/provider/providers.h"

const struct resource_hooks resource_hooks[] = {
    {.resource = &delivery_resource, .changed = mail__delivery_changed},
    {.resource = &mail_resource, .removing = mail__removing},
    {.resource = &memory_resource, .write = memory__write},
    {.resource = &project_resource,
     .removing = projects__removing,
     .changed = board__on_project_change},
    {.resource = &provider_resource, .changed = provider__changed},
    {.resource = NULL},
};
