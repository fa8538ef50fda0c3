/* call.c: requests of a script, as all know them: their states, their memory, their jobs in the
 * pool, their deadlines and waits.
 *
 * An agent is performed in agent_begin.c, a nested workflow in settle.c, a timer in timer.c; what
 * follows for any of them is decided in call__on_tick. */
#include "dispatch/workflow/call.h"

#include <stdio.h>

#include "base/memory.h"
#include "dispatch/workflow/agent.h"
#include "dispatch/workflow/history.h"
#include "rules/agent/definition.h"

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
        [CALL_NEW] = BIT(CALL_IN_LINE) | BIT(CALL_CACHED) | BIT(CALL_SEARCHING) | BUDGET |
                     BIT(CALL_TIMER) | BIT(CALL_DEFERRED) | BIT(CALL_DONE),
        [CALL_IN_LINE] = BIT(CALL_BEGUN) | ENDS,
        [CALL_CACHED] = BIT(CALL_SEARCHING) | BIT(CALL_STORING) | BIT(CALL_ENDED),
        [CALL_SEARCHING] = BIT(CALL_CACHED) | BIT(CALL_DEFERRED) | BIT(CALL_ENDED),
        [CALL_TIMER] = BIT(CALL_ENDED),
        [CALL_BEGUN] = WORK | BUDGET | ENDS | BIT(CALL_STORING),
        [CALL_UNADMITTED] = BIT(CALL_BEGUN) | ENDS,
        [CALL_ASKING] = WORK | ENDS,
        [CALL_CHECKING] = WORK | ENDS,
        [CALL_TREE_MAKING] = WORK | ENDS,
        [CALL_TURN] = WORK | ENDS,
        [CALL_TREE_REMOVING] = WORK | ENDS,
        [CALL_ENDED] = WORK | BIT(CALL_SEARCHING) | BIT(CALL_DEFERRED) | BIT(CALL_STORING),
        [CALL_DEFERRED] = WORK | BIT(CALL_ENDED),
        [CALL_STORING] =
            WORK | BIT(CALL_IN_LINE) | BIT(CALL_TIMER) | BIT(CALL_ENDED) | BIT(CALL_DONE),
    };
    assert((edges[call->state] & BIT(state)) != 0);
    link_remove(&call->link);
    link_add_last(&call->workflow->by_state[state], &call->link);
    call->state = state;
}

/* --- What it has besides ---------------------------------------------------------------------- */

void call__free_missed(struct call *call) {
    struct missed *missed = call->missed;
    call->missed = NULL;
    for (size_t i = 0; missed != NULL && i < missed->count; i++) {
        mem_free(missed->answers[i]);
        mem_free(missed->faults[i]);
    }
    mem_free(missed);
}

void call__add_spent(struct call *call, const struct model_spent *spent) {
    bool first = usage_total(&call->usage) == 0;
    usage_add(&call->usage, &spent->usage);
    usage_add_parts(&spent->usage, call->prompt, call->parts);
    call->cost.known = (first || call->cost.known) && spent->cost.known;
    call->cost.micros += spent->cost.known ? spent->cost.micros : 0;
    call->calls_priced += spent->cost.known;
}

/* A call of its model that is cut off costs what it has used until now. */
void call__cut_off(struct call *call) {
    struct model_spent spent;
    if (call->asking != NULL) {
        model_get_spent(call->asking, &spent);
        call__add_spent(call, &spent);
        model_cancel(call->asking);
        call->asking = NULL;
    }
}

void call__free_tree(struct call *call) {
    if (call->tree != NULL) {
        work_tree_done(&call->tree->git);
        mem_free(call->tree);
        call->tree = NULL;
    }
}

/* --- Memory ----------------------------------------------------------------------------------- */

void call__name_of(char name[CALL_NAME], struct bytes key, int64_t occurrence) {
    (void)snprintf(name, CALL_NAME, "%.*s.%lld",
                   (int)(key.len < WORKFLOW_HASH ? key.len : WORKFLOW_HASH), key.data,
                   (long long)occurrence);
}

struct call *workflow__find_call(const struct workflow *workflow, struct bytes name) {
    struct table_node *node = table_find(&workflow->calls, name);
    return node == NULL ? NULL : CONTAINER_OF(node, struct call, node);
}

struct call *call__new(struct workflow *workflow, const char *key, int64_t occurrence) {
    struct call *call = mem_new(sizeof *call);
    (void)snprintf(call->key, sizeof call->key, "%s", key);
    call__name_of(call->name, bytes_of(call->key), occurrence);
    call->node.name = bytes_of(call->name);
    call->workflow = workflow;
    call->occurrence = occurrence;
    call->limits = amounts_unlimited();
    call->attempt = 1;
    text_init(&call->answer, WORKFLOW_RESULT_MAX);
    text_init(&call->result, 2 * (size_t)WORKFLOW_RESULT_MAX);
    text_init(&call->misfit, RUN_SPEC_MAX);
    text_init(&call->mended, RUN_SPEC_MAX);
    text_init(&call->program, AGENT_DEFINITION_MAX);
    table_add(&workflow->calls, &call->node);
    link_add_last(&workflow->by_state[CALL_NEW], &call->link);
    return call;
}

void call__set_slots(struct call *call, int64_t slots) {
    call->workflow->working += slots - call->slots;
    call->slots = slots;
    if (slots > 0) {
        workflow__pulse(call->workflow);
    }
}

void call__set_note(struct call *call, struct bytes note) {
    char *copy = mem_copy(note.data, note.len); /* The note may be the one that is freed here. */
    mem_free(call->note);
    call->note = copy;
}

void call__release_bytes(struct call *call) {
    struct workflow *workflow = call->workflow;
    workflow->pending_bytes -= call->pending_bytes;
    workflow->workflows->pending_bytes -= call->pending_bytes;
    call->pending_bytes = 0;
    workflow__resume_frame(workflow);
    workflows__resume_frames(workflow->workflows);
}

void call__forget_message(struct call *call) {
    json_t *message = call->message;
    call->message = NULL;
    if (json_object_get(message, CALL_WRITTEN) != NULL) { /* The message may be large. */
        workflows__free_json(call->workflow->workflows, message);
    } else {
        json_decref(message);
    }
    call__release_bytes(call);
}

void call__cancel(struct call *call) {
    struct loop *loop = call->workflow->workflows->options.loop;
    timer_stop(loop, &call->timer);
    timer_stop(loop, &call->deadline);
    call__cut_off(call);
}

void call__free(struct call *call) {
    struct workflow *workflow = call->workflow;
    call__cancel(call);
    link_remove(&call->link);
    call__orphan_ops(call);
    run_wait_cancel(&call->turn_wait);
    call__free_missed(call);
    script_search_free(call->search);
    agent_type_done(&call->type);
    call__free_tree(call);
    table_remove(&workflow->calls, &call->node);
    call__set_slots(call, 0);
    workflow->cached -= call->cached != NULL;
    workflow->unloaded -= call->form == RESULT_UNLOADED;
    text_done(&call->answer);
    text_done(&call->result);
    text_done(&call->misfit);
    text_done(&call->mended);
    text_done(&call->program);
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
        call__tick(call);
    }
}

void call__skip(struct call *call) {
    call__fail(call, CAUSE_STOPPED, "somebody skipped it");
}

bool call__is_back(struct call *call) {
    struct workflow *workflow = call->workflow;
    struct workflows *workflows = workflow->workflows;
    call->job.done = NULL;
    workflow->in_pool--;
    if (workflow__is_over(workflow)) {
        workflow->workflows->machine->let_go(workflow);
        workflows__maybe_stopped(workflows);
        return false;
    }
    if (call->elsewhere != CAUSE_NONE) {
        call__tick(call);
        return false;
    }
    return true;
}

static void call_in_pool(struct pool_job *job) {
    struct call *call = CONTAINER_OF(job, struct call, job);
    call->run_in_pool(call);
}

static void call_on_back(struct pool_job *job) {
    struct call *call = CONTAINER_OF(job, struct call, job);
    if (call__is_back(call)) {
        call->back(call);
    }
}

void call__pool(struct call *call, void (*run)(struct call *), void (*back)(struct call *)) {
    call->workflow->in_pool++;
    call->run_in_pool = run;
    call->back = back;
    pool_begin(&call->workflow->workflows->pool, &call->job, POOL_QUICK, call_in_pool,
               call_on_back);
}

/* --- Its deadline and its waits --------------------------------------------------------------- */

bool call__has_budget(const struct call *call) {
    bool has = false;
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        has = has || (i != AMOUNT_WALL && call->limits.of[i] < AMOUNT_MAX);
    }
    return has;
}

bool call__is_budgeted(const struct call *call) {
    return call->workflow->budgeted || call__has_budget(call);
}

static void call_on_deadline(struct timer *timer) {
    struct call *call = CONTAINER_OF(timer, struct call, deadline);
    bool own = call->limits.of[AMOUNT_WALL] < call->workflow->agent_ms;
    call__fail(call, own ? CAUSE_AGENT_BUDGET : CAUSE_TIMED_OUT, "its time was over");
}

/* From its begin; after a restart of the daemon at most as much as is left by the clock. Its waits
 * for a person do not count, and during one there is no deadline. */
void call__watch_deadline(struct call *call) {
    const struct workflow *workflow = call->workflow;
    int64_t own_ms = call->limits.of[AMOUNT_WALL];
    int64_t passed_ms = workflows__mono_ms(workflow->workflows) - call->began_ms - call->waited_ms;
    int64_t left_ms = (own_ms < workflow->agent_ms ? own_ms : workflow->agent_ms) -
                      (passed_ms > 0 ? passed_ms : 0);
    if (!timer_runs(&call->deadline) && call->waits_since_ms == 0) {
        timer_start(workflow->workflows->options.loop, &call->deadline,
                    left_ms > 0 ? (uint64_t)left_ms : 0, call_on_deadline);
    }
}

/* While a person is asked, or a provider whose quota is used up has named a time, its slot is for
 * others, and its deadline does not run. */
void call__set_waiting(struct call *call, bool waits) {
    struct workflow *workflow = call->workflow;
    int64_t now_ms = workflows__mono_ms(workflow->workflows);
    if (waits) {
        call->waits_since_ms = now_ms;
        timer_stop(workflow->workflows->options.loop, &call->deadline);
    } else {
        int64_t since_ms = call->waits_since_ms == 0 ? now_ms : call->waits_since_ms;
        call->waited_ms += now_ms > since_ms ? now_ms - since_ms : 0;
        call->waits_since_ms = 0;
        call__watch_deadline(call);
    }
    if (waits == (call->slots > 0)) {
        call__set_slots(call, waits ? 0 : 1);
        workflow->workflows->machine->pump(workflow);
    }
}

bool call__parks(const struct call *call, int64_t resume_at_ms) {
    return resume_at_ms != 0 &&
           run_provider_parks(resume_at_ms, workflows__now_ms(call->workflow->workflows));
}

struct wait_op {
    struct workflow_op op;
    struct provider_wait wait;
    struct step_spent spent; /* When it began. */
};

static struct err wait_tx(struct tx *tx, void *ctx) {
    const struct wait_op *own = ctx;
    return tx_step_provider(tx, bytes_of(own->op.run.text), own->op.attempt, &own->wait,
                            &own->spent);
}

/* A call that waits without having been answered has used nothing, and is none of these. */
static struct step_spent call_spent(const struct call *call) {
    const int64_t calls = call->calls - (call->asking != NULL);
    struct model_spent now = {.tries = 0};
    struct step_spent spent = {.usage = call->usage,
                               .cost_micros = call->cost.micros,
                               .calls = calls,
                               .calls_unpriced = calls - call->calls_priced};
    if (call->asking != NULL) {
        model_get_spent(call->asking, &now);
    }
    if (usage_total(&now.usage) > 0) {
        usage_add(&spent.usage, &now.usage);
        spent.cost_micros += now.cost.known ? now.cost.micros : 0;
        spent.calls++;
        spent.calls_unpriced += !now.cost.known;
    }
    return spent;
}

static void wait_done(struct workflow_op *op) {
    const struct provider_wait wait = op->call->wait;
    op->call->wait_op = NULL;
    call__wait(op->call, &wait);
}

/* The agent's wait for its provider is stored in its row, and so is the end of that wait: one write
 * at a time, and a change during a write is one more write. So two of them never overtake each
 * other, and a store that is slow gets only the latest. */
void call__wait(struct call *call, const struct provider_wait *wait) {
    call->wait = *wait;
    if (call->wait_op != NULL || call->stored_resume_ms == call->wait.resume_at_ms) {
        return;
    }
    struct wait_op *own = call__op(call, sizeof *own, wait_tx, wait_done);
    own->wait = call->wait;
    own->spent = call_spent(call);
    call->wait_op = &own->op;
    call->stored_resume_ms = call->wait.resume_at_ms;
    workflow__op_send(&own->op);
}
