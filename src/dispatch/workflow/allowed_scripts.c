/* allowed_scripts.c: what a script that a model started may run by workflow().
 *
 * Who may not start a workflow has no script do it either: a rule of the session that denies its
 * name, or its path, holds for both. Rules that ask, or have somebody look, are about what the
 * model calls: before a script nobody sits who could answer. */
#include <string.h>

#include "dispatch/turn/tool_settings.h"
#include "dispatch/workflow/start.h"

bool flow_may_run(const json_t *settings, const char *name) {
    AUTO(toolplace_close) struct toolplace place = {0};
    const struct tool *tool = tool_get(TOOL_RUN_WORKFLOW);
    const struct bytes subject = bytes_of(name);
    toolplace_read_rules(&place, settings);
    const struct permission_question question = {.tool = {tool->name, strlen(tool->name)},
                                                 .kind = tool->subject,
                                                 .subjects = &subject,
                                                 .subject_count = 1,
                                                 .otherwise = tool->permission};
    return permission_judge(&place.rules, &question).permission != PERMISSION_DENY;
}

bool flow_may_run_found(const struct flows *flows, const json_t *settings, const char *root,
                        const struct catalog_entry *entry) {
    const char *path = entry->file;
    const bool own = flow_path_is_own(flows, root, &path);
    return flow_may_run(settings, entry->name) && (!own || flow_may_run(settings, path));
}
