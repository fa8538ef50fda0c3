/* call.c: requests of a script, from their arrival: their states, their memory, their jobs in the
 * pool, and the effects that notes of their rows have on them.
 *
 * An agent goes on in agent_begin.c, a nested workflow in settle.c, a timer in timer.c. */
#include "dispatch/workflow/call.h"

#include <stdio.h>

#include "base/memory.h"
#include "dispatch/workflow/agent.h"
#include "dispatch/workflow/history.h"
#include "engine/budget/budget.h"
#include "engine/session/sessions.h"
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
        call__ended(call);
    }
}

void call__skip(struct call *call) {
    call__fail(call, CAUSE_STOPPED, "somebody skipped it");
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

/* --- The request ------------------------------------------------------------------------------ */

static struct prior *call_find_prior(const struct call *call, const struct table *table) {
    struct table_node *node = table_find(table, call->node.name);
    return node == NULL ? NULL : CONTAINER_OF(node, struct prior, node);
}

/* Counts a request. The worker counts, too, and lets no bad option pass; a worker that is hijacked
 * does not. False: it asks for more than it may. */
static bool workflow_admit_request(struct workflow *workflow, const json_t *message,
                                   enum call_kind kind, struct amounts *io_limits) {
    if (kind == CALL_OF_WORKFLOW) {
        return ++workflow->nested <= WORKFLOW_NESTED_MAX;
    }
    if (kind == CALL_OF_TIMER) {
        const int64_t ms = json_int(message, "ms", -1);
        return ++workflow->timers <= WORKFLOW_TIMERS_MAX && ms >= 0 && ms <= WORKFLOW_TIMER_MS_MAX;
    }
    const json_t *opts = json_object_get(message, "opts");
    const json_t *limits = json_object_get(opts, "budget");
    struct budget_limits budget = {.limits = amounts_unlimited()};
    struct why why;
    bool good = ++workflow->agents <= WORKFLOW_AGENTS_MAX &&
                json_bytes(message, "prompt").len > 0 &&
                strlen(json_str(opts, "model", "")) <= SESSION_MODEL_MAX;
    if (json_is_integer(limits)) {
        budget.limits.of[AMOUNT_OUTPUT_TOKENS] = json_integer_value(limits);
    } else if (limits != NULL) {
        good = good && !err_failed(budget_limits_read(limits, &budget, &why));
    }
    *io_limits = budget.limits;
    return good && budget.limits.of[AMOUNT_OUTPUT_TOKENS] >= 0;
}

/* A call that outlived its worker is found again, with its outcome. */
void workflow__on_call(struct workflow *workflow, json_t *message, enum call_kind kind) {
    const char *key = json_str(message, "k", "");
    int64_t occurrence = json_int(message, "n", 0), number = json_int(message, "id", 0);
    char name[CALL_NAME];
    call__name_of(name, bytes_of(key), occurrence);
    bool good = strspn(key, "0123456789abcdef") == WORKFLOW_HASH && key[WORKFLOW_HASH] == '\0' &&
                occurrence > 0 && number > 0 && workflow->calls.count <= WORKFLOW_UNANSWERED_MAX;
    struct call *call = good ? workflow__find_call(workflow, bytes_of(name)) : NULL;
    if (call != NULL) {
        json_decref(message);
        call->number = number;
        return;
    }
    struct amounts limits = amounts_unlimited();
    good = good && workflow_admit_request(workflow, message, kind, &limits);
    if (!good) {
        json_decref(message);
        workflow__end(workflow, CAUSE_TOO_MANY_CALLS, "its worker asked for more than it may");
        return;
    }
    call = call__new(workflow, key, occurrence);
    call->number = number;
    call->kind = kind;
    call->message = message;
    call->limits = limits;
    if (kind == CALL_OF_WORKFLOW) {
        call__begin_nested(call, call_find_prior(call, &workflow->reusable));
    } else if (kind == CALL_OF_TIMER) {
        call__begin_timer(call, call_find_prior(call, &workflow->open),
                          call_find_prior(call, &workflow->reusable));
    } else {
        call__begin_agent(call, call_find_prior(call, &workflow->open),
                          call_find_prior(call, &workflow->reusable));
    }
}

/* --- Notes of its row ------------------------------------------------------------------------- */

/* Another client ended the step: its done_no is stored already. */
static void call_ended_elsewhere(struct call *call, enum run_cause cause) {
    struct workflow *workflow = call->workflow;
    call__cancel(call);
    call->cause = cause;
    call->usage = (struct usage){.output = 0}; /* As its row has it: nobody has counted there. */
    mem_free(call->note);
    call->note = NULL;
    call__done(call);
    if (workflow->state != WORKFLOW_LIVE || call->number == 0 || workflow->storing > 0) {
        workflow__reload(workflow);
        return;
    }
    workflow__deliver(workflow);
    workflow__pump(workflow);
}

bool call__is_back(struct call *call) {
    struct workflow *workflow = call->workflow;
    struct workflows *workflows = workflow->workflows;
    call->job.done = NULL;
    workflow->in_pool--;
    if (workflow__is_over(workflow)) {
        workflow__maybe_free(workflow);
        workflows__maybe_stopped(workflows);
        return false;
    }
    if (call->elsewhere != CAUSE_NONE) {
        call_ended_elsewhere(call, call->elsewhere);
        return false;
    }
    return true;
}

static void call_on_restart(struct call *call, int64_t attempt) {
    call->attempt = attempt;
    call->began_ms = workflows__mono_ms(call->workflow->workflows);
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

void call__on_note(struct call *call, const struct run_row *row) {
    bool runs = row->state == RUN_RUNNING;
    if (run_state_final(row->state) && call__in_pool(call)) {
        call->elsewhere = row->cause; /* The pool reads the call; call__is_back goes on. */
    } else if (run_state_final(row->state)) {
        if (call->state < CALL_ENDED) {
            call_ended_elsewhere(call, row->cause);
        }
    } else if (row->stop != CAUSE_NONE && !call->stop) {
        call->stop = true;
        call__skip(call);
    } else if (runs && call->state == CALL_UNADMITTED) {
        call->attempt = row->attempt;
        call->began_ms = workflows__mono_ms(call->workflow->workflows);
        call__enter(call, CALL_BEGUN);
        call__set_slots(call, 1);
        call__admit(call);
    } else if (runs && row->attempt > call->attempt) {
        call_on_restart(call, row->attempt);
    } else if (runs && call->state == CALL_BEGUN) {
        call->attempt = row->attempt; /* Admitted in the commit that made it wait. */
        call->row = call->row == ROW_WRITTEN || call->row == ROW_PARKED ? call->row : ROW_ADMITTED;
    }
}
