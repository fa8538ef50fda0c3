/* call.c: what a script asked for, from its request to its outcome: which agent begins next, the
 * row of its step, and what others do to it meanwhile.
 *
 * A workflow that is paused begins no agent. Its script goes on and gets the outcomes of those at
 * work; what it asks for then waits in line. So nothing is held back that has to be remembered: the
 * pause stands in the run's row, and whoever takes the run over reads it there.
 *
 * Somebody may restart an agent: its row has the next attempt, and what it did so far is dropped;
 * its promise waits on. What is in the pool or in the store cannot be taken back: it comes, is
 * dropped, and the agent is asked then. */
#include "dispatch/workflow/call.h"

#include <stdio.h>

#include "base/memory.h"
#include "dispatch/workflow/agent.h"
#include "dispatch/workflow/replay.h"
#include "dispatch/workflow/settle.h"
#include "engine/session/sessions.h"

/* --- Lines of calls --------------------------------------------------------------------------- */

void call_line_append(struct call_line *line, struct call *call) {
    call->next = NULL;
    *(line->last == NULL ? &line->first : &line->last->next) = call;
    line->last = call;
}

void call_line_prepend(struct call_line *line, struct call *call) {
    call->next = line->first;
    line->first = call;
    line->last = line->last == NULL ? call : line->last;
}

void call_line_remove(struct call_line *line, struct call *call) {
    struct call *before = NULL, *at = line->first;
    while (at != NULL && at != call) {
        before = at;
        at = at->next;
    }
    if (at != NULL) {
        *(before == NULL ? &line->first : &before->next) = call->next;
        line->last = line->last == call ? before : line->last;
        call->next = NULL;
    }
}

void call__leave_lines(struct call *call) {
    struct flow *flow = call->flow;
    if (call->state == CALL_WAITING) {
        call_line_remove(&flow->waiting, call);
    } else if (call->state == CALL_DONE) {
        call_line_remove(&flow->done, call);
    } else if (call->state == CALL_STORING && call->deferred) {
        call_line_remove(&flow->deferred, call);
        call->deferred = false;
    }
}

/* --- Memory ----------------------------------------------------------------------------------- */

void call__name_of(char name[CALL_NAME], struct bytes key, int64_t occurrence) {
    (void)snprintf(name, CALL_NAME, "%.*s.%lld",
                   (int)(key.len < WORKFLOW_HASH ? key.len : WORKFLOW_HASH), key.data,
                   (long long)occurrence);
}

struct call *flow__find_call(const struct flow *flow, struct bytes name) {
    struct table_node *node = table_find(&flow->calls, name);
    return node == NULL ? NULL : CONTAINER_OF(node, struct call, node);
}

struct call *call__new(struct flow *flow, const char *key, int64_t occurrence) {
    struct call *call = mem_new(sizeof *call);
    (void)snprintf(call->key, sizeof call->key, "%s", key);
    call__name_of(call->name, bytes_of(call->key), occurrence);
    call->node.name = bytes_of(call->name);
    call->flow = flow;
    call->occurrence = occurrence;
    call->limits = amounts_unlimited();
    call->attempt = 1;
    text_init(&call->answer, WORKFLOW_RESULT_MAX);
    text_init(&call->result, 2 * (size_t)WORKFLOW_RESULT_MAX);
    text_init(&call->misfit, RUN_SPEC_MAX);
    table_add(&flow->calls, &call->node);
    return call;
}

void call__set_counted(struct call *call, bool counted) {
    call->flow->working += counted - call->counted;
    call->counted = counted;
}

static void call_hold_bytes(struct call *call) {
    call->pending_bytes =
        json_bytes(call->message, "prompt").len + json_bytes(call->message, CALL_WRITTEN).len;
    call->flow->pending_bytes += call->pending_bytes;
    call->flow->flows->pending_bytes += call->pending_bytes;
}

void call__release_bytes(struct call *call) {
    struct flow *flow = call->flow;
    flow->pending_bytes -= call->pending_bytes;
    flow->flows->pending_bytes -= call->pending_bytes;
    call->pending_bytes = 0;
    flow__resume_frame(flow);
    flows__resume_frames(flow->flows);
}

void call__forget_message(struct call *call) {
    json_t *message = call->message;
    call->message = NULL;
    if (json_object_get(message, CALL_WRITTEN) != NULL) { /* It may be large. */
        flows__free_json(call->flow->flows, message);
    } else {
        json_decref(message);
    }
    call__release_bytes(call);
}

void call__free(struct call *call) {
    struct flow *flow = call->flow;
    call__cancel(call);
    call__leave_lines(call);
    call__orphan_ops(call);
    call__leave_turn(call);
    call__free_missed(call);
    call__forget_script(call);
    agent_type_done(&call->type);
    call__free_tree(call);
    table_remove(&flow->calls, &call->node);
    call__set_counted(call, false);
    flow->cached -= call->cached != NULL;
    flow->unloaded -= call->unloaded;
    text_done(&call->answer);
    text_done(&call->result);
    text_done(&call->misfit);
    call__forget_message(call);
    mem_free(call->model);
    mem_free(call->note);
    mem_free(call);
}

void call__cancel(struct call *call) {
    struct loop *loop = call->flow->flows->options.loop;
    timer_stop(loop, &call->timer);
    timer_stop(loop, &call->deadline);
    call__cut_off(call);
}

void call__fail(struct call *call, enum run_cause cause, const char *note) {
    if (call->state == CALL_STORING || call->state == CALL_DONE ||
        call->state == CALL_TREE_REMOVING) {
        return;
    }
    call__cancel(call);
    char *copy = mem_copy(note, strlen(note)); /* It may be the one that is freed here. */
    call->cause = cause;
    mem_free(call->note);
    call->note = copy;
    if (call->state != CALL_CHECKING) { /* Else the pool has it; its `done` goes on. */
        text_clear(&call->result);
        call__ended(call);
    }
}

static void call_skip(struct call *call) {
    call__fail(call, CAUSE_STOPPED, "somebody skipped it");
}

void call__pool(struct call *call, void (*run)(struct pool_job *),
                void (*done)(struct pool_job *)) {
    call->job = (struct pool_job){.kind = POOL_QUICK, .run = run, .done = done};
    call->flow->in_pool++;
    pool_add(&call->flow->flows->pool, &call->job);
}

bool call__is_back(struct call *call) {
    struct flow *flow = call->flow;
    struct flows *flows = flow->flows;
    flow->in_pool--;
    if (!flow__is_over(flow)) {
        return true;
    }
    call->state = CALL_ASKING;
    flow__maybe_free(flow);
    flows__maybe_stopped(flows);
    return false;
}

/* --- The request ------------------------------------------------------------------------------ */

static struct prior *call_find_prior(const struct call *call, const struct table *table) {
    struct table_node *node = table_find(table, call->node.name);
    return node == NULL ? NULL : CONTAINER_OF(node, struct prior, node);
}

/* A name with a slash is one of ours; others are left to the run's own. */
static void call_choose_model(struct call *call) {
    const struct flow *flow = call->flow;
    const char *model = json_str(json_object_get(call->message, "opts"), "model", "");
    struct default_model otherwise;
    if (strchr(model, '/') == NULL) {
        model = flow->model;
    }
    if (model[0] == '\0') {
        connections_default_model(flow->flows->options.connections, &otherwise);
        model = otherwise.name;
    }
    call->model = mem_copy(model, strlen(model));
}

static void call_enter_line(struct call *call) {
    call->state = CALL_WAITING;
    call_line_append(&call->flow->waiting, call);
}

/* It began in an earlier life, and is asked again under its row. */
static void call_take_prior(struct call *call, struct prior *prior) {
    struct flow *flow = call->flow;
    call->run = prior->run;
    call->attempt = prior->attempt;
    call->began_ms = flows__mono_ms(flow->flows) - prior__elapsed_ms(flow, prior);
    call->stop = prior->stop;
    call->parked = prior->parked;
    call->turn = prior->turn;
    call->wait.resume_at_ms = call->stored_resume_ms = prior->resume_at_ms;
    call->written = true;
    call__take_tree(call, prior->worktree);
    if (prior->state == RUN_QUEUED) {
        call->state = CALL_UNADMITTED;
    } else {
        call_enter_line(call);
    }
    table_remove(&flow->open, &prior->node);
    prior__free(prior);
}

/* The worker counts, too; one that is hijacked does not. */
static bool flow_allows_call(struct flow *flow, const json_t *message, bool nested) {
    int64_t *made = nested ? &flow->nested : &flow->agents;
    int64_t most = nested ? WORKFLOW_NESTED_MAX : WORKFLOW_AGENTS_MAX;
    struct amounts limits;
    return ++*made <= most && (nested || json_bytes(message, "prompt").len > 0) &&
           call__read_budget(message, &limits) &&
           strlen(json_str(json_object_get(message, "opts"), "model", "")) <= SESSION_MODEL_MAX;
}

static void call_begin_agent(struct call *call) {
    struct flow *flow = call->flow;
    bool readable = call__read_budget(call->message, &call->limits);
    assert(readable); /* flow_allows_call has looked. */
    call__tidy(call->message);
    struct prior *open = call_find_prior(call, &flow->open);
    call->cached = open == NULL ? call_find_prior(call, &flow->reusable) : NULL;
    call_choose_model(call);
    if (call->cached != NULL) {
        call->state = CALL_CACHED;
        flow->cached++;
        return;
    }
    call_hold_bytes(call);
    if (open != NULL) {
        call_take_prior(call, open);
    } else {
        call_enter_line(call);
    }
}

/* A call that outlived its worker is found again, with its outcome. */
void flow__on_call(struct flow *flow, json_t *message, bool nested) {
    const char *key = json_str(message, "k", "");
    int64_t occurrence = json_int(message, "n", 0), number = json_int(message, "id", 0);
    char name[CALL_NAME];
    call__name_of(name, bytes_of(key), occurrence);
    bool good = strspn(key, "0123456789abcdef") == WORKFLOW_HASH && key[WORKFLOW_HASH] == '\0' &&
                occurrence > 0 && number > 0 && flow->calls.count <= WORKFLOW_UNANSWERED_MAX;
    struct call *call = good ? flow__find_call(flow, bytes_of(name)) : NULL;
    if (call != NULL) {
        json_decref(message);
        call->number = number;
        return;
    }
    if (!good || !flow_allows_call(flow, message, nested)) {
        json_decref(message);
        flow__end(flow, CAUSE_TOO_MANY_CALLS, "its worker asked for more than it may");
        return;
    }
    call = call__new(flow, key, occurrence);
    call->number = number;
    call->nested = nested;
    call->message = message;
    if (nested) {
        call__begin_nested(call, call_find_prior(call, &flow->reusable));
    } else {
        call_begin_agent(call);
    }
}

/* --- Its row ---------------------------------------------------------------------------------- */

/* Its budget admits it. */
static void call_admit(struct call *call) {
    if (call->flow->paused) {
        call->parked = true;
    } else if (flow__total_is_spent(call->flow)) {
        call__fail_total(call);
    } else {
        call__ask(call);
    }
}

static struct err begin_tx(struct tx *tx, void *ctx) {
    struct flow_op *op = ctx;
    return tx_step_begin(tx, &op->begin, &op->begun, &op->budgeted);
}

static void begin_done(struct flow_op *op) {
    struct call *call = op->call;
    struct flow *flow = op->flow;
    enum step_begun begun = op->begun;
    flow->budgeted = flow->budgeted || op->budgeted; /* A budget may be new. */
    flow__op_free(op);
    call->unwritten = false;
    call->written = begun != STEP_LATE;
    if (begun == STEP_LATE || flow->state == FLOW_ENDING) {
        return; /* A note reports the end. */
    }
    if (call->state == CALL_STORING) {
        call__store(call); /* It may have waited for this. */
    } else if (call->state != CALL_BEGUN) {
        return;
    } else if (begun == STEP_BEGUN && call->tree != NULL) {
        call__make_tree(call);
    } else if (begun == STEP_BEGUN) {
        call__ask(call); /* With budgets, not before. */
    } else if (call->admitted) {
        call_admit(call);
    } else if (begun == STEP_WAITS) {
        call->state = CALL_UNADMITTED;
        call__set_counted(call, false);
        flow__pump(flow);
    }
}

static void call_insert(struct call *call) {
    const struct flow *flow = call->flow;
    bool tools = !call->refused && call__has_tools(call);
    bool budgeted = call__is_budgeted(call);
    if (call->run.text[0] == '\0') {
        call->run = flows__new_id(flow->flows, "run");
    }
    call->began_ms = flows__mono_ms(flow->flows);
    if (tools && call->tree == NULL) {
        call__new_turn(call);
    }
    struct flow_op *op = call__op(call, begin_tx, begin_done);
    op->begins = true;
    op->begin = call__step(call, op);
    if (call->has_turn) {
        call__fill_turn(call, op);
    }
    op->begin.owns_budget = call__has_budget(call) && !call->refused;
    op->begin.limits = call__own_budget(call);
    op->begin.asks = budgeted && !call->refused && !tools;
    /* Where no budget is asked, the model is, at once; the row goes with what comes next. */
    op->lazy = !budgeted && !tools;
    flow__op_send(op);
}

static struct err again_tx(struct tx *tx, void *ctx) {
    struct flow_op *op = ctx;
    const struct run_bounds bounds = flow__bounds(op->flow);
    return tx_step_again(tx, bytes_of(op->call->run.text), &bounds, &op->asks_again);
}

static void again_done(struct flow_op *op) {
    struct call *call = op->call;
    const struct step_again again = op->asks_again;
    flow__op_free(op);
    if (again.late || call->state != CALL_BEGUN) {
        return;
    }
    if (again.over) {
        call__fail(call, CAUSE_CUT_OFF, RUN_CUT_OFF_WORDS);
    } else {
        call__ask(call);
    }
}

/* Late: a note has told why. */
static struct err turn_tx(struct tx *tx, void *ctx) {
    struct flow_op *op = ctx;
    return tx_step_talk(tx, &op->begin, op->end.attempt, &op->late);
}

static void turn_done(struct flow_op *op) {
    struct call *call = op->call;
    flow__op_free(op);
    call->unwritten = false;
    if (call->state == CALL_STORING) {
        call__store(call); /* It may have waited for this. */
    }
}

void call__start_turn(struct call *call) {
    call__new_turn(call);
    struct flow_op *op = call__op(call, turn_tx, turn_done);
    op->begins = true;
    op->begin = call__step(call, op);
    op->end.attempt = call->attempt;
    call__fill_turn(call, op);
    call->state = CALL_TURN;
    call__watch_deadline(call);
    flow__op_send(op);
}

/* --- Begun ------------------------------------------------------------------------------------ */

static void call_fail_refused(struct call *call, enum run_cause refused) {
    if (refused == CAUSE_TOTAL_SPENT) {
        call__fail_total(call);
    } else {
        call__fail(call, refused,
                   refused == CAUSE_NO_CAPABLE_AGENT ? "no agent here has capabilities of its own"
                   : refused == CAUSE_AGENT_BUDGET   ? "its budget leaves it nothing"
                                                     : call->misfit.data);
    }
}

/* Its row may be there from before a crash: a call that was refused then is refused again, and one
 * that was asked is asked again; its row counts how often, also where it has no budget. */
void call__begin(struct call *call, enum run_cause refused) {
    bool fresh = !call->written;
    call->refused = refused != CAUSE_NONE;
    if (fresh) {
        call_insert(call);
    }
    if (call->stop) {
        call_skip(call);
    } else if (refused != CAUSE_NONE) {
        call_fail_refused(call, refused);
    } else if (call->has_turn) {
        call->state = CALL_TURN;
        call__watch_deadline(call);
    } else if (call->tree != NULL && fresh) {
        call__watch_deadline(call); /* Its row comes first. */
    } else if (call->tree != NULL) {
        call__make_tree(call);
    } else if (!fresh && call->attempt > 1 && call__has_tools(call)) {
        call__start_turn(call);
    } else if (!fresh) {
        flow__op_send(call__op(call, again_tx, again_done));
    } else if (!call__is_budgeted(call)) {
        call__ask(call);
    }
}

/* A refusal that needs no lookup. */
static enum run_cause call_refusal(const struct call *call) {
    const bool begun = call->written && !call->parked; /* In an earlier life. */
    if (json_array_size(call__option(call, "capabilities")) > 0) {
        return CAUSE_NO_CAPABLE_AGENT;
    }
    if (call__may_nothing(call)) {
        return CAUSE_AGENT_BUDGET;
    }
    return !begun && flow__total_is_spent(call->flow) ? CAUSE_TOTAL_SPENT : CAUSE_NONE;
}

/* A call that has begun is at work, also when it is asked again after a restart of the daemon; not
 * one that a budget admitted while the run was paused.
 *
 * A budget that is used up ends a call in the commit that begins it. Where the run resumes another,
 * that end must not come before the cached results, so the call does not begin before them. */
static bool call_may_begin(const struct call *call) {
    const struct flow *flow = call->flow;
    const bool held = flow->paused && (!call->written || call->parked);
    const bool early = !call->written && call__is_budgeted(call) && flow__must_wait(flow);
    return !held && !early;
}

void flow__pump(struct flow *flow) {
    while (flow->working < flow->at_once && flow->state == FLOW_LIVE && !flow->ended) {
        struct call *call = flow->waiting.first;
        while (call != NULL && !call_may_begin(call)) {
            call = call->next;
        }
        if (call == NULL) {
            return;
        }
        call_line_remove(&flow->waiting, call);
        enum run_cause refusal = call_refusal(call);
        call->state = CALL_BEGUN;
        call->parked = false;
        call__set_counted(call, true);
        flow->flows->stats.agents++;
        if (call->written && call->turn.text[0] != '\0') {
            call__resume_turn(call);
        } else if (refusal != CAUSE_NONE || !call__lookup(call)) {
            call__begin(call, refusal);
        }
    }
}

static void call_unpark(void *ctx, struct table_node *node) {
    struct call *call = CONTAINER_OF(node, struct call, node);
    (void)ctx; /* The call knows its flow. */
    bool waited = call->parked && call->state == CALL_BEGUN;
    call->parked = false;
    if (waited) {
        call_admit(call);
    }
}

void flow__on_pause(struct flow *flow, const struct run_row *row) {
    bool paused = row->state == RUN_WAITING;
    if (paused == flow->paused) {
        return;
    }
    flow->paused = paused;
    if (!paused && !flow->ended && flow->state != FLOW_ENDING) {
        table_each(&flow->calls, call_unpark, NULL);
        flow__pump(flow);
    }
}

/* --- Restarted -------------------------------------------------------------------------------- */

/* As good as new; how often its model was silent is counted on. The usage of a turn is its
 * session's; what earlier calls of a model used stays counted. */
void call__start_again(struct call *call) {
    if (call->flow->state == FLOW_ENDING) {
        return;
    }
    call__cancel(call);
    call__leave_turn(call);
    call__free_missed(call);
    text_clear(&call->answer);
    text_clear(&call->misfit);
    text_clear(&call->result);
    mem_free(call->note);
    call->note = NULL;
    call->turn = (struct id){""};
    call->cause = CAUSE_NONE;
    call->tries = call->restarts = 0;
    call->waited_ms = call->waits_since_ms = 0;
    call->wait = (struct provider_wait){.resume_at_ms = 0}; /* The restart has ended it. */
    call->stored_resume_ms = 0;
    call->silences = call->silence_restart ? call->silences : 0;
    call->restarted = call->silence_restart = false;
    call__set_counted(call, true);
    if (call->stop) { /* Skipped while its earlier attempt was in the pool or in the store. */
        call->state = CALL_BEGUN;
        call_skip(call);
    } else if (call__lacks_type(call)) {
        call__lookup_late(call);
    } else {
        call__put_to_work(call);
    }
}

static void call_on_restart(struct call *call, int64_t attempt) {
    call->attempt = attempt;
    call->began_ms = flows__mono_ms(call->flow->flows);
    switch (call->state) {
    case CALL_ASKING:
    case CALL_TURN:
        call__start_again(call);
        break;
    case CALL_CHECKING:
    case CALL_TREE_REMOVING:
        call__cancel(call); /* Its deadline begins anew, too. */
        call->restarted = true;
        break;
    case CALL_STORING:
        if (call->storing) {
            call->restarted = true;
        } else {
            call__leave_lines(call);
            call__start_again(call);
        }
        break;
    case CALL_TREE_MAKING: /* Its tree is made all the same. */
        call__cancel(call);
        call__watch_deadline(call);
        call->turn = (struct id){""};
        break;
    default: /* Nobody was asked yet, by us. */
        call->turn = (struct id){""};
        break;
    }
}

/* --- Notes of its row ------------------------------------------------------------------------- */

/* Ended by others: its done_no is stored already. */
static void call_ended_elsewhere(struct call *call, enum run_cause cause) {
    struct flow *flow = call->flow;
    call__cancel(call);
    call__leave_lines(call);
    call->cause = cause;
    mem_free(call->note);
    call->note = NULL;
    call__enqueue_done(call);
    if (flow->state != FLOW_LIVE || call->number == 0 || flow->storing > 0) {
        flow__reload(flow);
        return;
    }
    flow__deliver(flow);
    flow__pump(flow);
}

void call__on_note(struct call *call, const struct run_row *row) {
    struct flow *flow = call->flow;
    const bool over = call->state == CALL_STORING || call->state == CALL_DONE;
    if (run_state_final(row->state)) {
        if (!over) {
            call_ended_elsewhere(call, row->cause);
        }
    } else if (row->stop != CAUSE_NONE && !call->stop) {
        call->stop = true;
        if (!over) {
            call__leave_lines(call);
            call_skip(call);
        }
    } else if (row->state == RUN_RUNNING && call->state == CALL_UNADMITTED) {
        call->attempt = row->attempt;
        call->began_ms = flows__mono_ms(flow->flows);
        call->state = CALL_BEGUN;
        call__set_counted(call, true);
        call_admit(call);
    } else if (row->state == RUN_RUNNING && row->attempt > call->attempt) {
        call_on_restart(call, row->attempt);
    } else if (row->state == RUN_RUNNING && call->state == CALL_BEGUN) {
        call->attempt = row->attempt; /* Admitted in the commit that made it wait. */
        call->admitted = true;
    }
}
