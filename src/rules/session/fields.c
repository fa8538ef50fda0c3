/* fields.c: the fields of a session that a client sends, to make it or to change it. */
#include "base/id.h"
#include "rules/session/given.h"

#define AT(member) .at = offsetof(struct session_given, member)

static const struct field rows[] = {
    {.name = "title", .kind = FIELD_TEXT, AT(title), .max = SESSION_TITLE_MAX},
    {.name = "model", .kind = FIELD_TEXT, AT(model), .max = SESSION_MODEL_MAX},
    {.name = "agent", .kind = FIELD_TEXT, AT(agent), .max = SESSION_AGENT_MAX},
    {.name = "root", .kind = FIELD_TEXT, AT(root), .max = SESSION_ROOT_MAX},
    {.name = "instructions", .kind = FIELD_TEXT, AT(instructions), .max = SESSION_INSTRUCTIONS_MAX},
    {.name = "settings", .kind = FIELD_JSON, AT(settings), .schema = "{\"type\":\"object\"}"},
    {.name = "metadata", .kind = FIELD_JSON, AT(metadata), .schema = "{\"type\":\"object\"}"},
    {.name = "project",
     .kind = FIELD_TEXT,
     AT(project),
     .use = FIELD_GIVEN,
     .max = SESSION_PROJECT_MAX},
    {.name = "parent", .kind = FIELD_TEXT, AT(parent), .use = FIELD_GIVEN, .max = ID_SIZE},
    {.name = "native", .kind = FIELD_TEXT, AT(native), .use = FIELD_GIVEN, .max = 64},
    {.name = "main", .kind = FIELD_BOOL, AT(main), .use = FIELD_GIVEN},
    {.name = "archived", .kind = FIELD_BOOL, AT(archived), .use = FIELD_CHANGED},
    {.name = "version",
     .kind = FIELD_INT,
     AT(version),
     .use = FIELD_CHANGED,
     .min = 1,
     .max = INT64_MAX,
     .schema = "{\"type\":\"integer\",\"minimum\":1}"},
};
const struct field_set session_fields = {FIELD_ROWS(rows), .use = FIELD_GIVEN | FIELD_CHANGED};
