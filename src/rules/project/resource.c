/* resource.c: projects. Order: that of the answer. */
#include "rules/project/project.h"

#include <string.h>

#include "rules/approval/permission.h"
#include "rules/session/given.h"
#include "rules/session/session.h"

#define AT(member) offsetof(struct project, member)

enum { SETTING = FIELD_GIVEN | FIELD_CHANGED | FIELD_SHOWN };

static const struct field rows[] = {
    {ROW_OWNER(AT(owner))},
    {ROW_ONCE("name", FIELD_TEXT, AT(name)), .use = FIELD_GIVEN | FIELD_SHOWN, .required = true,
     .min = 1, .max = SESSION_PROJECT_MAX, FILTER_SEARCH("name or root"),
     FIELD_HEAD("PROJECT", -20)},
    {ROW_EACH("root", FIELD_TEXT, AT(root)), .use = SETTING, .max = PROJECT_ROOT_MAX, .plain = true,
     .empty = FIELD_EMPTY_NULL, .filter = FIELD_SEARCH, FIELD_HEAD("ROOT", FIELD_REST),
     FLAG("root", FLAG_TEXT, "DIR", "Folder of new sessions that name none; \"\": none.")},
    {ROW_EACH("agent", FIELD_TEXT, AT(agent)), .use = SETTING, .max = PROJECT_AGENT_MAX,
     .plain = true, .empty = FIELD_EMPTY_NULL, FIELD_HEAD("AGENT", -12),
     FLAG("agent", FLAG_TEXT, "NAME", "Agent that its tasks are for; \"\": none.")},
    {ROW_EACH("model", FIELD_TEXT, AT(model)), .use = SETTING, .max = PROJECT_MODEL_MAX,
     .plain = true, .empty = FIELD_EMPTY_NULL, FIELD_HEAD("MODEL", -24),
     FLAG("model", FLAG_TEXT, "MODEL",
          "Model of new sessions that name none, as CONNECTION/MODEL.")},
    {FIELD("settings", FIELD_JSON, AT(settings_given)), .use = FIELD_GIVEN | FIELD_CHANGED,
     .schema = "{\"type\":[\"object\",\"null\"]}",
     FLAG("settings", FLAG_TEXT, "JSON",
          "Rules for calls of all its sessions: {\"permissions\",\"edits\",\"folders\"}, "
          "and of its \"worktree\"s; {}: none.")},
    {ROW_EACH("settings", FIELD_STORED, AT(settings)), .use = FIELD_SHOWN,
     .empty = FIELD_EMPTY_NULL},
    {FIELD("board", FIELD_JSON, AT(board_given)), .use = FIELD_GIVEN | FIELD_CHANGED,
     .schema = "{\"type\":[\"object\",\"null\"]}",
     FLAG("board", FLAG_TEXT, "JSON",
          "Agents that work on its tasks: {\"agents\": [{\"name\", \"slots\", \"capabilities\"}], "
          "\"reviewer\", \"hold\", \"worktrees\", \"check_timeout_s\"}; {}: its own agent alone.")},
    {ROW_EACH("board", FIELD_STORED, AT(board)), .use = FIELD_SHOWN, .empty = FIELD_EMPTY_NULL},
    {ROW_EACH("path", FIELD_TEXT, AT(path)), .use = FIELD_KEPT},
    {ROW_MADE(AT(made_ms))},
    {ROW_CHANGED(AT(changed_ms)), FILTER_SINCE("created or changed"), .width = -FIELD_TIME_WIDTH},
};

static struct err project_check(const void *row, struct why *why) {
    const struct project *project = row;
    if (project->root.len > 0 && project->root.data[0] != '/') {
        return err_why(why, ERR_BAD_FIELD, "\"root\" must be an absolute path");
    }
    if (project->model.len > 0 && memchr(project->model.data, '/', project->model.len) == NULL) {
        return err_why(why, ERR_BAD_FIELD, "\"model\" must be CONNECTION/MODEL");
    }
    return ERR_OK;
}

const struct resource project_resource = {
    .name = "project",
    .plural = "projects",
    .path = "/api/v1/projects",
    .table = "projects",
    .key = "name",
    .valid = session_project_valid,
    .naming = "1 to 64 of a-z, 0-9, '_', '.', '-', beginning with a letter or digit",
    .fields = {FIELD_ROWS(rows), .use = FIELD_SHOWN},
    .size = sizeof(struct project),
    .check = project_check,
    .rows_max = PROJECT_ROWS_MAX,
    .routes = {[RESOURCE_LIST] = {.scope = SCOPE_READ, .summary = "List projects, by their names"},
               [RESOURCE_ADD] = {.scope = SCOPE_RUN,
                                 .summary = "Make a project; the first use of a name does, too"},
               [RESOURCE_SHOW] = {.scope = SCOPE_READ, .summary = "Show a project"},
               [RESOURCE_CHANGE] = {.scope = SCOPE_RUN,
                                    .summary = "Change what new sessions of a project begin with"},
               [RESOURCE_REMOVE] = {.scope = SCOPE_RUN,
                                    .summary = "Remove a project that nothing unfinished uses"}},
};
