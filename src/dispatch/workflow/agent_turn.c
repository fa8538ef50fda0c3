/* agent_turn.c: an agent with tools: a turn of a session of its own.
 *
 * dispatch/turn performs the turn; here it is only waited for (dispatch/base/run_wait.h), and its
 * answer is read when it has ended. A daemon that comes back finds the turn's name in the row of
 * the step, and waits for it as for any other.
 *
 * Silence. dispatch/turn knows when the model was heard last, and is asked from time to time. Only
 * a model that is being asked counts: a tool, a command, a check and a summary have limits of their
 * own, and an agent that waits for a person, a budget or a place in line does not work at all. Like
 * an agent that is one call it is restarted, WORKFLOW_RESTARTS_MAX times, each time as a new
 * attempt of its row and with a turn of its own; then it is null, `stuck`. */
#include "base/memory.h"
#include "dispatch/turn/turns.h"
#include "dispatch/workflow/agent.h"
#include "tool/tool.h"

/* --- Its row ---------------------------------------------------------------------------------- */

static const char *call_root(const struct call *call) {
    return call->tree == NULL ? call->workflow->root : call->tree->git.texts[TREE_ROOT];
}

/* The texts stay with the op, which outlives the transaction. */
void call__fill_turn(struct call *call, struct begin_op *own) {
    const struct workflow *workflow = call->workflow;
    const json_t *of_run = json_object_get(workflow->spec, "settings");
    const json_t *effort = call__option(call, "effort"), *schema = call__option(call, "schema");
    const struct agent_tools tools = call__tools(call);
    const struct bytes label = call__name(call->message, "label"), root = bytes_of(call_root(call));
    const int64_t rounds = call__limit(call, "max_tool_iters");
    struct text *bytes = &own->op.bytes;
    AUTO(json_release)
    json_t *settings = of_run == NULL ? json_object() : json_copy((json_t *)of_run);
    (void)json_object_set_new(
        settings, "tools",
        workflow__tools(json_object_get(of_run, "tools"),
                        tools.asked & tools.type & workflows__tools(workflow->workflows)));
    /* The run's limit holds for each of its agents; one that asks for less gets less. */
    int64_t limit = call__limit(call, "max_tool_calls");
    if (limit > 0 && json_int(settings, "max_tool_calls", INT64_MAX) > limit) {
        (void)json_object_set_new(settings, "max_tool_calls", json_integer(limit));
    }
    /* A script that edits files would stop at its first one, so nobody is asked (decisions/042).
     * What a model has started may do what its session may, and no more. */
    if (!workflow__is_confined(workflow) && json_object_get(settings, "edits") == NULL) {
        (void)json_object_set_new(settings, "edits", json_string("allow")); /* NULL is refused. */
    }
    if (effort != NULL) {
        const char *name = json_string_value(effort);
        bool more = name != NULL && (strcmp(name, "xhigh") == 0 || strcmp(name, "max") == 0);
        (void)json_object_set_new(settings, "effort",
                                  more ? json_string("high") : json_incref((json_t *)effort));
    }
    text_init(bytes, 3 * (size_t)RUN_SPEC_MAX);
    if (settings == NULL || err_failed(json_write(settings, bytes))) {
        text_clear(bytes);
        text_add_str(bytes, "{\"tools\":[]}");
    }
    const size_t schema_at = bytes->len;
    if (schema != NULL && err_failed(json_write(schema, bytes))) {
        bytes->len = schema_at;
    }
    const size_t words_at = bytes->len;
    call__write_instructions(call, bytes);
    const size_t root_at = bytes->len;
    text_add(bytes, root.data, root.len); /* A copy: the tree may go before the op does. */
    const size_t program_at = bytes->len;
    text_add(bytes, text_bytes(&call->program).data, call->program.len);
    const char *data = bytes->data;
    struct talk_new *talk = own->op.owned = mem_new(sizeof *talk);
    own->begin.talk = talk;
    talk->session = (struct session_new){
        .session = workflows__new_id(workflow->workflows, "ses"),
        .title = label.len == 0 ? BYTES("An agent of a workflow") : label,
        .project = workflow__project(workflow),
        .path = json_bytes(workflow->spec, "path"),
        .root = {program_at == root_at + root.len ? data + root_at : root.data, root.len},
        .program = {data + program_at, bytes->len - program_at},
        .settings = {data, schema_at},
        .instructions = {root_at > words_at ? data + words_at : NULL, root_at - words_at}};
    talk->message = (struct turn_message){
        .schema = {words_at > schema_at ? data + schema_at : NULL, words_at - schema_at},
        /* The call after the last round is the one that sums up. */
        .calls_max = rounds < 0           ? 0
                     : rounds < INT32_MAX ? rounds + 1
                                          : INT32_MAX,
        .run = call->turn,
        .message = workflows__new_id(workflow->workflows, "msg"),
        .answer = workflows__new_id(workflow->workflows, "msg")};
}

/* --- Silence of its model --------------------------------------------------------------------- */

static void turn_watch_silence(struct call *call, int64_t wait_ms);

/* A user may have been faster: then the attempt is another one, or over. */
static struct err restart_tx(struct tx *tx, void *ctx) {
    struct workflow_op *op = ctx;
    const struct run_key key = {.run = bytes_of(op->run.text)};
    struct run_row row;
    struct why why = {""};
    bool found = false;
    TRY(tx_run_find(tx, &key, &found, &row));
    if (!found || row.attempt != op->attempt) {
        return ERR_OK;
    }
    const struct err err =
        tx_step_restart(tx, &key, &op->workflow->workflows->options.bounds, &row, &why);
    return err.code == ERR_STEP_ENDED ? ERR_OK : err;
}

/* The note of its row has reported the outcome. */
static void restart_done(struct workflow_op *op) {
    if (op->call->state == CALL_TURN) {
        turn_watch_silence(op->call, op->workflow->workflows->options.limits.stuck_ms);
    }
}

static void turn_on_silence(struct timer *timer) {
    struct call *call = CONTAINER_OF(timer, struct call, timer);
    const struct workflows *workflows = call->workflow->workflows;
    const int64_t stuck_ms = workflows->options.limits.stuck_ms;
    if (call->state != CALL_TURN) {
        return;
    }
    int64_t silence_ms = turns_silence_ms(workflows->turns_of, bytes_of(call->turn.text));
    if (silence_ms < stuck_ms) {
        turn_watch_silence(call, silence_ms < 0 ? stuck_ms / 2 : stuck_ms - silence_ms);
    } else if (call->silences < WORKFLOW_RESTARTS_MAX) {
        call->silences++;
        call->silent_attempt = call->attempt;
        workflow__op_send(call__op(call, sizeof(struct workflow_op), restart_tx, restart_done));
    } else {
        call__fail(call, CAUSE_STUCK, "its model said nothing for too long, three times");
    }
}

static void turn_watch_silence(struct call *call, int64_t wait_ms) {
    const struct workflows *workflows = call->workflow->workflows;
    if (workflows->turns_of != NULL) {
        timer_start(workflows->options.loop, &call->timer, (uint64_t)wait_ms, turn_on_silence);
    }
}

/* --- Begun ------------------------------------------------------------------------------------ */

static void on_turn_change(struct run_wait *wait);
static void on_turn_end(struct run_wait *wait);

void call__new_turn(struct call *call) {
    const struct workflows *workflows = call->workflow->workflows;
    call->turn = workflows__new_id(workflows, "run");
    call->turn_wait.on_change = on_turn_change;
    call->turn_wait.on_end = on_turn_end;
    run_wait_expect(workflows->options.waits, &call->turn_wait, bytes_of(call->turn.text));
    turn_watch_silence(call, workflows->options.limits.stuck_ms);
}

/* Late: a note has the reason. */
static struct err turn_tx(struct tx *tx, void *ctx) {
    struct begin_op *own = ctx;
    return tx_step_talk(tx, &own->begin, own->op.attempt, &own->op.late);
}

static void turn_done(struct workflow_op *op) {
    op->call->row = ROW_WRITTEN;
    if (op->call->state == CALL_ENDED) {
        call__tick(op->call); /* The outcome has waited for this. */
    }
}

void call__start_turn(struct call *call) {
    call__new_turn(call);
    struct begin_op *own = call__op(call, sizeof *own, turn_tx, turn_done);
    own->op.begin = &own->begin;
    own->begin = call__step(call, &own->op, &own->reuse);
    call__fill_turn(call, own);
    call__enter(call, CALL_TURN);
    call__watch_deadline(call);
    workflow__op_send(&own->op);
}

/* --- Waited for ------------------------------------------------------------------------------- */

/* Writes what the agent said, as its step will have it. What is too long, or not what it owes,
 * fails its builder. */
static void turn_write_result(struct bytes said, bool owes_object, struct text *result) {
    AUTO(json_release) json_t *json = NULL;
    if (!owes_object) {
        text_add_json(result, said.data, said.len);
    } else if (err_failed(json_parse(said.data, said.len, JSON_DEPTH_MAX, &json, NULL)) ||
               err_failed(json_write(json, result))) {
        result->failed = true; /* Though its turn has checked it. */
    }
}

struct talked_op {
    struct workflow_op op;
    struct step_talked talked;
    bool owes_object; /* The agent of that turn does. */
};

/* `more` has the note. */
static struct err turn_read_tx(struct tx *tx, void *ctx) {
    struct talked_op *own = ctx;
    struct text *note = &own->op.more;
    text_clear(&own->op.bytes);
    text_clear(note);
    TRY(tx_step_talked(tx, bytes_of(own->op.turn.text), &own->talked));
    text_add(note, own->talked.note.data, own->talked.note.len);
    turn_write_result(own->talked.said, own->owes_object, &own->op.bytes);
    return text_failed(note) ? text_error(note, "workflow: talk") : ERR_OK;
}

static void turn_read_done(struct workflow_op *op) {
    struct call *call = op->call;
    const struct talked_op *own = CONTAINER_OF(op, struct talked_op, op);
    const struct step_talked *talked = &own->talked;
    const struct bytes note = text_bytes(&op->more);
    if (op->workflow->state == WORKFLOW_ENDING || call->state != CALL_TURN ||
        strcmp(op->turn.text, call->turn.text) != 0 /* Restarted since. */) {
        return;
    }
    if (!talked->ended) {
        call__fail(call, CAUSE_OUTCOME_UNKNOWN, "the turn of its agent was removed");
        return;
    }
    call->cause = talked->cause;
    call->resume_at_ms = talked->resume_at_ms;
    if (call->cause == CAUSE_SCHEMA_MISMATCH) {
        call__note_misfit(call, note);
    } else {
        call__set_note(call, note);
    }
    if (talked->state == RUN_SUCCEEDED || talked->state == RUN_DEGRADED) {
        text_done(&call->result);
        call->result = op->bytes;
        text_init(&op->bytes, 0);
        if (text_failed(&call->result)) {
            call->cause = own->owes_object ? CAUSE_SCHEMA_MISMATCH : CAUSE_TOO_LARGE;
        }
    }
    call__tick(call);
}

static bool call_waits_in_turn(const struct call *call) {
    const struct run_status *status = &call->turn_wait.status;
    return status->state == RUN_WAITING &&
           (status->not_before_ms == 0 || call__parks(call, status->not_before_ms));
}

static void on_turn_change(struct run_wait *wait) {
    struct call *call = CONTAINER_OF(wait, struct call, turn_wait);
    if (call->workflow->state == WORKFLOW_FREED || call->state != CALL_TURN) {
        return;
    }
    const bool waits = call_waits_in_turn(call);
    if (waits != (call->waits_since_ms != 0)) {
        call__set_waiting(call, waits);
    }
    /* While its turn waits for a provider, the agent is shown as waiting, too, and keeps its slot
     * and its deadline. */
    call__wait(call, &(struct provider_wait){.resume_at_ms = wait->status.state == RUN_WAITING
                                                                 ? wait->status.not_before_ms
                                                                 : 0});
}

static void on_turn_end(struct run_wait *wait) {
    struct call *call = CONTAINER_OF(wait, struct call, turn_wait);
    if (call->workflow->state == WORKFLOW_FREED || call->state != CALL_TURN) {
        return;
    }
    struct talked_op *own = call__op(call, sizeof *own, turn_read_tx, turn_read_done);
    own->op.reads = true;
    own->owes_object = call__option(call, "schema") != NULL;
    text_init(&own->op.bytes, 2 * (size_t)WORKFLOW_RESULT_MAX);
    text_init(&own->op.more, WORKFLOW_RESULT_MAX);
    workflow__op_send(&own->op);
}

/* --- Resumed ---------------------------------------------------------------------------------- */

static struct err waited_tx(struct tx *tx, void *ctx) {
    struct talked_op *own = ctx;
    return tx_step_talked(tx, bytes_of(own->op.turn.text), &own->talked);
}

/* The wait of a turn until now is stored with it. */
static void waited_done(struct workflow_op *op) {
    struct call *call = op->call;
    if (op->workflow->state != WORKFLOW_ENDING && call->state == CALL_TURN &&
        strcmp(op->turn.text, call->turn.text) == 0) {
        call->waited_ms = CONTAINER_OF(op, struct talked_op, op)->talked.waited_ms;
        call->waits_since_ms = 0;
        call__set_waiting(call, call_waits_in_turn(call));
    }
}

void call__resume_turn(struct call *call) {
    const struct workflows *workflows = call->workflow->workflows;
    struct workflow_op *op = call__op(call, sizeof(struct talked_op), waited_tx, waited_done);
    call->turn_wait.on_change = on_turn_change;
    call->turn_wait.on_end = on_turn_end;
    run_wait_start(workflows->options.waits, &call->turn_wait, bytes_of(call->turn.text));
    turn_watch_silence(call, workflows->options.limits.stuck_ms);
    call__enter(call, CALL_TURN);
    op->reads = true;
    workflow__op_send(op);
}
