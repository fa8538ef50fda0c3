/* flow_rules.c: what a script that a model started may run by workflow().
 *
 * Who may not start a workflow has no script do it either: a rule of the session that denies its
 * name, or its path, holds for both. Rules that ask, or have somebody look, are about what the
 * model calls: before a script nobody sits who could answer. */
#include <string.h>

#include "dispatch/flow.h"
#include "dispatch/toolplace.h"

bool flow__may_run(const struct flow *flow, const char *name) {
    AUTO(toolplace_close) struct toolplace place = {0};
    const json_t *settings = json_object_get(flow->spec, "settings");
    const struct tool *tool = tool_get(TOOL_RUN_WORKFLOW);
    const struct bytes subject = {name, strlen(name)};
    toolplace_read_rules(&place, settings);
    const struct permission_question question = {.tool = {tool->name, strlen(tool->name)},
                                                 .kind = tool->subject,
                                                 .subjects = &subject,
                                                 .subject_count = 1,
                                                 .otherwise = tool->permission};
    return permission_judge(&place.rules, &question).permission != PERMISSION_DENY;
}
