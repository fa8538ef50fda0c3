/* fields.c: the fields of a session that a client sends, to make it or to change it; and those that
 * it is shown. */
#include "base/id.h"
#include "rules/session/given.h"
#include "rules/session/resource.h"
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
    {FIELD("project", FIELD_TEXT, AT(project)), .max = SESSION_PROJECT_MAX},
    {FIELD("parent", FIELD_TEXT, AT(parent)), .use = FIELD_GIVEN, .max = ID_SIZE},
    {FIELD("native", FIELD_TEXT, AT(native)), .use = FIELD_GIVEN, .max = 64},
    {FIELD("main", FIELD_BOOL, AT(main)), .use = FIELD_GIVEN},
    {FIELD("worktree", FIELD_JSON, AT(worktree)), .use = FIELD_GIVEN,
     .schema = "{\"type\":[\"boolean\",\"object\"],\"additionalProperties\":false,"
               "\"properties\":{\"name\":{\"type\":\"string\",\"maxLength\":40},"
               "\"base\":{\"type\":\"string\",\"maxLength\":250}}}"},
    {FIELD("archived", FIELD_BOOL, AT(archived)), .use = FIELD_CHANGED},
    {FIELD("deleted", FIELD_BOOL, AT(deleted)), .use = FIELD_CHANGED},
    {FIELD("version", FIELD_INT, AT(version)), .use = FIELD_CHANGED, .min = 1, .max = INT64_MAX,
     .schema = "{\"type\":\"integer\",\"minimum\":1}"},
};
const struct field_set session_fields = {FIELD_ROWS(rows), .use = FIELD_GIVEN | FIELD_CHANGED};

/* --- Shown ------------------------------------------------------------------------------------ */

#define USED(member) offsetof(struct session_usage, member)
#define ROW(member) offsetof(struct session_row, member)
#define KEPT .use = FIELD_KEPT
#define KEPT_WHOLE .use = FIELD_KEPT_WHOLE
#define OWN (FIELD_INSERTED | SESSION_OWN | SESSION_TEXTS)

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
const struct field_set session_usage_fields = {FIELD_ROWS(usage_rows), .use = FIELD_SHOWN};

static const struct field rows_shown[] = {
    {FIELD("number", FIELD_INT, ROW(id)), KEPT, .column = "id", .group = FIELD_INSERTED},
    {ROW_ONCE("owner", FIELD_TEXT, ROW(owner)), KEPT},
    {ROW_ONCE("parent", FIELD_INT, ROW(parent)), KEPT},
    {ROW_READ("hidden", FIELD_INT, ROW(hidden)), KEPT, .group = FIELD_INSERTED | SESSION_SIGHT},
    {ROW_READ("archived_ms", FIELD_TIME, ROW(archived_ms)), KEPT,
     .group = FIELD_INSERTED | SESSION_OWN},
    {ROW_READ("calls", FIELD_INT, ROW(usage.calls)), KEPT},
    {ROW_READ("fresh", FIELD_INT, ROW(usage.fresh)), KEPT},
    {ROW_READ("cache_read", FIELD_INT, ROW(usage.cache_read)), KEPT},
    {ROW_READ("cache_write", FIELD_INT, ROW(usage.cache_write)), KEPT},
    {ROW_READ("output", FIELD_INT, ROW(usage.output)), KEPT},
    {ROW_READ("reasoning", FIELD_INT, ROW(usage.reasoning)), KEPT},
    {ROW_READ("cost_micros", FIELD_INT, ROW(usage.cost_micros)), KEPT},
    {ROW_READ("cost_unknown", FIELD_INT, ROW(usage.cost_unknown)), KEPT},
    {ROW_ONCE("fork_of", FIELD_INT, ROW(fork_of)), KEPT},
    {FIELD("id", FIELD_TEXT, ROW(session)), .column = "session", .group = FIELD_INSERTED,
     .required = true},
    {ROW_READ("project", FIELD_TEXT, ROW(project)), .group = FIELD_INSERTED | SESSION_OWN},
    {ROW_READ("title", FIELD_TEXT, ROW(title)), .group = OWN, .required = true},
    {ROW_READ("title_by", FIELD_NAME, ROW(title_by)), .group = OWN, .names = title_by_names,
     .empty = FIELD_EMPTY_NULL, .schema = "{\"enum\":[null,\"user\",\"auto\"]}"},
    {ROW_READ("state", FIELD_NAME, ROW(state)), .group = FIELD_INSERTED | SESSION_STATE,
     .names = session_state_names, .required = true},
    {FIELD("archived", FIELD_BOOL, 0), .get = archived},
    {ROW_READ("deleted_ms", FIELD_TIME, ROW(deleted_ms)), .group = SESSION_OWN},
    {FIELD("last", FIELD_TEXT, ROW(last)), .empty = FIELD_EMPTY_NULL},
    {ROW_READ("model", FIELD_TEXT, ROW(model)), .group = OWN, .empty = FIELD_EMPTY_NULL},
    {ROW_READ("agent", FIELD_TEXT, ROW(agent)), .group = OWN, .empty = FIELD_EMPTY_NULL},
    {ROW_READ("root", FIELD_TEXT, ROW(root)), .group = OWN, .empty = FIELD_EMPTY_NULL},
    {FIELD("worktree", FIELD_STORED, ROW(worktree)),
     .column = "COALESCE((" SESSION_TREE_SQL("sessions.session") "), '')",
     .empty = FIELD_EMPTY_NULL, .schema = "{\"type\":[\"object\",\"null\"]}"},
    {FIELD("parent", FIELD_TEXT, ROW(parent_name)),
     .column = "COALESCE((SELECT p.session FROM sessions p WHERE p.id = sessions.parent), '')",
     .empty = FIELD_EMPTY_NULL},
    {ROW_ONCE("depth", FIELD_INT, ROW(depth))},
    {ROW_ONCE("forked_from", FIELD_TEXT, ROW(forked_from)), .empty = FIELD_EMPTY_NULL},
    {FIELD("fork_of", FIELD_TEXT, ROW(fork_name)),
     .column = "COALESCE((SELECT f.session FROM sessions f WHERE f.id = sessions.fork_of"
               " AND f.hidden = 0), '')",
     .use = FIELD_LISTED, .empty = FIELD_EMPTY_NULL},
    {ROW_READ("version", FIELD_INT, ROW(version)), .group = FIELD_INSERTED | SESSION_OWN,
     .required = true},
    {ROW_ONCE("made_ms", FIELD_INT, ROW(made_ms))},
    {ROW_READ("changed_ms", FIELD_INT, ROW(changed_ms)),
     .group = FIELD_INSERTED | SESSION_OWN | SESSION_STATE | SESSION_TIME | SESSION_SIGHT},
    {FIELD("usage", FIELD_OBJECT, ROW(usage)), .fields = &session_usage_fields},
    {ROW_READ("context_used", FIELD_INT, ROW(context_used)), .group = SESSION_FULL,
     .use = FIELD_LISTED},
    {ROW_READ("context_window", FIELD_INT, ROW(context_window)), .group = SESSION_FULL,
     .use = FIELD_LISTED},
    {ROW_READ("metadata", FIELD_STORED, ROW(metadata)), .group = OWN, .use = FIELD_LISTED,
     .schema = "{\"type\":\"object\"}"},
    {ROW_READ("settings", FIELD_STORED, ROW(settings)), .group = OWN, .use = FIELD_WHOLE,
     .schema = "{\"type\":\"object\"}"},
    {ROW_READ("instructions", FIELD_TEXT, ROW(instructions)), .group = OWN, .use = FIELD_WHOLE,
     .empty = FIELD_EMPTY_NULL},
    {FIELD("stream", FIELD_TEXT, 0), .use = FIELD_LISTED, .get = stream},
    {ROW_READ("program", FIELD_TEXT, ROW(program)), KEPT_WHOLE,
     .group = FIELD_INSERTED | SESSION_TEXTS | SESSION_ANSWER},
    {ROW_READ("path", FIELD_TEXT, ROW(path)), KEPT_WHOLE,
     .group = FIELD_INSERTED | SESSION_PATH | SESSION_TEXTS},
    {ROW_READ("config_dir", FIELD_TEXT, ROW(config_dir)), KEPT_WHOLE,
     .group = FIELD_INSERTED | SESSION_PATH | SESSION_TEXTS},
    {ROW_READ("program_answer", FIELD_INT, ROW(native.answer)), KEPT_WHOLE,
     .group = SESSION_NATIVE},
    {ROW_READ("program_heard", FIELD_INT, ROW(native.heard)), KEPT_WHOLE, .group = SESSION_NATIVE},
    {ROW_READ("program_reader", FIELD_TEXT, ROW(native.reader)), KEPT_WHOLE,
     .group = SESSION_NATIVE | SESSION_TEXTS},
};
const struct field_set session_shown_fields = {FIELD_ROWS(rows_shown), .use = FIELD_SHOWN};
const struct resource session_resource = {.table = "sessions",
                                          .key = "number",
                                          .of_daemon = true,
                                          .fields = {FIELD_ROWS(rows_shown), .use = FIELD_SHOWN},
                                          .size = sizeof(struct session_row)};
