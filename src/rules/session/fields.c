/* fields.c: the fields of a session that a client sends, to make it or to change it; and those that
 * it is shown. */
#include "base/id.h"
#include "rules/session/given.h"
#include "rules/session/session.h"

#define AT(member) offsetof(struct session_given, member)

static const struct field rows[] = {
    {FIELD("title", FIELD_TEXT, AT(title)), .max = SESSION_TITLE_MAX},
    {FIELD("model", FIELD_TEXT, AT(model)), .max = SESSION_MODEL_MAX},
    {FIELD("agent", FIELD_TEXT, AT(agent)), .max = SESSION_AGENT_MAX},
    {FIELD("root", FIELD_TEXT, AT(root)), .max = SESSION_ROOT_MAX},
    {FIELD("instructions", FIELD_TEXT, AT(instructions)), .max = SESSION_INSTRUCTIONS_MAX},
    {FIELD("settings", FIELD_JSON, AT(settings)), .schema = "{\"type\":\"object\"}"},
    {FIELD("metadata", FIELD_JSON, AT(metadata)), .schema = "{\"type\":\"object\"}"},
    {FIELD("project", FIELD_TEXT, AT(project)), .use = FIELD_GIVEN, .max = SESSION_PROJECT_MAX},
    {FIELD("parent", FIELD_TEXT, AT(parent)), .use = FIELD_GIVEN, .max = ID_SIZE},
    {FIELD("native", FIELD_TEXT, AT(native)), .use = FIELD_GIVEN, .max = 64},
    {FIELD("main", FIELD_BOOL, AT(main)), .use = FIELD_GIVEN},
    {FIELD("archived", FIELD_BOOL, AT(archived)), .use = FIELD_CHANGED},
    {FIELD("version", FIELD_INT, AT(version)), .use = FIELD_CHANGED, .min = 1, .max = INT64_MAX,
     .schema = "{\"type\":\"integer\",\"minimum\":1}"},
};
const struct field_set session_fields = {FIELD_ROWS(rows), .use = FIELD_GIVEN | FIELD_CHANGED};

/* --- Shown ------------------------------------------------------------------------------------ */

#define USED(member) offsetof(struct session_usage, member)
#define ROW(member) offsetof(struct session_row, member)

static struct field_value cost(const void *of) {
    const struct session_usage *usage = of;
    return (struct field_value){.null = usage->cost_micros == 0 && usage->cost_unknown != 0,
                                .number = usage->cost_micros};
}

static struct field_value archived(const void *row) {
    return (struct field_value){.number = ((const struct session_row *)row)->archived_ms != 0};
}

static struct field_value stream(const void *row) {
    return (struct field_value){.prefix = "session:",
                                .text = ((const struct session_row *)row)->session};
}

static const struct field usage_rows[] = {
    {FIELD("calls", FIELD_INT, USED(calls))},
    {FIELD("fresh", FIELD_INT, USED(fresh))},
    {FIELD("cache_read", FIELD_INT, USED(cache_read))},
    {FIELD("cache_write", FIELD_INT, USED(cache_write))},
    {FIELD("output", FIELD_INT, USED(output))},
    {FIELD("reasoning", FIELD_INT, USED(reasoning))},
    {FIELD("cost_micros", FIELD_INT, 0), .get = cost, .empty = FIELD_EMPTY_NULL},
    {FIELD("cost_unknown", FIELD_INT, USED(cost_unknown))},
};
const struct field_set session_usage_fields = {FIELD_ROWS(usage_rows), .use = FIELD_LISTED};

static const struct field rows_shown[] = {
    {FIELD("id", FIELD_TEXT, ROW(session)), .required = true},
    {FIELD("project", FIELD_TEXT, ROW(project))},
    {FIELD("title", FIELD_TEXT, ROW(title)), .required = true},
    {FIELD("title_by", FIELD_NAME, ROW(title_by)), .names = title_by_names,
     .empty = FIELD_EMPTY_NULL, .schema = "{\"enum\":[null,\"user\",\"auto\"]}"},
    {FIELD("state", FIELD_NAME, ROW(state)), .names = session_state_names, .required = true},
    {FIELD("archived", FIELD_BOOL, 0), .get = archived},
    {FIELD("model", FIELD_TEXT, ROW(model)), .empty = FIELD_EMPTY_NULL},
    {FIELD("agent", FIELD_TEXT, ROW(agent)), .empty = FIELD_EMPTY_NULL},
    {FIELD("root", FIELD_TEXT, ROW(root)), .empty = FIELD_EMPTY_NULL},
    {FIELD("parent", FIELD_TEXT, ROW(parent_name)), .empty = FIELD_EMPTY_NULL},
    {FIELD("depth", FIELD_INT, ROW(depth))},
    {FIELD("forked_from", FIELD_TEXT, ROW(forked_from)), .empty = FIELD_EMPTY_NULL},
    {FIELD("fork_of", FIELD_TEXT, ROW(fork_name)), .use = FIELD_LISTED, .empty = FIELD_EMPTY_NULL},
    {FIELD("version", FIELD_INT, ROW(version)), .required = true},
    {FIELD("made_ms", FIELD_INT, ROW(made_ms))},
    {FIELD("changed_ms", FIELD_INT, ROW(changed_ms))},
    {FIELD("usage", FIELD_OBJECT, ROW(usage)), .fields = &session_usage_fields,
     .use = FIELD_LISTED},
    {FIELD("context_used", FIELD_INT, ROW(context_used)), .use = FIELD_LISTED},
    {FIELD("context_window", FIELD_INT, ROW(context_window)), .use = FIELD_LISTED},
    {FIELD("metadata", FIELD_STORED, ROW(metadata)), .use = FIELD_LISTED,
     .schema = "{\"type\":\"object\"}"},
    {FIELD("settings", FIELD_STORED, ROW(settings)), .use = FIELD_WHOLE,
     .schema = "{\"type\":\"object\"}"},
    {FIELD("instructions", FIELD_TEXT, ROW(instructions)), .use = FIELD_WHOLE,
     .empty = FIELD_EMPTY_NULL},
    {FIELD("stream", FIELD_TEXT, 0), .use = FIELD_LISTED, .get = stream},
};
const struct field_set session_shown_fields = {FIELD_ROWS(rows_shown), .use = FIELD_SHOWN};
