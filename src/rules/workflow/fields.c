/* fields.c: the fields of a start of a workflow, as POST /api/v1/workflows takes them. What fields
 * mean together is checked by engine/workflow/spec.c. A limit may be null: none, also where the run
 * that is resumed had one. */
#include "rules/workflow/spec.h"

#define AT(member) offsetof(struct workflow_spec, member)
#define CHARS(field, member, low, high)                                                            \
    .name = field, .kind = FIELD_CHARS, .at = AT(member), .min = low, .max = high
#define JSON(field, member, of) .name = field, .kind = FIELD_JSON, .at = AT(member), .schema = of
#define LIMIT(field, member, low, high)                                                            \
    .name = field, .kind = FIELD_INT, .at = AT(member), .min = low, .max = high,                   \
    .schema = "{\"type\":[\"integer\",\"null\"]}"

static const struct field rows[] = {
    {CHARS("script", script, 0, WORKFLOW_SCRIPT_MAX), .use = FIELD_GIVEN},
    {CHARS("name", name, 1, WORKFLOW_LABEL_MAX), .use = FIELD_GIVEN},
    {CHARS("scriptPath", path, 1, WORKFLOW_PATH_MAX), .use = FIELD_GIVEN},
    {JSON("args", args, "{}")},
    {CHARS("resumeFromRunId", resume, 1, 64)},
    {CHARS("title", title, 0, 1 << 16)},
    {CHARS("description", description, 0, 1 << 16)},
    {CHARS("label", label, 1, WORKFLOW_LABEL_MAX)},
    {CHARS("root", root, 1, WORKFLOW_PATH_MAX)},
    {CHARS("model", model, 1, 321)},
    {CHARS("project", project, 1, 100)},
    {JSON("settings", settings, "{\"type\":\"object\"}")},
    {LIMIT("timeout_ms", timeout_ms, 1, WORKFLOW_TIME_MAX)},
    {LIMIT("agent_timeout_ms", agent_timeout_ms, 1, WORKFLOW_TIME_MAX)},
    {LIMIT("concurrency", concurrency, 1, WORKFLOW_AT_ONCE_LIMIT)},
    {LIMIT("total", total, 0, AMOUNT_MAX), .absent = -1},
    {JSON("budget", budget_asked, "{\"type\":[\"object\",\"null\"]}")},
    {.name = "from_seq",
     .kind = FIELD_INT,
     .at = AT(from_seq),
     .min = 0,
     .max = INT64_MAX,
     .absent = -1},
    {FIELD("reuse_ms", FIELD_INT, AT(reuse_ms)), .min = 1, .max = WORKFLOW_REUSE_MAX},
    {FIELD("rerun", FIELD_TEXTS, AT(rerun)), .max = WORKFLOW_RERUN_MAX},
    {JSON("notify", notify, "{\"type\":\"array\",\"items\":{\"type\":\"object\"}}")},
};

const struct field_set workflow_fields = {FIELD_ROWS(rows), .use = FIELD_GIVEN | FIELD_CHANGED};
