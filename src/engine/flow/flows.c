/* flows.c: a flow starts, hears answers, gets children, and ends. See flows.h. */
#include "engine/flow/flows.h"

#include "base/utf8.h"
#include "engine/approval/rows.h"
#include "engine/flow/rows.h"
#include "engine/inbox/inbox.h"

enum { EVENT_MAX = 250 << 10, NOTE_MAX = 500 };

static struct bytes note_cut(struct bytes note) {
    return (struct bytes){note.data, utf8_cut(note, NOTE_MAX)};
}

/* --- Its start -------------------------------------------------------------------------------- */

static void steps_insert(struct tx *tx, int64_t run, const struct flow *flow,
                         const struct flow_reused *reused) {
    for (size_t i = 0; i < flow->count; i++) {
        const struct flow_step *step = &flow->steps[i];
        if (flows__is_reused(reused, i)) {
            flows__reused_insert(tx, run, flow, i, reused);
            continue;
        }
        tx_do(
            tx,
            "INSERT INTO flow_steps (run, place, name, status, phase, cause, version, chosen,"
            " tries, rounds, began_ms, changed_ms, due_ms, child, latest, session, approval, note,"
            " prompt, result, cached) VALUES ($1, $2, $3, $4, $5, $6, $7, -1, 0, 0, 0, $8, 0, 0,"
            " '', '', COALESCE((SELECT o.approval FROM flow_steps o WHERE o.run = $9 AND o.name ="
            " $3), ''), '', '', '', '')",
            ARGS(arg_int(run), arg_int((int64_t)i), arg_text(step->id),
                 arg_str(flow_status_names[step->status]), arg_str(flow_phase_names[step->phase]),
                 arg_str(flow_cause_names[step->cause]), arg_int(step->version),
                 arg_int(tx_steady_ms(tx)), arg_int(reused->run)));
    }
}

static void started_event(struct tx *tx, const struct flow_new *what, const struct flow *flow,
                          const struct flow_reused *reused) {
    const struct run_key key = {.owner = what->run.owner, .run = bytes_of(what->run.run.text)};
    AUTO(text_done) struct text data = text_up_to(EVENT_MAX);
    struct appended appended;
    text_add_char(&data, '{');
    text_add_member(&data, "run_id", key.run);
    text_add_member(&data, "flow_name", what->name);
    text_add_member_or_null(&data, "resumed_from", what->resume);
    text_add_name(&data, "steps");
    for (size_t i = 0; i < flow->count; i++) {
        const struct flow_step *step = &flow->steps[i];
        text_add_str(&data, i == 0 ? "[{" : ",{");
        text_add_member(&data, "step_id", step->id);
        text_add_member(&data, "kind", bytes_of(flow_kind_names[step->kind]));
        text_add_member(&data, "status", bytes_of(flow_status_names[step->status]));
        if (flows__is_reused(reused, i)) {
            text_add_member(&data, "cached", reused->cached[i]);
        }
        text_add_char(&data, '}');
    }
    text_add_str(&data, "]}");
    const struct append append = runs__event_of(tx, &key, "flow_run_started", &data);
    tx_fail(tx, tx_append(tx, &append, &appended));
}

/* The steps as they are before the first round; they borrow from the description. */
static struct err flow_begin(struct tx *tx, const struct flow_new *what, json_t **ret_description,
                             struct flow *flow, struct flow_reused *ret_reused, struct why *why) {
    TRY(json_parse_wrapped(what->description, ret_description, why));
    TRY(flow_read(*ret_description, flow, why));
    for (size_t i = 0; i < flow->count && what->excluded != NULL; i++) {
        if (what->excluded[i]) {
            flow_exclude(flow, i);
        }
    }
    return flows__reuse(tx, what, flow, ret_reused, why);
}

struct err tx_flow_plan(struct tx *tx, const struct flow_new *what, struct text *text,
                        struct why *why) {
    AUTO(json_release) json_t *description = NULL;
    AUTO(flow_free) struct flow flow = {0};
    struct flow_reused reused = {.run = 0};
    TRY(flow_begin(tx, what, &description, &flow, &reused, why));
    flows__plan_write(&flow, &reused, text);
    return ERR_OK;
}

struct err tx_flow_submit(struct tx *tx, const struct flow_new *what, struct run_row *ret_row,
                          struct why *why) {
    AUTO(json_release) json_t *description = NULL;
    AUTO(flow_free) struct flow flow = {0};
    struct flow_reused reused = {.run = 0};
    assert(what->run.kind == KIND_FLOW);
    TRY(flow_begin(tx, what, &description, &flow, &reused, why));
    started_event(tx, what, &flow, &reused);
    TRY(err_failed(tx_error(tx)) ? tx_error(tx) : tx_run_submit(tx, &what->run, ret_row));
    tx_do(tx,
          "INSERT INTO flows (run, name, file, source, description, input, model, root, stage,"
          " rewinds, rejected, failed, due_ms, report, step_timeout_ms, timeout_ms, artifact,"
          " artifact_fault, resumed_from, begun_from) VALUES ($1, $2, $3, $4, $5, $6, $7, $8,"
          " 'steps', 0, '', '', 0, '', $9, $10, '', '', $11, 0)",
          ARGS(arg_int(ret_row->id), arg_text(what->name), arg_text(what->file),
               arg_text(what->source), arg_text(what->description), arg_text(what->input),
               arg_text(what->model), arg_text(what->root), arg_int(what->step_timeout_ms),
               arg_int(what->timeout_ms),
               what->resume.len > 0 ? arg_text(what->resume) : arg_str("")));
    if (reused.run != 0) { /* A yes of named approvers is taken over by one run alone. */
        tx_do(tx, "UPDATE flows SET begun_from = 1 WHERE run = $1", ARGS(arg_int(reused.run)));
    }
    steps_insert(tx, ret_row->id, &flow, &reused);
    return tx_error(tx);
}

struct err tx_flow_again(struct tx *tx, const struct run_row *again, const struct flow_new *what,
                         struct run_row *ret_row, struct why *why) {
    TRY(tx_flow_submit(tx, what, ret_row, why));
    runs__set_retry_of(tx, again, ret_row);
    return tx_error(tx);
}

struct err tx_flow_adopt(struct tx *tx, struct bytes run, const struct run_bounds *bounds,
                         bool *ret_late) {
    AUTO(flows__done) struct flow_state state = {.description = NULL};
    struct run_row row;
    *ret_late = !runs__load(tx, run, &row) || row.state != RUN_RUNNING;
    if (!*ret_late) {
        flows__catch_up(tx, &row);
        if (!flows__load(tx, run, &state)) { /* A run without its row would run for ever. */
            tx_fail(tx, err_make(ERR_STORE_CORRUPT, "flows: row"));
        }
    }
    if (!*ret_late && !err_failed(tx_error(tx))) {
        tx_fail(tx, runs__adopt(tx, &state.run));
        flows__advance(tx, &state);
        flows__sweep(tx, &state, bounds);
    }
    return tx_error(tx);
}

/* --- Answers ---------------------------------------------------------------------------------- */

/* Keeps what was said where the row has a place for it. */
static void answer_keep(struct flow_state *state, size_t at, const struct flow_answer *answer,
                        struct bytes text) {
    const struct flow_step *step = &state->flow.steps[at];
    struct flow_had *had = &state->had[at];
    const bool is_result = answer->phase != FLOW_AT_RUN || step->kind == FLOW_KIND_CODE;
    if (answer->said == FLOW_SAID_THREW || answer->said == FLOW_SAID_FAILED) {
        had->note = note_cut(text);
    } else if (answer->phase == FLOW_AT_FILES) {
        had->files = text;
    } else if ((answer->said == FLOW_SAID_VALUE && step->phase != FLOW_AT_OUTPUT) ||
               answer->phase == FLOW_AT_PERSON) {
        *(is_result ? &had->result : &had->prompt) = text;
    }
}

/* "branch:LABEL"; "" where the default was chosen, or nothing. */
static struct bytes branch_of(struct tx *tx, const struct flow_state *state, size_t at,
                              const struct flow_answer *answer) {
    AUTO(text_done) struct text text = text_up_to(2 * FLOW_ID_MAX);
    const struct flow_step *step = &state->flow.steps[at];
    const struct bytes label = flow_branch_label(step, answer->chosen);
    text_addf(&text, "%s%.*s", label.len > 0 ? "branch:" : "", (int)label.len, label.data);
    return tx_copy_text(tx, &text, "flows: branch");
}

/* A run that was asked to stop hears no answers: the end of a child is then a part of its own end,
 * which cancels the step. */
static bool step_answer(struct flow_state *state, size_t at, const struct flow_answer *answer,
                        struct bytes text) {
    if (at >= state->flow.count || state->run.stop != CAUSE_NONE || state->stage != FLOW_IN_STEPS ||
        !flow_answered(&state->flow, at, answer)) {
        return false;
    }
    answer_keep(state, at, answer, text);
    return true;
}

struct err tx_flow_answer(struct tx *tx, const struct flow_told *told, bool *ret_late) {
    AUTO(flows__done) struct flow_state state;
    const size_t at = told->place.at;
    const bool loaded = flows__load_place(tx, &told->place, &state) && at < state.flow.count;
    const bool chose = loaded && told->answer.phase == FLOW_AT_CASES &&
                       told->answer.said == FLOW_SAID_VALUE &&
                       state.flow.steps[at].kind == FLOW_KIND_SWITCH;
    const struct bytes text = chose ? branch_of(tx, &state, at, &told->answer) : told->text;
    *ret_late = !loaded || !step_answer(&state, at, &told->answer, text);
    if (!*ret_late) {
        flows__advance(tx, &state);
        flows__sweep(tx, &state, &told->bounds);
    }
    return tx_error(tx);
}

struct err tx_flow_tick(struct tx *tx, const struct flow_due *due) {
    AUTO(flows__done) struct flow_state state;
    if (flows__load(tx, due->run, &state)) {
        if (state.stage == FLOW_IN_STEPS) {
            const int64_t rewinds = state.flow.rewinds;
            flows__revive(tx, &state, due);
            flow_tick(&state.flow);
            state.rejected = state.flow.rewinds > rewinds ? BYTES("") : state.rejected;
        }
        flows__advance(tx, &state);
        flows__sweep(tx, &state, &due->bounds);
    }
    return tx_error(tx);
}

/* --- Children --------------------------------------------------------------------------------- */

/* Whether the step, at that version, waits in `phase`. */
static bool step_waits(struct flow_state *state, const struct flow_place *place,
                       enum flow_phase phase) {
    return place->at < state->flow.count && state->stage == FLOW_IN_STEPS &&
           state->flow.steps[place->at].version == place->version &&
           state->flow.steps[place->at].phase == phase &&
           flow_status_is_open(state->flow.steps[place->at].status);
}

static struct err agent_begin(struct tx *tx, const struct flow_state *state,
                              const struct talk_new *agent, struct run_row *ret_row,
                              struct why *why) {
    struct talk_new talk = *agent;
    struct talk_begun begun;
    talk.message.parent = state->run.run;
    TRY(tx_talk_begin(tx, &talk, &begun, why));
    *ret_row = begun.turn;
    ret_row->session = begun.session.session; /* A turn's row has none of its own. */
    return ERR_OK;
}

/* A flow may name itself as a step. */
static bool flow_is_deep(struct tx *tx, const struct flow_state *state) {
    return tx_number(tx,
                     "WITH RECURSIVE above (id, parent) AS (SELECT r.id, r.parent FROM runs r"
                     " WHERE r.id = $1 UNION ALL SELECT r.id, r.parent FROM runs r JOIN above a"
                     " ON r.id = a.parent WHERE a.parent <> 0 AND r.kind = 'flow')"
                     " SELECT count(*) FROM above",
                     ARGS(arg_int(state->run.id))) >= FLOW_DEPTH_MAX;
}

/* Two steps that name their own flow double it with each level. */
static bool tree_is_full(struct tx *tx, const struct flow_state *state) {
    return tx_number(tx,
                     "SELECT count(*) FROM (SELECT b.id FROM runs r JOIN runs b ON b.root ="
                     " CASE WHEN r.root = 0 THEN r.id ELSE r.root END WHERE r.id = $1"
                     " AND b.root <> 0 AND (b.step_key = '' OR b.root <> b.parent)"
                     " AND b.kind = 'flow' LIMIT $2) f",
                     ARGS(arg_int(state->run.id), arg_int(FLOW_TREE_MAX))) >= FLOW_TREE_MAX;
}

static struct err child_begin(struct tx *tx, const struct flow_state *state,
                              const struct flow_child *child, struct run_row *ret_row,
                              struct why *why) {
    if (child->talk != NULL) {
        return agent_begin(tx, state, child->talk, ret_row, why);
    }
    if (child->job != NULL) {
        struct run_new job = *child->job;
        job.parent = state->run.run;
        return tx_run_submit(tx, &job, ret_row);
    }
    if (child->workflow != NULL) {
        struct workflow_new workflow = *child->workflow;
        workflow.run.parent = state->run.run;
        return tx_workflow_submit(tx, &workflow, ret_row, why);
    }
    if (flow_is_deep(tx, state)) {
        return err_why(why, ERR_CONFLICT, "flows are nested deeper than %d", FLOW_DEPTH_MAX);
    }
    if (tree_is_full(tx, state)) {
        return err_why(why, ERR_CONFLICT, "there are more than %d flows below one run",
                       FLOW_TREE_MAX);
    }
    struct flow_new flow = *child->flow;
    flow.run.parent = state->run.run;
    return tx_flow_submit(tx, &flow, ret_row, why);
}

/* The child may have ended in the commit that began it: a budget was used up. */
static void child_known(struct tx *tx, struct bytes run, size_t at, const struct run_row *child) {
    tx_do(tx,
          "UPDATE flow_steps SET child = $3, session = $4, latest = $5 WHERE place = $2 AND run ="
          " (SELECT id FROM runs WHERE run = $1)",
          ARGS(arg_text(run), arg_int((int64_t)at), arg_int(child->id), arg_text(child->session),
               arg_text(child->run)));
    if (run_state_final(child->state)) {
        tx_fail(tx, flows__child_ended(tx, child, BYTES("")));
    }
}

struct err tx_flow_child(struct tx *tx, const struct flow_child *child, bool *ret_late,
                         struct why *why) {
    AUTO(flows__done) struct flow_state state;
    struct run_row row;
    *ret_late = !flows__load_place(tx, &child->place, &state) ||
                !step_waits(&state, &child->place, FLOW_AT_CHILD) ||
                state.had[child->place.at].child != 0;
    if (*ret_late) {
        return tx_error(tx);
    }
    if (flows__approved_differs(tx, &state, child->place.at, child->files)) {
        *ret_late = flow_ask_again(&state.flow, child->place.at);
        flows__advance(tx, &state);
        return tx_error(tx);
    }
    TRY(child_begin(tx, &state, child, &row, why));
    child_known(tx, child->place.run, child->place.at, &row);
    return tx_error(tx);
}

/* --- Agents of code --------------------------------------------------------------------------- */

struct err tx_flow_call(struct tx *tx, const struct flow_call *call, bool *ret_late,
                        struct flow_called *ret_called) {
    AUTO(flows__done) struct flow_state state;
    *ret_called = (struct flow_called){.text = BYTES("")};
    *ret_late = !flows__load_place(tx, &call->place, &state) ||
                !step_waits(&state, &call->place, FLOW_AT_RUN);
    if (*ret_late) {
        return tx_error(tx);
    }
    const struct arg key[] = {arg_int(state.run.id), arg_int((int64_t)call->place.at),
                              arg_int(call->place.version), arg_int(call->number)};
    struct rows *rows =
        tx_row(tx,
               "SELECT agent, task, child, state, result FROM flow_calls WHERE run = $1"
               " AND place = $2 AND version = $3 AND number = $4",
               key, COUNT_OF(key));
    if (rows == NULL) {
        tx_do(tx,
              "INSERT INTO flow_calls (run, place, version, number, agent, task, child, session,"
              " state, result) VALUES ($1, $2, $3, $4, $5, $6, 0, '', '', '')",
              ARGS(key[0], key[1], key[2], key[3], arg_text(call->agent), arg_text(call->task)));
        if (state.flow.steps[call->place.at].dispatched++ == 0) {
            flows__advance(tx, &state); /* The code holds nobody up any more. */
        }
        return tx_error(tx);
    }
    if (bytes_equal(rows_text(rows, 0), call->agent) &&
        bytes_equal(rows_text(rows, 1), call->task)) {
        ret_called->begun = rows_int(rows, 2) != 0;
        ret_called->ended = rows_text(rows, 3).len > 0;
        ret_called->failed = bytes_is(rows_text(rows, 3), "failed");
        ret_called->text = rows_copy(rows, 4);
    } else {
        ret_called->ended = ret_called->failed = true;
        ret_called->text = BYTES("the step asked for another agent when it ran before");
    }
    rows_release(&rows);
    return tx_error(tx);
}

struct err tx_flow_call_begin(struct tx *tx, const struct flow_call *call,
                              const struct talk_new *talk, bool *ret_late, struct why *why) {
    AUTO(flows__done) struct flow_state state;
    struct run_row row;
    *ret_late = !flows__load_place(tx, &call->place, &state) ||
                !step_waits(&state, &call->place, FLOW_AT_RUN);
    if (*ret_late) {
        return tx_error(tx);
    }
    const struct arg key[] = {arg_int(state.run.id), arg_int((int64_t)call->place.at),
                              arg_int(call->place.version), arg_int(call->number)};
    if (tx_number(tx,
                  "SELECT child FROM flow_calls WHERE run = $1 AND place = $2 AND version = $3"
                  " AND number = $4",
                  key, COUNT_OF(key)) != 0) {
        *ret_late = true;
        return tx_error(tx);
    }
    TRY(agent_begin(tx, &state, talk, &row, why));
    tx_do(tx,
          "UPDATE flow_calls SET child = $5, session = $6 WHERE run = $1 AND place = $2"
          " AND version = $3 AND number = $4",
          ARGS(key[0], key[1], key[2], key[3], arg_int(row.id), arg_text(row.session)));
    if (run_state_final(row.state)) {
        tx_fail(tx, flows__child_ended(tx, &row, BYTES("")));
    }
    return tx_error(tx);
}

/* --- The end of a child ----------------------------------------------------------------------- */

static struct bytes child_result(struct tx *tx, const struct run_row *child, struct bytes output) {
    const struct run_kind_ops *kind = &run_kinds[child->kind];
    struct bytes said = output;
    if (kind->said != NULL) {
        tx_fail(tx, kind->said(tx, child, &said));
    }
    return said;
}

static struct bytes child_note(struct tx *tx, const struct run_row *child) {
    AUTO(text_done) struct text text = text_up_to(NOTE_MAX + 200);
    const struct bytes note = note_cut(child->note);
    text_add_str(&text, run_cause_name(child->cause));
    if (child->cause == CAUSE_EXIT_CODE) {
        text_addf(&text, " %lld; 'drover logs %.*s' has what it printed",
                  (long long)child->exit_code, (int)child->run.len, child->run.data);
    }
    text_addf(&text, "%s%.*s", note.len > 0 ? ": " : "", (int)note.len, note.data);
    return tx_copy_text(tx, &text, "flows: note");
}

static void call_ended(struct tx *tx, const struct run_row *child, struct bytes output) {
    const bool succeeded = child->state == RUN_SUCCEEDED;
    tx_do(tx, "UPDATE flow_calls SET state = $2, result = $3 WHERE child = $1 AND child <> 0",
          ARGS(arg_int(child->id), arg_str(succeeded ? "done" : "failed"),
               arg_text(succeeded ? child_result(tx, child, output) : child_note(tx, child))));
}

struct parent_look {
    struct bytes run;
    struct flow_state *state; /* Borrowed. */
    bool found;
};

static struct err parent_look(struct tx *tx, void *ctx) {
    struct parent_look *look = ctx;
    look->found = flows__load(tx, look->run, look->state);
    return tx_error(tx);
}

/* Damage in the rows of the flow keeps no child from its end: a look at the flow follows, which
 * finds the same, and ends it. */
static bool parent_load(struct tx *tx, const struct run_row *child, struct flow_state *ret_state) {
    struct parent_look look = {.run = child->parent_run, .state = ret_state};
    struct run_row row;
    struct err refused = ERR_OK;
    tx_fail(tx, tx_try(tx, parent_look, &look, &refused));
    if (err_failed(refused) && runs__load(tx, child->parent_run, &row)) {
        tx_fail(tx, runs__tell(tx, &row));
    }
    return look.found && !err_failed(refused) && !err_failed(tx_error(tx));
}

struct err flows__child_ended(struct tx *tx, const struct run_row *child, struct bytes output) {
    AUTO(flows__done) struct flow_state state = {.description = NULL};
    if (child->parent == 0 || child->parent_run.len == 0) {
        return ERR_OK;
    }
    struct rows *rows =
        tx_row(tx,
               "SELECT 0, place + 1 FROM flow_steps WHERE child = $1 AND child <> 0"
               " UNION ALL SELECT 1, 0 FROM flow_calls WHERE child = $1 AND child <> 0",
               ARGS(arg_int(child->id)));
    const bool is_call = rows != NULL && rows_int(rows, 0) == 1;
    const int64_t place = rows != NULL ? rows_int(rows, 1) : 0;
    rows_release(&rows);
    if (is_call) {
        call_ended(tx, child, output);
    }
    if ((place == 0 && !is_call) || !parent_load(tx, child, &state)) {
        return tx_error(tx);
    }
    const bool succeeded = child->state == RUN_SUCCEEDED;
    if (state.run.stop != CAUSE_NONE && !succeeded) {
        return tx_error(tx); /* Stopped with its flow: the step is cancelled, and has not failed. */
    }
    if (place > 0) {
        const size_t at = (size_t)(place - 1);
        const struct flow_answer answer = {.version = state.flow.steps[at].version,
                                           .phase = state.flow.steps[at].phase,
                                           .said = succeeded ? FLOW_SAID_VALUE : FLOW_SAID_FAILED};
        const struct bytes text =
            succeeded ? child_result(tx, child, output) : child_note(tx, child);
        (void)step_answer(&state, at, &answer, text); /* Nobody may wait for it any more. */
        if (state.flow.steps[at].phase != FLOW_AT_OUTPUT) {
            state.had[at].child = 0;
            tx_do(tx, "UPDATE flow_steps SET child = 0 WHERE run = $1 AND place = $2",
                  ARGS(arg_int(state.run.id), arg_int(place - 1)));
        }
    }
    flows__advance(tx, &state);
    return tx_error(tx);
}

/* --- A person --------------------------------------------------------------------------------- */

/* {"approved", "by", "at_ms", "reason"?, "fields"?} */
static struct bytes person_result(struct tx *tx, const struct approval_row *row) {
    AUTO(json_release) json_t *answer = NULL;
    AUTO(text_done) struct text text = text_up_to(2 * APPROVAL_ANSWER_MAX);
    const bool denied = row->state == APPROVAL_DENIED;
    text_addf(&text, "{\"approved\":%s", denied ? "false" : "true");
    text_add_member(&text, "by", row->by);
    text_add_member_int(&text, "at_ms", row->answered_ms);
    if (row->kind == ASKS_FORM && !denied) {
        json_t *fields = NULL;
        if (!err_failed(json_parse_wrapped(row->answer, &answer, NULL))) {
            fields = json_object_get(answer, "fields");
        }
        text_add_name(&text, "fields");
        if (fields == NULL || err_failed(json_write(fields, &text))) {
            text_add_str(&text, "null");
        }
    } else if (row->answer.len > 0) {
        text_add_member(&text, "reason", row->answer);
    }
    text_add_char(&text, '}');
    return tx_copy_text(tx, &text, "flows: answer");
}

struct err flows__answered(struct tx *tx, const struct approval_row *row) {
    AUTO(flows__done) struct flow_state state = {.description = NULL};
    if (!flows__load(tx, row->run, &state)) {
        return tx_error(tx);
    }
    const size_t at = flow_find(&state.flow, row->step);
    if (at == FLOW_NONE) {
        return tx_error(tx);
    }
    const bool denied = row->state == APPROVAL_DENIED;
    const struct flow_answer answer = {.version = state.flow.steps[at].version,
                                       .phase = FLOW_AT_PERSON,
                                       .said = denied ? FLOW_SAID_NO : FLOW_SAID_YES};
    const int64_t rewinds = state.flow.rewinds;
    if (step_answer(&state, at, &answer, person_result(tx, row))) {
        state.rejected = state.flow.rewinds > rewinds ? row->answer : state.rejected;
        flows__advance(tx, &state);
    }
    return tx_error(tx);
}

/* The agent of a step asks, or has its answer: the step is blocked, or goes on. */
struct err flows__child_asks(struct tx *tx, const struct approval_row *row) {
    static const char steps[] =
        "SELECT r.run, s.name FROM flow_steps s JOIN runs r ON r.id = s.run WHERE s.run = $1"
        " AND s.child = $2 AND s.child <> 0 UNION ALL"
        " SELECT r.run, s.name FROM flow_calls c JOIN flow_steps s ON s.run = c.run"
        " AND s.place = c.place JOIN runs r ON r.id = c.run WHERE c.run = $1 AND c.child = $2"
        " AND c.child <> 0";
    AUTO(rows_release)
    struct rows *rows = tx_row(tx, steps, ARGS(arg_int(row->run_parent), arg_int(row->run_id)));
    if (rows == NULL) {
        return tx_error(tx);
    }
    const bool open = row->state == APPROVAL_OPEN;
    const struct run_key key = {.owner = row->owner, .run = rows_copy(rows, 0)};
    AUTO(text_done) struct text data = text_up_to(EVENT_MAX);
    struct appended appended;
    text_add_char(&data, '{');
    text_add_member(&data, "run_id", key.run);
    text_add_member(&data, "step_id", rows_text(rows, 1));
    text_add_member(&data, "status",
                    bytes_of(open ? FLOW_BLOCKED : flow_status_names[FLOW_RUNNING]));
    text_add_member(&data, "phase", bytes_of(flow_phase_names[FLOW_AT_CHILD]));
    text_add_member_or_null(&data, "approval", open ? row->approval : BYTES(""));
    text_add_char(&data, '}');
    const struct append append = runs__event_of(tx, &key, "flow_run_step_updated", &data);
    tx_fail(tx, tx_append(tx, &append, &appended));
    rows_release(&rows);
    AUTO(flows__done) struct flow_state state = {.description = NULL};
    if (open && flows__load(tx, key.run, &state)) { /* The place of the step is free. */
        flows__advance(tx, &state);
    }
    return tx_error(tx);
}

/* --- Its end ---------------------------------------------------------------------------------- */

static const char *run_status_name(const struct run_row *run) {
    return run->state == RUN_SUCCEEDED   ? "completed"
           : run->state == RUN_CANCELLED ? "cancelled"
           : run->state == RUN_TIMED_OUT ? "timed_out"
                                         : "failed";
}

/* The last event: of the step because of which it failed, else of the last one. */
static void last_event(struct tx *tx, const struct run_row *run, const struct flow_state *state) {
    const struct run_key key = {.owner = run->owner, .run = run->run};
    const size_t failed =
        state->flow.count > 0 ? flow_find(&state->flow, state->failed) : FLOW_NONE;
    const size_t at = failed != FLOW_NONE ? failed : state->flow.count - 1;
    AUTO(text_done) struct text data = text_up_to(EVENT_MAX);
    struct appended appended;
    text_add_char(&data, '{');
    text_add_member(&data, "run_id", run->run);
    if (state->flow.count > 0) {
        const struct flow_step *step = &state->flow.steps[at];
        text_add_member(&data, "step_id", step->id);
        text_add_member(&data, "status", bytes_of(flow_status_names[step->status]));
    }
    text_add_member(&data, "run_status", bytes_of(run_status_name(run)));
    text_add_member_or_null(
        &data, "cause",
        bytes_of(state->flow.count > 0 ? flow_cause_names[state->flow.steps[at].cause] : ""));
    text_add_member(&data, "run_cause", bytes_of(run_cause_name(run->cause)));
    text_add_member_or_null(&data, "note", run->note);
    const size_t len = utf8_cut(state->report, EVENT_MAX / 8); /* As JSON it may be longer. */
    text_add_member(&data, "report", (struct bytes){state->report.data, len});
    if (len < state->report.len) {
        text_add_member_bool(&data, "report_cut", true);
    }
    flows__artifact_write(state, &data);
    text_add_char(&data, '}');
    struct append append = runs__event_of(tx, &key, "flow_run_step_updated", &data);
    append.last = true;
    tx_fail(tx, tx_append(tx, &append, &appended));
}

struct err flows__ended(struct tx *tx, const struct run_row *run, struct run_freed *freed) {
    AUTO(flows__done) struct flow_state state = {.description = NULL};
    (void)freed; /* The caller asks its children. */
    if (!flows__close(tx, run, &state)) {
        return flows__closed(tx, run);
    }
    last_event(tx, run, &state);
    return tx_error(tx);
}

static struct err flow_rows_close(struct tx *tx, void *ctx) {
    const struct run_row *run = ctx;
    tx_do(tx, "UPDATE flows SET stage = 'over', due_ms = 0 WHERE run = $1", ARGS(arg_int(run->id)));
    tx_do(tx,
          "UPDATE flow_steps SET status = 'cancelled', phase = 'over', cause = 'run_over'"
          " WHERE run = $1 AND status IN ('pending', 'running')",
          ARGS(arg_int(run->id)));
    return tx_error(tx);
}

static struct err questions_close(struct tx *tx, void *ctx) {
    return approvals__cancel(tx, ctx);
}

/* Rows that are refused stay as they are: the run has ended by its own row. */
struct err flows__closed(struct tx *tx, const struct run_row *run) {
    struct run_row row = *run;
    struct err refused = ERR_OK;
    tx_fail(tx, tx_try(tx, flow_rows_close, &row, &refused));
    tx_fail(tx, tx_try(tx, questions_close, &row, &refused));
    const struct flow_state none = {.report = BYTES(""),
                                    .failed = BYTES(""),
                                    .artifact = BYTES(""),
                                    .artifact_fault = BYTES("")};
    last_event(tx, run, &none);
    return tx_error(tx);
}

static void verdict_write(const struct flow_state *state, const struct flow_over *over,
                          struct run_row *run) {
    if (run->stop != CAUSE_NONE) {
        const struct run_verdict verdict = run_judge_stopped(run);
        run->state = verdict.state;
        run->cause = verdict.cause;
        return;
    }
    if (over->not_stored) {
        run->state = RUN_FAILED;
        run->cause = CAUSE_NOT_STORED;
        return;
    }
    const bool stuck = bytes_is(state->failed, FLOW_UNSATISFIABLE);
    const enum flow_how how = flows__how(state->stage, state->failed);
    run->state = how == FLOW_EXPIRES                          ? RUN_TIMED_OUT
                 : how != FLOW_SUCCEEDS || over->note.len > 0 ? RUN_FAILED
                                                              : RUN_SUCCEEDED;
    run->cause = how == FLOW_EXPIRES    ? CAUSE_DEADLINE
                 : stuck                ? CAUSE_UNSATISFIABLE
                 : how != FLOW_SUCCEEDS ? CAUSE_STEP_FAILED
                 : over->note.len > 0   ? CAUSE_SCRIPT_ERROR
                                        : CAUSE_COMPLETED;
}

static struct bytes note_of_end(struct tx *tx, const struct flow_state *state,
                                const struct flow_over *over) {
    const size_t at = flow_find(&state->flow, state->failed);
    AUTO(text_done) struct text text = text_up_to(NOTE_MAX + 400);
    if (over->not_stored) {
        return note_cut(over->note);
    }
    if (at == FLOW_NONE) {
        if (flows__how(state->stage, state->failed) == FLOW_EXPIRES) {
            return BYTES("it reached its time limit");
        }
        text_addf(&text, "%s%.*s", over->note.len > 0 ? "the report could not be made: " : "",
                  (int)over->note.len, over->note.data);
        return note_cut(tx_copy_text(tx, &text, "flows: note"));
    }
    const struct flow_step *step = &state->flow.steps[at];
    const bool timed_out = step->status == FLOW_TIMED_OUT;
    const struct bytes note = state->had[at].note;
    if (timed_out) {
        text_addf(&text, "step '%.*s' timed out%s", (int)step->id.len, step->id.data,
                  step->kind == FLOW_KIND_AGENT ? "" : " (non-retriable kind)");
    } else {
        text_addf(&text, "%sstep '%.*s' %s: %.*s",
                  step->kind == FLOW_KIND_SWITCH && step->cause == FLOW_BECAUSE_THREW ? "switch "
                                                                                      : "",
                  (int)step->id.len, step->id.data,
                  step->cause == FLOW_BECAUSE_THREW   ? "threw"
                  : step->cause == FLOW_BECAUSE_CHILD ? "failed"
                                                      : flow_cause_names[step->cause],
                  (int)note.len, note.data);
    }
    return note_cut(tx_copy_text(tx, &text, "flows: note"));
}

struct err tx_flow_end(struct tx *tx, const struct flow_over *over, bool *ret_late) {
    AUTO(flows__done) struct flow_state state;
    struct run_freed freed = {.kinds = 0};
    *ret_late =
        !flows__load(tx, over->run, &state) ||
        (state.stage != FLOW_IN_REPORT && state.run.stop == CAUSE_NONE && !over->not_stored);
    if (*ret_late) {
        return tx_error(tx);
    }
    struct run_row run = state.run;
    const struct run_end end = {.from = run.state, .output = over->report};
    verdict_write(&state, over, &run);
    run.note = run.stop == CAUSE_NONE ? note_of_end(tx, &state, over) : BYTES("");
    tx_do(tx, "UPDATE flows SET report = $2, artifact = $3, artifact_fault = $4 WHERE run = $1",
          ARGS(arg_int(run.id), arg_text(over->report), arg_text(over->artifact),
               arg_text(note_cut(over->artifact_fault))));
    tx_fail(tx, runs__end(tx, &end, &run, &freed));
    tx_fail(tx, runs__ask_children(tx, &run, &freed));
    tx_fail(tx, runs__admit_freed(tx, &freed, &over->bounds));
    return tx_error(tx);
}

struct err flows__said(struct tx *tx, const struct run_row *run, struct bytes *ret_text) {
    *ret_text = tx_text(tx, "SELECT report FROM flows WHERE run = $1", ARGS(arg_int(run->id)));
    return tx_error(tx);
}

/* --- Removed ---------------------------------------------------------------------------------- */

size_t flows__talks(struct tx *tx, int64_t flow, struct run_talk ret_talks[RUN_TALKS_PAGE]) {
    static const char turns[] =
        "SELECT t.id, u.session FROM runs t JOIN turns u ON u.run = t.id WHERE t.parent = $1"
        " AND t.parent <> 0 AND t.step_key = '' AND t.ended_ms IS NOT NULL AND NOT EXISTS"
        " (SELECT 1 FROM runs c WHERE c.parent = t.id AND c.parent <> 0 AND c.step_key = ''"
        " AND c.ended_ms IS NULL) LIMIT $2";
    size_t count = 0;
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx, turns, ARGS(arg_int(flow), arg_int(RUN_TALKS_PAGE)));
    while (count < RUN_TALKS_PAGE && rows_step(rows)) {
        ret_talks[count++] =
            (struct run_talk){.turn = rows_int(rows, 0), .session = rows_int(rows, 1)};
    }
    return count;
}

/* The flow may be gone before such a turn, if something below the turn lived on. */
int64_t flows__talk_session(struct tx *tx, int64_t turn) {
    static const char session[] =
        "SELECT s.id FROM runs t JOIN turns u ON u.run = t.id JOIN sessions s ON s.id = u.session"
        " WHERE t.id = $1 AND t.parent <> 0 AND t.step_key = '' AND s.parent = 0 AND NOT EXISTS"
        " (SELECT 1 FROM runs p WHERE p.id = t.parent AND NOT EXISTS"
        " (SELECT 1 FROM flows f WHERE f.run = p.id))";
    return tx_number(tx, session, ARGS(arg_int(turn)));
}

void flows__forget(struct tx *tx, int64_t run) {
    tx_do(tx, "DELETE FROM flow_calls WHERE run = $1", ARGS(arg_int(run)));
    tx_do(tx, "DELETE FROM flow_steps WHERE run = $1", ARGS(arg_int(run)));
    tx_do(tx, "DELETE FROM flows WHERE run = $1", ARGS(arg_int(run)));
}
