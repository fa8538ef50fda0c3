/* call.c: requests of a script, each from its begin to its outcome: which agent begins next, the
 * row of its step, and what others do to it meanwhile.
 *
 * A workflow that is paused begins no agent. Its script goes on and gets the outcomes of busy
 * ones; what it asks for then waits in line. So nothing is held back that has to be remembered: the
 * pause stands in the run's row, and the daemon that takes the run over reads it there.
 *
 * Somebody may restart an agent: its row has the next attempt, and what it did so far is dropped;
 * its promise waits on. What is in the pool or in the store cannot be taken back: it comes, is
 * dropped, and the agent is asked then. */
#include "dispatch/workflow/call.h"

#include <stdio.h>

#include "base/memory.h"
#include "dispatch/workflow/agent.h"
#include "dispatch/workflow/history.h"
#include "engine/session/sessions.h"

/* --- States ----------------------------------------------------------------------------------- */

#define BIT(state) (1U << (state))
void call__enter(struct call *call, enum call_state state) {
    enum {
        WORK = BIT(CALL_BEGUN) | BIT(CALL_ASKING) | BIT(CALL_CHECKING) | BIT(CALL_TREE_MAKING) |
               BIT(CALL_TURN),
        ENDS = BIT(CALL_TREE_REMOVING) | BIT(CALL_ENDED) | BIT(CALL_DONE),
        BUDGET = BIT(CALL_UNADMITTED),
    };
    static const unsigned edges[CALL_STATES] = {
        [CALL_NEW] = BIT(CALL_WAITING) | BIT(CALL_CACHED) | BIT(CALL_SEARCHING) | BUDGET |
                     BIT(CALL_DEFERRED) | BIT(CALL_DONE),
        [CALL_WAITING] = BIT(CALL_BEGUN) | ENDS,
        [CALL_CACHED] = BIT(CALL_SEARCHING) | BIT(CALL_STORING) | BIT(CALL_ENDED),
        [CALL_SEARCHING] = BIT(CALL_CACHED) | BIT(CALL_DEFERRED) | BIT(CALL_ENDED),
        [CALL_BEGUN] = WORK | BUDGET | ENDS,
        [CALL_UNADMITTED] = BIT(CALL_BEGUN) | ENDS,
        [CALL_ASKING] = WORK | ENDS,
        [CALL_CHECKING] = WORK | ENDS,
        [CALL_TREE_MAKING] = WORK | ENDS,
        [CALL_TURN] = WORK | ENDS,
        [CALL_TREE_REMOVING] = WORK | ENDS,
        [CALL_ENDED] = WORK | BIT(CALL_SEARCHING) | BIT(CALL_DEFERRED) | BIT(CALL_STORING),
        [CALL_DEFERRED] = WORK | BIT(CALL_ENDED),
        [CALL_STORING] = WORK | BIT(CALL_WAITING) | BIT(CALL_ENDED) | BIT(CALL_DONE),
    };
    assert((edges[call->state] & BIT(state)) != 0);
    flow_list_remove(&call->flow->by_state[call->state], &call->link);
    flow_list_append(&call->flow->by_state[state], &call->link);
    call->state = state;
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
    flow_list_append(&flow->by_state[CALL_NEW], &call->link);
    return call;
}

void call__set_slots(struct call *call, int64_t slots) {
    call->flow->working += slots - call->slots;
    call->slots = slots;
}

void call__set_note(struct call *call, struct bytes note) {
    char *copy = mem_copy(note.data, note.len); /* The note may be the one that is freed here. */
    mem_free(call->note);
    call->note = copy;
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
    if (json_object_get(message, CALL_WRITTEN) != NULL) { /* The message may be large. */
        flows__free_json(call->flow->flows, message);
    } else {
        json_decref(message);
    }
    call__release_bytes(call);
}

void call__cancel(struct call *call) {
    struct loop *loop = call->flow->flows->options.loop;
    timer_stop(loop, &call->timer);
    timer_stop(loop, &call->deadline);
    call__cut_off(call);
}

void call__free(struct call *call) {
    struct flow *flow = call->flow;
    call__cancel(call);
    flow_list_remove(&flow->by_state[call->state], &call->link);
    call__orphan_ops(call);
    call__leave_turn(call);
    call__free_missed(call);
    script_search_free(call->search);
    agent_type_done(&call->type);
    call__free_tree(call);
    table_remove(&flow->calls, &call->node);
    call__set_slots(call, 0);
    flow->cached -= call->cached != NULL;
    flow->unloaded -= call->form == RESULT_UNLOADED;
    text_done(&call->answer);
    text_done(&call->result);
    text_done(&call->misfit);
    call__forget_message(call);
    mem_free(call->model);
    mem_free(call->note);
    mem_free(call);
}

void call__fail(struct call *call, enum run_cause cause, const char *note) {
    if (call->state >= CALL_TREE_REMOVING) {
        return;
    }
    call__cancel(call);
    call->cause = cause;
    call__set_note(call, bytes_of(note));
    if (call->state != CALL_CHECKING) { /* Else the pool has it; its `done` goes on. */
        text_clear(&call->result);
        call__ended(call);
    }
}

void call__skip(struct call *call) {
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
    if (flow__is_over(flow)) {
        flow__maybe_free(flow);
        flows__maybe_stopped(flows);
        return false;
    }
    return true;
}

/* --- The request ------------------------------------------------------------------------------ */

static struct prior *call_find_prior(const struct call *call, const struct table *table) {
    struct table_node *node = table_find(table, call->node.name);
    return node == NULL ? NULL : CONTAINER_OF(node, struct prior, node);
}

/* The call began in an earlier life, and is asked again under its row. */
static void call_take_prior(struct call *call, struct prior *prior) {
    struct flow *flow = call->flow;
    call->run = prior->run;
    call->attempt = prior->attempt;
    call->began_ms = flows__mono_ms(flow->flows) - prior__elapsed_ms(flow, prior);
    call->stop = prior->stop;
    call->row = prior->parked ? ROW_PARKED : ROW_WRITTEN;
    call->turn = prior->turn;
    call->wait.resume_at_ms = call->stored_resume_ms = prior->resume_at_ms;
    call__take_tree(call, prior->worktree);
    call__enter(call, prior->state == RUN_QUEUED ? CALL_UNADMITTED : CALL_WAITING);
    table_remove(&flow->open, &prior->node);
    prior__free(prior);
}

static void call_begin_agent(struct call *call) {
    struct flow *flow = call->flow;
    struct prior *open = call_find_prior(call, &flow->open);
    call__tidy(call->message);
    /* A name with a slash is one of ours; others are left to the run's own. */
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
    call->cached = open == NULL ? call_find_prior(call, &flow->reusable) : NULL;
    if (call->cached != NULL) {
        call__enter(call, CALL_CACHED);
        flow->cached++;
        return;
    }
    call->pending_bytes =
        json_bytes(call->message, "prompt").len + json_bytes(call->message, CALL_WRITTEN).len;
    flow->pending_bytes += call->pending_bytes;
    flow->flows->pending_bytes += call->pending_bytes;
    if (open != NULL) {
        call_take_prior(call, open);
    } else {
        call__enter(call, CALL_WAITING);
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
    /* The worker counts, too; one that is hijacked does not. */
    struct amounts limits = amounts_unlimited();
    if (good && nested) {
        good = ++flow->nested <= WORKFLOW_NESTED_MAX;
    } else if (good) {
        good = ++flow->agents <= WORKFLOW_AGENTS_MAX && json_bytes(message, "prompt").len > 0 &&
               call__read_budget(message, &limits) &&
               strlen(json_str(json_object_get(message, "opts"), "model", "")) <= SESSION_MODEL_MAX;
    }
    if (!good) {
        json_decref(message);
        flow__end(flow, CAUSE_TOO_MANY_CALLS, "its worker asked for more than it may");
        return;
    }
    call = call__new(flow, key, occurrence);
    call->number = number;
    call->nested = nested;
    call->message = message;
    call->limits = limits;
    if (nested) {
        call__begin_nested(call, call_find_prior(call, &flow->reusable));
    } else {
        call_begin_agent(call);
    }
}

/* --- Its row ---------------------------------------------------------------------------------- */

/* A budget has admitted the call. */
static void call_admit(struct call *call) {
    if (call->flow->paused) {
        call->row = ROW_PARKED;
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
    const bool admitted = call->row == ROW_ADMITTED;
    flow->budgeted = flow->budgeted || op->budgeted; /* A budget may be new. */
    call->row = op->begun == STEP_LATE ? ROW_NONE : ROW_WRITTEN;
    if (op->begun == STEP_LATE || flow->state == FLOW_ENDING) {
        return; /* A note reports the end. */
    }
    if (call->state == CALL_ENDED) {
        call__store(call); /* The outcome has waited for this. */
    } else if (call->state != CALL_BEGUN) {
        return;
    } else if (op->begun == STEP_BEGUN && call->tree != NULL) {
        call__make_tree(call);
    } else if (op->begun == STEP_BEGUN) {
        call__ask(call); /* With budgets, not before. */
    } else if (admitted) {
        call_admit(call);
    } else if (op->begun == STEP_WAITS) {
        call__enter(call, CALL_UNADMITTED);
        call__set_slots(call, 0);
        flow__pump(flow);
    }
}

static struct err again_tx(struct tx *tx, void *ctx) {
    struct flow_op *op = ctx;
    return tx_step_again(tx, bytes_of(op->run.text), &op->flow->flows->options.bounds,
                         &op->asks_again);
}

static void again_done(struct flow_op *op) {
    if (op->asks_again.late || op->call->state != CALL_BEGUN) {
        return;
    }
    if (op->asks_again.over) {
        call__fail(op->call, CAUSE_CUT_OFF, RUN_CUT_OFF_WORDS);
    } else {
        call__ask(op->call);
    }
}

/* Late: a note has told why. */
static struct err turn_tx(struct tx *tx, void *ctx) {
    struct flow_op *op = ctx;
    return tx_step_talk(tx, &op->begin, op->attempt, &op->late);
}

static void turn_done(struct flow_op *op) {
    op->call->row = ROW_WRITTEN;
    if (op->call->state == CALL_ENDED) {
        call__store(op->call); /* The outcome has waited for this. */
    }
}

void call__start_turn(struct call *call) {
    call__new_turn(call);
    struct flow_op *op = call__op(call, turn_tx, turn_done);
    op->begins = true;
    op->begin = call__step(call, op);
    call__fill_turn(call, op);
    call__enter(call, CALL_TURN);
    call__watch_deadline(call);
    flow__op_send(op);
}

/* --- Begun ------------------------------------------------------------------------------------ */

static void call_insert(struct call *call, bool refused) {
    const struct flow *flow = call->flow;
    bool tools = !refused && call__has_tools(call);
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
    if (tools && call->tree == NULL) {
        call__fill_turn(call, op);
    }
    op->begin.owns_budget = call__has_budget(call) && !refused;
    op->begin.limits = call->limits;
    op->begin.limits.of[AMOUNT_WALL] = AMOUNT_MAX; /* Budgets have it not (agent.c). */
    op->begin.asks = budgeted && !refused && !tools;
    /* Where no budget is asked, the model is, at once; the row goes with what comes next. */
    op->lazy = !budgeted && !tools;
    flow__op_send(op);
}

/* The call has its slot. `refused`: it ends at once, with that cause; CAUSE_NONE: it goes on. The
 * row may be older than a crash: a call that was refused then is refused again, and one that
 * was asked is asked again; its row counts how often, also where it has no budget. */
static void call_begin(struct call *call, enum run_cause refused) {
    bool fresh = call->row == ROW_NONE;
    if (fresh) {
        call_insert(call, refused != CAUSE_NONE);
    }
    if (call->stop) {
        call__skip(call);
    } else if (refused == CAUSE_TOTAL_SPENT) {
        call__fail_total(call);
    } else if (refused != CAUSE_NONE) {
        call__fail(call, refused,
                   refused == CAUSE_NO_CAPABLE_AGENT ? "no agent here has capabilities of its own"
                   : refused == CAUSE_AGENT_BUDGET   ? "its budget leaves it nothing"
                                                     : call->misfit.data);
    } else if (call->awaited.name.len > 0) {
        call__enter(call, CALL_TURN);
        call__watch_deadline(call);
    } else if (call->tree != NULL && fresh) {
        call__watch_deadline(call); /* The row comes first. */
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

static void call_begin_looked_up(struct pool_job *job) {
    struct call *call = CONTAINER_OF(job, struct call, job);
    if (call__is_back(call)) {
        call__looked_up(call);
        call_begin(call, call->refusal);
    }
}

/* A refusal that needs no lookup. */
static enum run_cause call_refusal(const struct call *call) {
    if (json_array_size(call__option(call, "capabilities")) > 0) {
        return CAUSE_NO_CAPABLE_AGENT;
    }
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        if (call->limits.of[i] == 0) {
            return CAUSE_AGENT_BUDGET;
        }
    }
    /* A call that has begun, in an earlier life, goes on. */
    return call->row != ROW_WRITTEN && flow__total_is_spent(call->flow) ? CAUSE_TOTAL_SPENT
                                                                        : CAUSE_NONE;
}

/* A call that has begun is busy, also when it is asked again after a restart of the daemon; not
 * one that a budget admitted while the run was paused.
 *
 * A budget that is used up ends a call in the commit that begins it. Where the run resumes another,
 * that end must not come before the cached results, so the call does not begin before them. */
static bool call_may_begin(const struct call *call) {
    const struct flow *flow = call->flow;
    const bool held = flow->paused && call->row != ROW_WRITTEN;
    const bool early = call->row == ROW_NONE && call__is_budgeted(call) && flow__must_wait(flow);
    return !held && !early;
}

void flow__pump(struct flow *flow) {
    while (flow->working < flow->at_once && flow->state == FLOW_LIVE) {
        struct call *call = flow__first(flow, CALL_WAITING);
        while (call != NULL && !call_may_begin(call)) {
            call = call_of(call->link.next);
        }
        if (call == NULL) {
            return;
        }
        enum run_cause refusal = call_refusal(call);
        call__enter(call, CALL_BEGUN);
        call->row = call->row == ROW_PARKED ? ROW_WRITTEN : call->row;
        call__set_slots(call, 1);
        flow->flows->stats.agents++;
        if (call->row != ROW_NONE && call->turn.text[0] != '\0') {
            call__resume_turn(call);
        } else if (refusal == CAUSE_NONE && call__needs_lookup(call)) {
            call__lookup(call, call_begin_looked_up);
        } else {
            call_begin(call, refusal);
        }
    }
}

void flow__on_pause(struct flow *flow, const struct run_row *row) {
    bool paused = row->state == RUN_WAITING;
    if (paused == flow->paused) {
        return;
    }
    flow->paused = paused;
    if (paused || flow->state >= FLOW_ENDING) {
        return;
    }
    for (struct call *call = NULL; (call = flow__next_call(flow, call)) != NULL;) {
        if (call->row == ROW_PARKED) {
            call->row = ROW_WRITTEN;
            if (call->state == CALL_BEGUN) {
                call_admit(call);
            }
        }
    }
    flow__pump(flow);
}

/* --- Restarted -------------------------------------------------------------------------------- */

/* In a tree, with tools, or as one call. */
static void call_put_to_work(struct call *call) {
    if (call->tree != NULL) {
        call__make_tree(call);
    } else if (call__has_tools(call)) {
        call__start_turn(call);
    } else {
        call__ask(call);
    }
}

static void call_work_looked_up(struct pool_job *job) {
    struct call *call = CONTAINER_OF(job, struct call, job);
    if (!call__is_back(call)) {
        return;
    }
    call__looked_up(call);
    if (call->refusal == CAUSE_NONE && !call->stop) {
        call_put_to_work(call);
    } else {
        call_begin(call, call->refusal);
    }
}

bool call__looks_up_late(struct call *call) {
    if (call__option(call, "agentType") == NULL || call->type.instructions != NULL) {
        return false;
    }
    call__lookup(call, call_work_looked_up);
    return true;
}

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
    call->silences = call->silent_attempt != 0 ? call->silences : 0;
    call->silent_attempt = 0;
    call->restarted = false;
    call__set_slots(call, 1);
    call__enter(call, CALL_BEGUN);
    if (call->stop) { /* Skipped while its earlier attempt was in the pool or in the store. */
        call__skip(call);
    } else if (!call__looks_up_late(call)) {
        call_put_to_work(call);
    }
}

static void call_on_restart(struct call *call, int64_t attempt) {
    call->attempt = attempt;
    call->began_ms = flows__mono_ms(call->flow->flows);
    switch (call->state) {
    case CALL_ASKING:
    case CALL_TURN:
    case CALL_ENDED:
    case CALL_DEFERRED:
        call__start_again(call);
        break;
    case CALL_CHECKING:
    case CALL_TREE_REMOVING:
        call__cancel(call); /* The deadline starts again, too. */
        call->restarted = true;
        break;
    case CALL_STORING:
        call->restarted = true;
        break;
    case CALL_TREE_MAKING: /* The tree is made all the same. */
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

/* Another client ended the step: its done_no is stored already. */
static void call_ended_elsewhere(struct call *call, enum run_cause cause) {
    struct flow *flow = call->flow;
    call__cancel(call);
    call->cause = cause;
    mem_free(call->note);
    call->note = NULL;
    call__done(call);
    if (flow->state != FLOW_LIVE || call->number == 0 || flow->storing > 0) {
        flow__reload(flow);
        return;
    }
    flow__deliver(flow);
    flow__pump(flow);
}

void call__on_note(struct call *call, const struct run_row *row) {
    struct flow *flow = call->flow;
    const bool over = call->state >= CALL_ENDED;
    if (run_state_final(row->state)) {
        if (!over) {
            call_ended_elsewhere(call, row->cause);
        }
    } else if (row->stop != CAUSE_NONE && !call->stop) {
        call->stop = true;
        call__skip(call);
    } else if (row->state == RUN_RUNNING && call->state == CALL_UNADMITTED) {
        call->attempt = row->attempt;
        call->began_ms = flows__mono_ms(flow->flows);
        call__enter(call, CALL_BEGUN);
        call__set_slots(call, 1);
        call_admit(call);
    } else if (row->state == RUN_RUNNING && row->attempt > call->attempt) {
        call_on_restart(call, row->attempt);
    } else if (row->state == RUN_RUNNING && call->state == CALL_BEGUN) {
        call->attempt = row->attempt; /* Admitted in the commit that made it wait. */
        call->row = call->row == ROW_WRITTEN || call->row == ROW_PARKED ? call->row : ROW_ADMITTED;
    }
}
