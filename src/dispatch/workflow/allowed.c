/* allowed.c: workflows that a model may start, itself or by workflow() in a script.
 *
 * Files are those of its project, and those that drover has saved: no others, neither in the call
 * of the tool nor by workflow({scriptPath}), or a model could have any file read that the daemon
 * can. A path has to be plain, so that what rules say of it is said of that file.
 *
 * A model that may not start a workflow must not have a script do it either: a rule of the session
 * that denies its name, or its path, holds for both. Rules that ask, or have somebody look, are
 * about what the model calls: nobody sits before a script who could answer. */
#include "dispatch/turn/tool_settings.h"
#include "dispatch/workflow/flow.h"
#include "dispatch/workflow/start.h"

/* No segment is empty, "." or "..". */
static bool path_is_plain(const char *path) {
    for (const char *at = path;; at++) {
        size_t len = strcspn(at, "/");
        if (len == 0 || (len <= 2 && strspn(at, ".") >= len)) {
            return false;
        }
        at += len;
        if (*at == '\0') {
            return true;
        }
    }
}

bool flow_path_is_own(const struct flows *flows, const char *root, const char **path) {
    static const char saved[] = "/scripts/";
    const char *data_dir = flows->options.data_dir;
    size_t root_len = strlen(root), data_len = strlen(data_dir);
    if ((*path)[0] != '/') {
        return path_is_plain(*path);
    }
    if (root_len > 0 && strncmp(*path, root, root_len) == 0 && (*path)[root_len] == '/') {
        *path += root_len + 1;
        return path_is_plain(*path);
    }
    if (strncmp(*path, data_dir, data_len) != 0 ||
        strncmp(*path + data_len, saved, sizeof saved - 1) != 0) {
        return false;
    }
    const char *name = *path + data_len + sizeof saved - 1;
    return path_is_plain(name) && strchr(name, '/') == NULL;
}

bool flow_may_run(const json_t *settings, const char *name) {
    AUTO(toolplace_close) struct toolplace place = {0};
    const struct tool *tool = tool_get(TOOL_RUN_WORKFLOW);
    const struct bytes subject = bytes_of(name);
    toolplace_read_rules(&place, settings);
    const struct permission_question question = {.tool = bytes_of(tool->name),
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
