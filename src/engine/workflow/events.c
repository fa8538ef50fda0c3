/* events.c: what happens in a workflow, as events of its stream run:ID. */
#include "engine/workflow/rows.h"

#include <string.h>

#include "base/json/json.h"
#include "base/utf8.h"
#include "engine/approval/approvals.h"
#include "journal/journal.h"

static struct append event_of(struct tx *tx, const struct workflow_place *place, const char *type,
                              const struct text *data) {
    const struct run_key run = {.owner = place->owner, .run = place->run};
    return runs__event_of(tx, &run, type, data);
}

struct err workflows__event(struct tx *tx, const struct workflow_place *place, const char *type,
                            const struct text *data, enum workflow_last last) {
    struct append append = event_of(tx, place, type, data);
    struct appended appended;
    append.last = last == WORKFLOW_ENDS;
    return tx_append(tx, &append, &appended);
}

/* --- Steps ------------------------------------------------------------------------------------ */

/* The object of an event about a step; step_event closes it. */
static struct text step_event_open(struct bytes run, struct bytes label) {
    struct text data = text_up_to(WORKFLOW_EVENT_MAX);
    text_add_char(&data, '{');
    text_add_member(&data, "run", run);
    text_add_member_or_null(&data, "label", label);
    return data;
}

static struct err step_event(struct tx *tx, const struct workflow_place *place, const char *type,
                             struct text *data) {
    text_add_char(data, '}');
    return workflows__event(tx, place, type, data, WORKFLOW_GOES_ON);
}

static struct workflow_place place_above(const struct run_row *step) {
    return (struct workflow_place){
        .id = step->parent, .owner = step->owner, .run = step->parent_run};
}

static struct text started_text(const struct step_new *step) {
    struct text data = step_event_open(bytes_of(step->run.text), step->label);
    text_add_member_or_null(&data, "phase", step->phase);
    text_add_member_or_null(&data, "model", step->model);
    if (step->model_asked.len > 0) {
        text_add_member(&data, "model_asked", step->model_asked);
    }
    text_add_member(&data, "prompt",
                    (struct bytes){step->prompt.data, utf8_cut(step->prompt, STEP_PROMPT_HEAD)});
    return data;
}

struct err steps__event_started(struct tx *tx, const struct step_new *step) {
    AUTO(text_done) struct text data = started_text(step);
    return step_event(tx, &step->place, "agent_started", &data);
}

struct err steps__event_admitted(struct tx *tx, const struct run_row *row) {
    AUTO(json_release) json_t *spec = NULL;
    struct err err = json_parse_wrapped(row->spec, &spec, NULL);
    if (err_failed(err)) {
        return err;
    }
    struct step_new step = {.place = place_above(row),
                            .label = row->label,
                            .phase = json_bytes(spec, "phase"),
                            .model = json_bytes(spec, "model"),
                            .model_asked = json_bytes(spec, "model_asked"),
                            .prompt = json_bytes(spec, "prompt")};
    memcpy(step.run.text, row->run.data, row->run.len);
    return steps__event_started(tx, &step);
}

struct err steps__event_restarted(struct tx *tx, const struct run_row *row) {
    const struct workflow_place place = place_above(row);
    AUTO(text_done) struct text data = step_event_open(row->run, row->label);
    text_add_member_int(&data, "attempt", row->attempt);
    return step_event(tx, &place, "agent_restarted", &data);
}

struct err steps__event_provider(struct tx *tx, const struct run_row *row,
                                 const struct provider_wait *wait) {
    const struct workflow_place place = place_above(row);
    bool waits = wait->resume_at_ms != 0;
    if (row->parent_run.len == 0) {
        return ERR_OK; /* The workflow was removed with its stream. */
    }
    AUTO(text_done) struct text data = step_event_open(row->run, row->label);
    text_add_member(&data, "gate", bytes_of(run_gate_name(GATE_PROVIDER)));
    if (waits) {
        text_add_member(&data, "cause", bytes_of(run_cause_name(wait->cause)));
        text_add_member_int(&data, "resume_at_ms", wait->resume_at_ms);
    }
    return step_event(tx, &place, waits ? "agent_retrying" : "agent_resumed", &data);
}

/* The step that a turn belongs to is right above it, because agents of workflows have no subagents.
 * A workflow that has ended gets no event any more. */
struct err steps__event_asks(struct tx *tx, const struct approval_row *row) {
    static const char sql[] = "SELECT p.id, p.run, r.run, r.label FROM runs r"
                              " JOIN runs p ON p.id = r.parent AND p.ended_ms IS NULL"
                              " WHERE r.id = $1 AND r.kind = 'agent'";
    AUTO(rows_release) struct rows *rows = tx_row(tx, sql, ARGS(arg_int(row->run_parent)));
    if (rows == NULL) {
        return tx_error(tx);
    }
    const struct workflow_place place = {
        .id = rows_int(rows, 0), .owner = row->owner, .run = rows_copy(rows, 1)};
    AUTO(text_done) struct text data = step_event_open(rows_text(rows, 2), rows_text(rows, 3));
    rows_release(&rows);
    text_add_member(&data, "approval", row->approval);
    text_add_member(&data, "kind", bytes_of(approval_kind_names[row->kind]));
    text_add_member(&data, "tool", row->step);
    text_add_member(&data, "state", bytes_of(approval_state_name(row->state)));
    return step_event(tx, &place, row->state == APPROVAL_OPEN ? "agent_waiting" : "agent_answered",
                      &data);
}

void steps__add_cost(struct text *text, int64_t cost_micros, int64_t cost_unknown) {
    const bool known = cost_micros > 0 || (cost_micros == 0 && cost_unknown == 0);
    text_add_member_int_or_null(text, "cost_micros", cost_micros, known);
    text_add_member_int(text, "cost_unknown", cost_unknown);
}

static struct text finished_text(const struct step_told *told) {
    const char *cause = told->cause == CAUSE_COMPLETED ? "" : run_cause_name(told->cause);
    struct text data = step_event_open(told->run, told->label);
    text_add_member_or_null(&data, "phase", told->phase);
    text_add_member(&data, "state", bytes_of(run_state_name(told->state)));
    text_add_member_bool(&data, "cached", told->cached);
    text_add_member_or_null(&data, "cause", bytes_of(cause));
    text_add_member_or_null(&data, "note", told->note);
    text_add_member_int(&data, "tokens", told->output_tokens);
    steps__add_cost(&data, told->cost_micros, told->cost_unknown);
    text_add_member_int(&data, "ms", told->took_ms);
    if (told->worktree.len > 0) {
        text_add_member(&data, "worktree", told->worktree);
    }
    return data;
}

struct err steps__event_finished(struct tx *tx, const struct step_told *told) {
    AUTO(text_done) struct text data = finished_text(told);
    return step_event(tx, &told->place, "agent_finished", &data);
}

struct err steps__event_both(struct tx *tx, const struct step_new *step,
                             const struct step_told *told) {
    AUTO(text_done) struct text began = started_text(step);
    AUTO(text_done) struct text ended = finished_text(told);
    struct appended appended;
    text_add_char(&began, '}');
    text_add_char(&ended, '}');
    const struct append both[] = {event_of(tx, &told->place, "agent_started", &began),
                                  event_of(tx, &told->place, "agent_finished", &ended)};
    return tx_append_all(tx, both, COUNT_OF(both), &appended);
}

/* --- Lines ------------------------------------------------------------------------------------ */

struct err tx_workflow_lines(struct tx *tx, const struct workflow_place *place,
                             const struct workflow_line *lines, size_t count) {
    int64_t stored =
        tx_number(tx, "SELECT lines FROM workflows WHERE run = $1", ARGS(arg_int(place->id)));
    int64_t highest = stored;
    for (size_t i = 0; i < count && !err_failed(tx_error(tx)); i++) {
        bool phase = lines[i].kind == LINE_PHASE;
        const bool ours = lines[i].number == WORKFLOW_LINE_OURS;
        AUTO(text_done) struct text data = text_up_to(WORKFLOW_EVENT_MAX);
        if (!ours && lines[i].number <= highest) {
            continue;
        }
        highest = ours ? highest : lines[i].number;
        text_addf(&data, "{\"no\":%lld", (long long)lines[i].number);
        text_add_member(&data, phase ? "title" : "text", lines[i].text);
        tx_fail(tx, step_event(tx, place, phase ? "phase" : "log", &data));
    }
    if (highest != stored) {
        tx_do(tx, "UPDATE workflows SET lines = $2 WHERE run = $1",
              ARGS(arg_int(place->id), arg_int(highest)));
    }
    return tx_error(tx);
}
