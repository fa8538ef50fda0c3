/* toolbox.h: what catalogue.c and call.c know of each other. */
#ifndef DROVER_TOOL_TOOLBOX_H
#define DROVER_TOOL_TOOLBOX_H

#include "tool/tool.h"

const struct json_schema *toolbox__schema(const struct toolbox *toolbox, enum tool_id id);

#endif
