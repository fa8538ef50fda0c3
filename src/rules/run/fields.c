/* fields.c: the fields of a run, of whatever kind, as answers show them. Order: that of the answer.
 * What a job is made of is in rules/job/fields.c. */
#include "rules/run/resource.h"
#include "rules/run/run.h"

#define AT(member) offsetof(struct run_row, member)

static struct field_value text_or_null(struct bytes text) {
    return (struct field_value){.null = text.len == 0, .text = text};
}

static struct field_value gate_shown(const void *row) {
    return text_or_null(bytes_of(run_gate_name(run_gate_shown(row))));
}

static struct field_value resume_at(const void *row) {
    int64_t at_ms = run_resume_at_ms(row);
    return (struct field_value){.null = at_ms == 0, .number = at_ms};
}

static struct field_value cause_about(const void *row) {
    const struct run_row *run = row;
    return text_or_null(bytes_of(run_cause_about(run->cause)));
}

static struct field_value exit_code(const void *row) {
    const struct run_row *run = row;
    return (struct field_value){.null = run->exit_code < 0, .number = run->exit_code};
}

static struct field_value attempts(const void *row) {
    return (struct field_value){.number = run_attempts(row)};
}

static struct field_value host_away(const void *row) {
    const struct run_row *run = row;
    return (struct field_value){.left_out = !run->away, .text = run->host};
}

/* The label says what runs; without one the command does. */
static struct field_value command_shown(const void *row) {
    const struct run_row *run = row;
    return (struct field_value){.left_out = run->label.len > 0 || run->command.len == 0,
                                .text = run->command};
}

static struct field_value key_shown(const void *row) {
    const struct run_row *run = row;
    const bool given = run_key_given(run->key);
    return text_or_null(given ? (struct bytes){run->key.data + 1, run->key.len - 1} : run->key);
}

static struct field_value key_max(const void *row) {
    const struct run_row *run = row;
    return (struct field_value){.left_out = run->key.len == 0, .number = run->key_max};
}

/* Stream of the run's last event: a turn ends on the stream of its session, whose writer slot is
 * the key of its turns; an agent on that of its workflow. */
static struct field_value stream_of(const void *row) {
    const struct run_row *run = row;
    if (run_kind_is(run->kind, RUN_IN_SESSION)) {
        return (struct field_value){.text = run->key};
    }
    const bool step = run_kind_is(run->kind, RUN_IS_STEP);
    return (struct field_value){.prefix = "run:", .text = step ? run->parent_run : run->run};
}

static struct field_value cost_unknown(const void *row) {
    const struct run_row *run = row;
    return (struct field_value){.left_out = !run->cost.told, .number = run->cost.unknown};
}

static struct field_value cost(const void *row) {
    const struct run_row *run = row;
    return (struct field_value){
        .left_out = !run->cost.told, .null = run->cost.micros < 0, .number = run->cost.micros};
}

/* The list of causes is long, and grows: the description does not have it. */
#define CAUSE                                                                                      \
    .names = run_cause_names, .empty = FIELD_EMPTY_NULL,                                           \
    .schema = "{\"type\":[\"string\",\"null\"]}"
/* Columns that the row alone has, and those that are inserted and written with its progress. */
#define KEPT .use = FIELD_KEPT
#define BOTH (FIELD_INSERTED | RUN_PROGRESS)
static const struct field rows[] = {
    /* The first three are read of a row that is damaged, too (engine/run/rows.h). */
    {FIELD("number", FIELD_INT, AT(id)), KEPT, .column = "id", .group = FIELD_INSERTED},
    {FIELD("id", FIELD_TEXT, AT(run)), .column = "run", .group = FIELD_INSERTED, .use = FIELD_SHOWN,
     .required = true},
    {ROW_ONCE("owner", FIELD_TEXT, AT(owner)), KEPT},
    {FIELD("parent_column", FIELD_INT, AT(parent)), .column = "parent", .group = FIELD_INSERTED,
     KEPT},
    {FIELD("gate_column", FIELD_NAME, AT(gate)), .column = "gate", .group = BOTH, KEPT,
     .names = run_gate_names},
    {ROW_READ("stop_grace_ms", FIELD_INT, AT(stop_grace_ms)), .group = RUN_PROGRESS, KEPT},
    {ROW_READ("voids", FIELD_INT, AT(voids)), .group = RUN_PROGRESS, KEPT},
    {ROW_READ("failures", FIELD_INT, AT(failures)), .group = RUN_PROGRESS, KEPT},
    {ROW_READ("reboots", FIELD_INT, AT(reboots)), .group = RUN_PROGRESS, KEPT},
    {ROW_READ("unbegun", FIELD_INT, AT(unbegun)), .group = RUN_PROGRESS, KEPT},
    {ROW_READ("epoch", FIELD_INT, AT(epoch)), .group = BOTH, KEPT},
    {ROW_READ("steady_ms", FIELD_INT, AT(steady_ms)), .group = BOTH, KEPT},
    {ROW_ONCE("budget", FIELD_TEXT, AT(budget)), KEPT},
    {ROW_READ("lane", FIELD_INT, AT(lane)), .group = RUN_BUDGET, KEPT},
    {ROW_READ("charged", FIELD_BOOL, AT(charged)), .group = RUN_BUDGET, KEPT},
    {ROW_READ("output_tokens_held", FIELD_INT, AT(reserve.of[AMOUNT_OUTPUT_TOKENS])),
     .group = RUN_BUDGET, KEPT},
    {ROW_READ("tokens_held", FIELD_INT, AT(reserve.of[AMOUNT_TOKENS])), .group = RUN_BUDGET, KEPT},
    {ROW_READ("cost_micros_held", FIELD_INT, AT(reserve.of[AMOUNT_COST])), .group = RUN_BUDGET,
     KEPT},
    {ROW_READ("agents_held", FIELD_INT, AT(reserve.of[AMOUNT_AGENTS])), .group = RUN_BUDGET, KEPT},
    {ROW_READ("wall_ms_held", FIELD_INT, AT(reserve.of[AMOUNT_WALL])), .group = RUN_BUDGET, KEPT},
    {ROW_ONCE("root", FIELD_INT, AT(root)), KEPT},
    {ROW_ONCE("kind", FIELD_NAME, AT(kind)), .use = FIELD_SHOWN, .names = run_kind_names},
    {ROW_READ("state", FIELD_NAME, AT(state)), .group = BOTH, .use = FIELD_SHOWN,
     .names = run_state_names, .required = true},
    {FIELD("gate", FIELD_TEXT, 0), .use = FIELD_SHOWN, .get = gate_shown,
     .empty = FIELD_EMPTY_NULL},
    {FIELD("waits_for", FIELD_TEXT, AT(waits_for)), .empty = FIELD_EMPTY_LEFT_OUT},
    {FIELD("resume_at_ms", FIELD_TIME, 0), .get = resume_at},
    {ROW_READ("cause", FIELD_NAME, AT(cause)), .group = RUN_PROGRESS | RUN_ENDED,
     .use = FIELD_SHOWN, CAUSE},
    {FIELD("about", FIELD_TEXT, 0), .get = cause_about, .empty = FIELD_EMPTY_NULL},
    {ROW_READ("note", FIELD_TEXT, AT(note)), .group = RUN_PROGRESS | RUN_ENDED,
     .empty = FIELD_EMPTY_NULL},
    {ROW_READ("exit_code", FIELD_INT, AT(exit_code)), .group = RUN_PROGRESS, .use = FIELD_SHOWN,
     .get = exit_code, .empty = FIELD_EMPTY_NULL},
    {ROW_READ("stop", FIELD_NAME, AT(stop)), .group = RUN_PROGRESS, CAUSE},
    {ROW_READ("attempt", FIELD_INT, AT(attempt)), .group = BOTH},
    {FIELD("attempts", FIELD_INT, 0), .get = attempts},
    {FIELD("host_away", FIELD_BOOL, AT(away)), .empty = FIELD_EMPTY_LEFT_OUT},
    {ROW_READ("host", FIELD_TEXT, AT(host)), .group = BOTH, .get = host_away,
     .empty = FIELD_EMPTY_LEFT_OUT},
    {FIELD("parent", FIELD_TEXT, AT(parent_run)),
     .column = "COALESCE((SELECT p.run FROM runs p WHERE p.id = runs.parent), '')",
     .empty = FIELD_EMPTY_NULL},
    {ROW_READ("retry_of", FIELD_TEXT, AT(retry_of)), .empty = FIELD_EMPTY_LEFT_OUT},
    {ROW_ONCE("label", FIELD_TEXT, AT(label)), .use = FIELD_SHOWN, .empty = FIELD_EMPTY_NULL},
    {ROW_ONCE("command", FIELD_TEXT, AT(command)), .use = FIELD_SHOWN, .get = command_shown,
     .empty = FIELD_EMPTY_LEFT_OUT},
    {ROW_ONCE("shown", FIELD_MEMBERS, AT(shown))},
    {FIELD("key", FIELD_TEXT, AT(key)), .column = "run_key", .group = FIELD_INSERTED,
     .get = key_shown, .empty = FIELD_EMPTY_NULL},
    {ROW_ONCE("key_max", FIELD_INT, AT(key_max)), .get = key_max, .empty = FIELD_EMPTY_LEFT_OUT},
    {ROW_ONCE("priority", FIELD_INT, AT(priority))},
    {ROW_ONCE("once", FIELD_BOOL, AT(once))},
    {ROW_ONCE("made_ms", FIELD_INT, AT(made_ms)), .use = FIELD_SHOWN},
    {ROW_READ("not_before_ms", FIELD_INT, AT(not_before_ms)), .group = BOTH,
     .empty = FIELD_EMPTY_NULL},
    {ROW_READ("started_ms", FIELD_INT, AT(started_ms)), .group = BOTH, .empty = FIELD_EMPTY_NULL,
     .use = FIELD_SHOWN},
    {ROW_READ("ended_ms", FIELD_TIME, AT(ended_ms)), .group = RUN_PROGRESS | RUN_ENDED,
     .use = FIELD_SHOWN},
    {FIELD("stream", FIELD_TEXT, 0), .get = stream_of},
    {FIELD("progress", FIELD_STORED, AT(progress)), .empty = FIELD_EMPTY_LEFT_OUT,
     .schema = "{\"type\":\"object\",\"required\":[\"done\",\"total\",\"waiting\",\"failed\"],"
               "\"properties\":{\"done\":{\"type\":\"integer\"},\"total\":{\"type\":\"integer\"},"
               "\"cached\":{\"type\":\"integer\"},\"waiting\":{\"type\":\"integer\"},"
               "\"failed\":{\"type\":\"integer\"},\"last_ms\":{\"type\":\"integer\"}}}"},
    {ROW_ONCE("project", FIELD_TEXT, AT(project)), .use = FIELD_TOLD, .empty = FIELD_EMPTY_NULL},
    {ROW_ONCE("session", FIELD_TEXT, AT(session)), .use = FIELD_TOLD, .empty = FIELD_EMPTY_NULL},
    {FIELD("cost_micros", FIELD_INT, 0), .get = cost, .use = FIELD_SHOWN, .none = -1,
     .empty = FIELD_EMPTY_LEFT_OUT},
    {FIELD("cost_unknown", FIELD_INT, 0), .get = cost_unknown, .use = FIELD_SHOWN,
     .empty = FIELD_EMPTY_LEFT_OUT},
    {ROW_ONCE("spec", FIELD_STORED, AT(spec)), .use = FIELD_WHOLE, .required = true,
     .empty = FIELD_EMPTY_NULL},
    {ROW_READ("result", FIELD_STORED, AT(result)), .group = RUN_PROGRESS | RUN_ENDED,
     .use = FIELD_WHOLE, .empty = FIELD_EMPTY_NULL, .schema = "{}"},
};

const struct field_set run_fields = {FIELD_ROWS(rows), .use = FIELD_LISTED};
const struct resource run_resource = {.table = "runs",
                                      .key = "number",
                                      .of_daemon = true,
                                      .fields = {FIELD_ROWS(rows), .use = FIELD_LISTED},
                                      .size = sizeof(struct run_row)};
