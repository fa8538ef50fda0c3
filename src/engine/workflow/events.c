/* events.c: what happens in a workflow, as events of its stream run:ID. */
#include "engine/workflow/rows.h"

#include <string.h>

#include "base/json/json.h"
#include "base/utf8.h"
#include "engine/approval/approvals.h"
#include "engine/run/budget_gate.h"
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
static struct text step_event_open(struct bytes run, struct bytes label,
                                   const struct step_key *key) {
    struct text data = text_up_to(WORKFLOW_EVENT_MAX);
    text_add_char(&data, '{');
    text_add_member(&data, "run", run);
    step_key_add(&data, key);
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

struct step_key steps__key_of(struct tx *tx, int64_t id) {
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx, "SELECT step_key, occurrence FROM runs WHERE id = $1", ARGS(arg_int(id)));
    return rows == NULL ? (struct step_key){.hash = BYTES("")}
                        : (struct step_key){rows_copy(rows, 0), rows_int(rows, 1)};
}

static struct step_key step_new_key(const struct step_new *step) {
    return (struct step_key){step->key, step->occurrence};
}

/* Ids of the session and of the turn of an agent with tools. */
static void talk_add(struct text *data, const struct talk_new *talk) {
    text_add_member_or_null(data, "session",
                            bytes_of(talk == NULL ? "" : talk->session.session.text));
    text_add_member_or_null(data, "turn", bytes_of(talk == NULL ? "" : talk->message.run.text));
}

void steps__add_place(struct text *text, const struct step_call_place *at) {
    text_add_member_int_or_null(text, "line", at->line, at->line > 0);
    text_add_member_int_or_null(text, "column", at->column, at->column > 0);
    if (at->file.len > 0) {
        text_add_member(text, "file", at->file);
    }
}

struct step_call_place steps__place_of(const json_t *spec) {
    return (struct step_call_place){.line = json_int(spec, "line", 0),
                                    .column = json_int(spec, "column", 0),
                                    .file = json_bytes(spec, "file")};
}

static struct text started_text(const struct step_new *step) {
    const struct step_key key = step_new_key(step);
    struct text data = step_event_open(bytes_of(step->run.text), step->label, &key);
    text_add_member_or_null(&data, "phase", step->phase);
    text_add_member_or_null(&data, "model", step->model);
    if (step->model_asked.len > 0) {
        text_add_member(&data, "model_asked", step->model_asked);
    }
    text_add_member(&data, "prompt",
                    (struct bytes){step->prompt.data, utf8_cut(step->prompt, STEP_PROMPT_HEAD)});
    talk_add(&data, step->talk);
    steps__add_place(&data, &step->at);
    text_add_member_or_null(&data, "type", step->agent);
    text_add_member_or_null(&data, "isolation", step->isolation);
    return data;
}

struct err steps__event_started(struct tx *tx, const struct step_new *step) {
    AUTO(text_done) struct text data = started_text(step);
    return step_event(tx, &step->place, "agent_started", &data);
}

struct err steps__event_admitted(struct tx *tx, const struct run_row *row) {
    AUTO(json_release) json_t *spec = NULL;
    TRY(json_parse_wrapped(row->spec, &spec, NULL));
    const json_t *opts = json_object_get(spec, "opts");
    const struct step_key key = steps__key_of(tx, row->id);
    struct step_new step = {.place = place_above(row),
                            .key = key.hash,
                            .occurrence = key.occurrence,
                            .at = steps__place_of(spec),
                            .agent = json_bytes(opts, "agentType"),
                            .isolation = json_bytes(opts, "isolation"),
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
    const struct step_key key = steps__key_of(tx, row->id);
    AUTO(text_done) struct text data = step_event_open(row->run, row->label, &key);
    text_add_member_int(&data, "attempt", row->attempt);
    return step_event(tx, &place, "agent_restarted", &data);
}

struct err steps__event_session(struct tx *tx, const struct step_new *step, int64_t attempt) {
    const struct step_key key = step_new_key(step);
    AUTO(text_done)
    struct text data = step_event_open(bytes_of(step->run.text), step->label, &key);
    text_add_member_int(&data, "attempt", attempt);
    talk_add(&data, step->talk);
    return step_event(tx, &step->place, "agent_session", &data);
}

/* --- Queued ----------------------------------------------------------------------------------- */

static struct text queued_text(const struct step_queued *step, enum run_gate gate) {
    struct text data = text_up_to(WORKFLOW_EVENT_MAX);
    text_add_char(&data, '{');
    step_key_add(&data, &step->key);
    text_add_member_or_null(&data, "label", step->label);
    text_add_member_or_null(&data, "phase", step->phase);
    text_add_member(&data, "gate", bytes_of(run_gate_name(gate)));
    return data;
}

struct err steps__event_queued(struct tx *tx, const struct step_new *step,
                               const struct run_row *row) {
    const struct step_queued queued = {
        .key = step_new_key(step), .label = step->label, .phase = step->phase};
    struct run_row shown = *row;
    AUTO(text_done) struct text data = queued_text(&queued, GATE_BUDGET);
    text_add_member(&data, "run", row->run);
    runs__budget_mark(tx, &shown);
    text_add_member_int_or_null(&data, "resume_at_ms", shown.day_end_ms, shown.day_end_ms > 0);
    return step_event(tx, &step->place, "agent_queued", &data);
}

static bool step_has_row(struct tx *tx, int64_t workflow, const struct step_key *key) {
    return tx_number(tx,
                     "SELECT count(*) FROM runs WHERE parent = $1 AND step_key = $2"
                     " AND step_key <> '' AND occurrence = $3",
                     ARGS(arg_int(workflow), arg_text(key->hash), arg_int(key->occurrence))) > 0;
}

/* All in one append: a script may call a thousand agents at once. */
struct err tx_steps_queued(struct tx *tx, const struct steps_queued *queued) {
    static const char lives[] = "SELECT count(*) FROM runs WHERE id = $1 AND ended_ms IS NULL"
                                " AND epoch = $2";
    assert(queued->count <= STEPS_QUEUED_MAX);
    struct text data[STEPS_QUEUED_MAX];
    struct append appends[STEPS_QUEUED_MAX];
    struct appended appended;
    size_t count = 0;
    struct err err = ERR_OK;
    if (tx_number(tx, lives, ARGS(arg_int(queued->place.id), arg_int(tx_epoch(tx)))) == 0) {
        return tx_error(tx);
    }
    for (size_t i = 0; i < queued->count; i++) {
        const struct step_queued *step = &queued->steps[i];
        if (queued->again && step_has_row(tx, queued->place.id, &step->key)) {
            continue;
        }
        data[count] = queued_text(step, GATE_SLOT);
        if (queued->limited) {
            text_add_member(&data[count], "limit", BYTES("run"));
        }
        text_add_char(&data[count], '}');
        appends[count] = event_of(tx, &queued->place, "agent_queued", &data[count]);
        count++;
    }
    if (count > 0) {
        err = tx_append_all(tx, appends, count, &appended);
    }
    for (size_t i = 0; i < count; i++) {
        text_done(&data[i]);
    }
    return err_failed(err) ? err : tx_error(tx);
}

/* --- Waits ------------------------------------------------------------------------------------ */

struct err steps__event_provider(struct tx *tx, const struct run_row *row,
                                 const struct provider_wait *wait) {
    const struct workflow_place place = place_above(row);
    bool waits = wait->resume_at_ms != 0;
    if (row->parent_run.len == 0) {
        return ERR_OK; /* The workflow was removed with its stream. */
    }
    const struct step_key key = steps__key_of(tx, row->id);
    AUTO(text_done) struct text data = step_event_open(row->run, row->label, &key);
    text_add_member(&data, "gate", bytes_of(run_gate_name(GATE_PROVIDER)));
    if (waits) {
        text_add_member(&data, "cause", bytes_of(run_cause_name(wait->cause)));
        text_add_member_int(&data, "resume_at_ms", wait->resume_at_ms);
    }
    return step_event(tx, &place, waits ? "agent_retrying" : "agent_resumed", &data);
}

/* An event of the step that a turn belongs to, which is right above it, because agents of workflows
 * have no subagents. False: `parent` is no such step, or its workflow has ended, and gets no event
 * any more. */
static bool turn_event_open(struct tx *tx, int64_t parent, struct bytes owner,
                            struct workflow_place *ret_place, struct text *ret_data) {
    static const char sql[] = "SELECT p.id, p.run, r.run, r.label, r.step_key, r.occurrence"
                              " FROM runs r"
                              " JOIN runs p ON p.id = r.parent AND p.ended_ms IS NULL"
                              " WHERE r.id = $1 AND r.kind = 'agent'";
    AUTO(rows_release) struct rows *rows = tx_row(tx, sql, ARGS(arg_int(parent)));
    if (rows == NULL) {
        return false;
    }
    const struct step_key key = {rows_text(rows, 4), rows_int(rows, 5)};
    *ret_place =
        (struct workflow_place){.id = rows_int(rows, 0), .owner = owner, .run = rows_copy(rows, 1)};
    *ret_data = step_event_open(rows_text(rows, 2), rows_text(rows, 3), &key);
    return true;
}

struct err steps__event_budget(struct tx *tx, const struct run_row *turn,
                               const struct run_budget_wait *wait) {
    struct workflow_place place;
    AUTO(text_done) struct text data = {.len = 0};
    if (!turn_event_open(tx, turn->parent, turn->owner, &place, &data)) {
        return tx_error(tx);
    }
    text_add_member(&data, "gate", bytes_of(run_gate_name(GATE_BUDGET)));
    if (wait != NULL) {
        text_add_member(&data, "note", wait->note);
        text_add_member_int_or_null(&data, "resume_at_ms", wait->resume_at_ms,
                                    wait->resume_at_ms > 0);
    }
    return step_event(tx, &place, wait != NULL ? "agent_retrying" : "agent_resumed", &data);
}

struct err steps__event_asks(struct tx *tx, const struct approval_row *row) {
    struct workflow_place place;
    AUTO(text_done) struct text data = {.len = 0};
    if (!turn_event_open(tx, row->run_parent, row->owner, &place, &data)) {
        return tx_error(tx);
    }
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
    struct text data = step_event_open(told->run, told->label, &told->key);
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
    if (told->cached_from.len > 0) {
        text_add_member(&data, "cached_from", told->cached_from);
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
