/* fields.c: the fields of a run, of whatever kind, as answers show them. Order: that of the answer.
 * What a job is made of is in rules/job/fields.c. */
#include "base/fields/fields.h"
#include "rules/run/run.h"

#define AT(member) .at = offsetof(struct run_row, member)

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

static struct field_value cause_shown(const void *row) {
    const struct run_row *run = row;
    return text_or_null(bytes_of(run_cause_name(run->cause)));
}

static struct field_value cause_about(const void *row) {
    const struct run_row *run = row;
    return text_or_null(bytes_of(run_cause_about(run->cause)));
}

static struct field_value stop_shown(const void *row) {
    const struct run_row *run = row;
    return text_or_null(bytes_of(run_cause_name(run->stop)));
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

static struct field_value cost(const void *row) {
    const struct run_row *run = row;
    return (struct field_value){.null = run->cost_micros < 0, .number = run->cost_micros};
}

static const struct field rows[] = {
    {.name = "id", .use = FIELD_SHOWN, .kind = FIELD_TEXT, AT(run), .required = true},
    {.name = "kind", .use = FIELD_SHOWN, .kind = FIELD_NAME, AT(kind), .names = run_kind_names},
    {.name = "state",
     .use = FIELD_SHOWN,
     .kind = FIELD_NAME,
     AT(state),
     .names = run_state_names,
     .required = true},
    {.name = "gate",
     .use = FIELD_SHOWN,
     .kind = FIELD_TEXT,
     .get = gate_shown,
     .empty = FIELD_EMPTY_NULL},
    {.name = "waits_for", .kind = FIELD_TEXT, AT(waits_for), .empty = FIELD_EMPTY_LEFT_OUT},
    {.name = "resume_at_ms", .kind = FIELD_TIME, .get = resume_at},
    {.name = "cause",
     .use = FIELD_SHOWN,
     .kind = FIELD_TEXT,
     .get = cause_shown,
     .empty = FIELD_EMPTY_NULL},
    {.name = "about", .kind = FIELD_TEXT, .get = cause_about, .empty = FIELD_EMPTY_NULL},
    {.name = "note", .kind = FIELD_TEXT, AT(note), .empty = FIELD_EMPTY_NULL},
    {.name = "exit_code",
     .use = FIELD_SHOWN,
     .kind = FIELD_INT,
     .get = exit_code,
     .empty = FIELD_EMPTY_NULL},
    {.name = "stop", .kind = FIELD_TEXT, .get = stop_shown, .empty = FIELD_EMPTY_NULL},
    {.name = "attempt", .kind = FIELD_INT, AT(attempt)},
    {.name = "attempts", .kind = FIELD_INT, .get = attempts},
    {.name = "host_away", .kind = FIELD_BOOL, AT(away), .empty = FIELD_EMPTY_LEFT_OUT},
    {.name = "host", .kind = FIELD_TEXT, .get = host_away},
    {.name = "parent", .kind = FIELD_TEXT, AT(parent_run), .empty = FIELD_EMPTY_NULL},
    {.name = "label", .use = FIELD_SHOWN, .kind = FIELD_TEXT, AT(label), .empty = FIELD_EMPTY_NULL},
    {.name = "command", .use = FIELD_SHOWN, .kind = FIELD_TEXT, .get = command_shown},
    {.name = "shown", .kind = FIELD_MEMBERS, AT(shown)},
    {.name = "key", .kind = FIELD_TEXT, .get = key_shown, .empty = FIELD_EMPTY_NULL},
    {.name = "key_max", .kind = FIELD_INT, .get = key_max},
    {.name = "priority", .kind = FIELD_INT, AT(priority)},
    {.name = "once", .kind = FIELD_BOOL, AT(once)},
    {.name = "made_ms", .use = FIELD_SHOWN, .kind = FIELD_INT, AT(made_ms)},
    {.name = "not_before_ms", .kind = FIELD_TIME, AT(not_before_ms)},
    {.name = "started_ms", .use = FIELD_SHOWN, .kind = FIELD_TIME, AT(started_ms)},
    {.name = "ended_ms", .use = FIELD_SHOWN, .kind = FIELD_TIME, AT(ended_ms)},
    {.name = "stream", .kind = FIELD_TEXT, .get = stream_of},
    {.name = "progress",
     .kind = FIELD_STORED,
     AT(progress),
     .empty = FIELD_EMPTY_LEFT_OUT,
     .schema = "{\"type\":\"object\"}"},
    {.name = "project",
     .kind = FIELD_TEXT,
     AT(project),
     .use = FIELD_TOLD,
     .empty = FIELD_EMPTY_NULL},
    {.name = "session",
     .kind = FIELD_TEXT,
     AT(session),
     .use = FIELD_TOLD,
     .empty = FIELD_EMPTY_NULL},
    {.name = "cost_micros", .kind = FIELD_INT, .get = cost, .use = FIELD_TOLD},
    {.name = "spec",
     .kind = FIELD_STORED,
     AT(spec),
     .use = FIELD_WHOLE,
     .required = true,
     .empty = FIELD_EMPTY_NULL},
    {.name = "result",
     .kind = FIELD_STORED,
     AT(result),
     .use = FIELD_WHOLE,
     .empty = FIELD_EMPTY_NULL},
};

const struct field_set run_fields = {FIELD_ROWS(rows), .use = FIELD_LISTED};
