/* tools.c: GET /api/v1/tools: what a model may call (tool/tool.h), in the order of names. */
#include "tool/tool.h"

#include "api/turn/turns.h"

static struct field_value schema_value(const void *row) {
    const struct tool *tool = row;
    return (struct field_value){.text = bytes_of(tool->schema)};
}

static struct field_value asks_value(const void *row) {
    const struct tool *tool = row;
    return (struct field_value){.number = tool->permission == PERMISSION_ASK};
}

static struct field_value repeatable_value(const void *row) {
    const struct tool *tool = row;
    return (struct field_value){.number = tool->again == TOOL_REPEATABLE};
}

#define AT(member) offsetof(struct tool, member)
static const struct field rows[] = {
    {FIELD("name", FIELD_CHARS, AT(name)), .required = true},
    {FIELD("about", FIELD_CHARS, AT(about)), .required = true},
    {.name = "schema",
     .kind = FIELD_STORED,
     .get = schema_value,
     .required = true,
     .schema = "{\"type\":\"object\",\"description\":\"JSON Schema of the arguments.\"}"},
    {.name = "asks_first",
     .kind = FIELD_BOOL,
     .get = asks_value,
     .required = true,
     .schema = "{\"type\":\"boolean\",\"description\":\"Whether a person is asked before each "
               "call, where no rule says otherwise.\"}"},
    {.name = "repeatable",
     .kind = FIELD_BOOL,
     .get = repeatable_value,
     .required = true,
     .schema = "{\"type\":\"boolean\",\"description\":\"Whether a call that an end of the daemon "
               "cut off simply runs again.\"}"},
};
static const struct field_set tool_fields = {FIELD_ROWS(rows), .use = FIELD_LISTED};

static struct err tools_start(void *ctx) {
    struct text *text = &((struct request *)ctx)->op.answer;
    text_add_str(text, "{\"items\":[");
    for (unsigned id = 0; id < TOOL_COUNT; id++) {
        text_add_str(text, id > 0 ? "," : "");
        fields_write(&tool_fields, FIELD_LISTED, tool_get((enum tool_id)id), text);
    }
    text_add_str(text, "],\"next\":null}");
    return ERR_OK;
}

static const struct request_kind list = {.start = tools_start};

const struct route tools_routes[] = {
    {ROUTE("GET", "/api/v1/tools", SCOPE_READ, "List the tools that models may call"),
     .answer = {.fields = &tool_fields, .use = FIELD_LISTED, .page = true}, .request = &list},
    {.method = NULL},
};
