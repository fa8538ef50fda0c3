/* agent_begin.c: agents of a script begin: the line for a slot, the row, the budgets, the notes of
 * that row, and a restart; and what follows for each call.
 *
 * A workflow that is paused begins no agent. Its script goes on and gets the outcomes of busy
 * ones; agents that it asks for then wait in line. So nothing is held back that has to be
 * remembered: the pause stands in the run's row, and the daemon that takes the run over reads it
 * there.
 *
 * A client may restart an agent: its row has the next attempt, and what it did so far is dropped;
 * its promise waits on. A job in the pool or an op in the store cannot be taken back: it comes, is
 * dropped, and the agent is asked then.
 *
 * Spending. Tokens and cost are a budget of the agent's own, below that of its run
 * (engine/workflow/steps.h): calls of its model are admitted there before they begin. Its time is a
 * deadline like that of every agent, since a turn that reserves all of it would leave nothing to
 * its own commands. An agent whose budget is used up is a null, with a cause of its own; a spent
 * budget of its run throws. */
#include <stdio.h>

#include "base/memory.h"
#include "dispatch/workflow/agent.h"
#include "dispatch/workflow/history.h"
#include "rules/provider/no_model.h"

/* --- What it may spend ------------------------------------------------------------------------ */

/* The stored sum is never below the one that the script was given. */
static bool workflow_total_is_spent(const struct workflow *workflow) {
    return workflow->total >= 0 && workflow->stored >= workflow->total;
}

/* agent() throws the same words in the worker, for calls that are made later. This refusal is an
 * outcome with a note like others, so a replay repeats it. */
static void call_fail_total(struct call *call) {
    const struct workflow *workflow = call->workflow;
    char words[100];
    (void)snprintf(words, sizeof words, "budget exhausted: %lld of %lld tokens are spent",
                   (long long)workflow->stored, (long long)workflow->total);
    call__fail(call, CAUSE_TOTAL_SPENT, words);
}

/* --- The request ------------------------------------------------------------------------------ */

void call__begin_agent(struct call *call, struct prior *open, struct prior *reusable) {
    struct workflow *workflow = call->workflow;
    call__tidy(call->message);
    /* A name that is neither a model's nor an alias leaves the choice to the run. */
    struct default_model otherwise;
    struct model_name room;
    const char *model = workflows__known_model(workflow->workflows, call__asked_model(call), &room);
    model = model != NULL ? model : workflow->model;
    if (open != NULL && open->model[0] != '\0') { /* A call that has begun keeps its model. */
        model = open->model;
    } else if (model[0] == '\0') {
        connections_default_model(workflow->workflows->options.connections, &otherwise);
        model = otherwise.name;
    }
    call->model = mem_copy(model, strlen(model));
    call->cached = open == NULL ? reusable : NULL;
    if (call->cached != NULL) {
        call__enter(call, CALL_CACHED);
        workflow->cached++;
        return;
    }
    call->pending_bytes =
        json_bytes(call->message, "prompt").len + json_bytes(call->message, CALL_WRITTEN).len;
    workflow->pending_bytes += call->pending_bytes;
    workflow->workflows->pending_bytes += call->pending_bytes;
    if (open == NULL) {
        call__enter(call, CALL_IN_LINE);
        return;
    }
    /* The call began in an earlier life, and is asked again under its row. */
    call->run = open->run;
    call->attempt = open->attempt;
    call->waited_ms = steps__parked_ms(open->parked_ms, workflows__now_ms(workflow->workflows));
    call->began_ms = workflows__mono_ms(workflow->workflows) - prior__elapsed_ms(workflow, open) -
                     call->waited_ms;
    call->stop = open->stop;
    call->row = open->parked ? ROW_PARKED : ROW_WRITTEN;
    call->turn = open->turn;
    call->wait.resume_at_ms = call->stored_resume_ms = open->resume_at_ms;
    call->usage = open->spent.usage;
    call->cost = (struct usage_cost){.known = open->spent.calls_unpriced == 0,
                                     .micros = open->spent.cost_micros};
    call->calls = open->spent.calls;
    call->calls_priced = open->spent.calls - open->spent.calls_unpriced;
    call__take_tree(call, open->worktree);
    call__enter(call, open->state == RUN_QUEUED ? CALL_UNADMITTED : CALL_IN_LINE);
    table_remove(&workflow->open, &open->node);
    prior__free(open);
}

/* --- Its row ---------------------------------------------------------------------------------- */

static void call_admit(struct call *call) {
    if (call->workflow->paused) {
        call->row = ROW_PARKED;
    } else if (workflow_total_is_spent(call->workflow)) {
        call_fail_total(call);
    } else {
        call__ask(call);
    }
}

static struct err begin_tx(struct tx *tx, void *ctx) {
    struct begin_op *own = ctx;
    return tx_step_begin(tx, &own->begin, &own->begun, &own->budgeted);
}

static void begin_done(struct workflow_op *op) {
    const struct begin_op *own = CONTAINER_OF(op, struct begin_op, op);
    struct call *call = op->call;
    struct workflow *workflow = op->workflow;
    const bool admitted = call->row == ROW_ADMITTED;
    workflow->budgeted = workflow->budgeted || own->budgeted; /* A budget may be new. */
    call->row = own->begun == STEP_LATE ? ROW_NONE : ROW_WRITTEN;
    if (own->begun == STEP_LATE || workflow->state == WORKFLOW_ENDING) {
        return; /* A note reports the end. */
    }
    if (call->state == CALL_ENDED) {
        call__store(call); /* The outcome has waited for this. */
    } else if (call->state != CALL_BEGUN) {
        return;
    } else if (own->begun == STEP_BEGUN && call->tree != NULL) {
        call__make_tree(call);
    } else if (own->begun == STEP_BEGUN) {
        call__ask(call); /* With budgets, not before. */
    } else if (admitted) {
        call_admit(call);
    } else if (own->begun == STEP_WAITS) {
        call__enter(call, CALL_UNADMITTED);
        call__set_slots(call, 0);
        workflow__pump(workflow);
    }
}

struct again_op {
    struct workflow_op op;
    struct step_again again;
};

static struct err again_tx(struct tx *tx, void *ctx) {
    struct again_op *own = ctx;
    return tx_step_again(tx, bytes_of(own->op.run.text),
                         &own->op.workflow->workflows->options.bounds, &own->again);
}

static void again_done(struct workflow_op *op) {
    const struct step_again *again = &CONTAINER_OF(op, struct again_op, op)->again;
    if (again->late || op->call->state != CALL_BEGUN) {
        return;
    }
    if (again->over) {
        call__fail(op->call, CAUSE_CUT_OFF, RUN_CUT_OFF_WORDS);
    } else {
        call__ask(op->call);
    }
}

/* --- Begun ------------------------------------------------------------------------------------ */

static void call_insert(struct call *call, enum run_cause refused) {
    const struct workflow *workflow = call->workflow;
    bool tools = refused == CAUSE_NONE && call__has_tools(call);
    if (call->run.text[0] == '\0') {
        call->run = workflows__new_id(workflow->workflows, "run");
    }
    call->began_ms = workflows__mono_ms(workflow->workflows);
    if (tools && call->tree == NULL) {
        call__new_turn(call);
    }
    struct begin_op *own = call__op(call, sizeof *own, begin_tx, begin_done);
    own->op.begin = &own->begin;
    own->begin = call__step(call, &own->op, &own->reuse);
    if (tools && call->tree == NULL) {
        call__fill_turn(call, own);
    }
    own->begin.owns_budget = call__has_budget(call) && refused == CAUSE_NONE;
    own->begin.limits = call->limits;
    own->begin.limits.of[AMOUNT_WALL] = AMOUNT_MAX; /* A deadline, and in no budget. */
    own->begin.asks = call__is_budgeted(call) && refused == CAUSE_NONE && !tools;
    /* Where no budget is asked, the model is, at once; the row goes with what comes next. */
    own->op.lazy = !call__is_budgeted(call) && !tools;
    workflow__op_send(&own->op);
}

static void call_begin(struct call *call, enum run_cause refused);

/* A run that reuses results looks for each before it asks for one. Which it takes is decided in the
 * commit that makes the step: a restart finds the step there, and asks nobody. */
static void reused_done(struct workflow_op *op) {
    struct call *call = op->call;
    if (call__take_cached(call, op) || call->workflow->state == WORKFLOW_ENDING) {
        return;
    }
    if (call->workflow->paused) {
        call__set_slots(call, 0);
        call__enter(call, CALL_IN_LINE);
    } else {
        call__enter(call, CALL_BEGUN);
        call_begin(call, CAUSE_NONE);
    }
}

/* The call has its slot. `refused`: it ends at once, with that cause; CAUSE_NONE: it goes on. The
 * row may be older than a crash: a call that was refused then is refused again, and one that
 * was asked is asked again; its row counts how often, also where it has no budget. */
static void call_begin(struct call *call, enum run_cause refused) {
    bool fresh = call->row == ROW_NONE;
    if (fresh && refused == CAUSE_NONE && call__reuse(call, reused_done)) {
        return; /* The call begins again if there is none. */
    }
    if (fresh) {
        call_insert(call, refused);
    }
    if (call->stop) {
        call__skip(call);
    } else if (refused == CAUSE_TOTAL_SPENT) {
        call_fail_total(call);
    } else if (refused != CAUSE_NONE) {
        call__fail(call, refused,
                   refused == CAUSE_NO_CAPABLE_AGENT ? "no agent here has capabilities of its own"
                   : refused == CAUSE_AGENT_BUDGET   ? "its budget leaves it nothing"
                   : refused == CAUSE_MODEL_UNKNOWN  ? NO_MODEL_DETAIL
                                                     : call->misfit.data);
    } else if (call->turn.text[0] != '\0') {
        call__enter(call, CALL_TURN);
        call__watch_deadline(call);
    } else if (call->tree != NULL && fresh) {
        call__watch_deadline(call); /* The row comes first. */
    } else if (call->tree != NULL) {
        call__make_tree(call);
    } else if (!fresh && call->attempt > 1 && call__has_tools(call)) {
        call__start_turn(call);
    } else if (!fresh) {
        workflow__op_send(call__op(call, sizeof(struct again_op), again_tx, again_done));
    } else if (!call__is_budgeted(call)) {
        call__ask(call);
    }
}

static void call_begin_looked_up(struct call *call) {
    call__looked_up(call);
    call_begin(call, call->refusal);
}

/* A refusal that needs no lookup; a type may name a model. A call that has begun, in an earlier
 * life, goes on. */
static enum run_cause call_refusal(const struct call *call) {
    if (json_array_size(call__option(call, "capabilities")) > 0) {
        return CAUSE_NO_CAPABLE_AGENT;
    }
    if (call->model[0] == '\0' && call__option(call, "agentType") == NULL) {
        return CAUSE_MODEL_UNKNOWN;
    }
    for (unsigned i = 0; i < AMOUNT_COUNT; i++) {
        if (call->limits.of[i] == 0) {
            return CAUSE_AGENT_BUDGET;
        }
    }
    return call->row != ROW_WRITTEN && workflow_total_is_spent(call->workflow) ? CAUSE_TOTAL_SPENT
                                                                               : CAUSE_NONE;
}

/* --- Begins ----------------------------------------------------------------------------------- */

static void workflow_begin_calls(struct workflow *workflow) {
    while (workflow->working < workflow->at_once && workflow->state == WORKFLOW_LIVE) {
        /* A call that has begun is busy, also when it is asked again after a restart of the daemon;
         * not one that a budget admitted while the run was paused.
         *
         * A budget that is used up ends a call in the commit that begins it. Where the run resumes
         * another, that end must not come before the cached results, so the call does not begin
         * before them. */
        struct call *call = workflow__first(workflow, CALL_IN_LINE);
        while (call != NULL && ((workflow->paused && call->row != ROW_WRITTEN) ||
                                (call->row == ROW_NONE && call__is_budgeted(call) &&
                                 workflow__must_wait(workflow)))) {
            call = call__next(call);
        }
        if (call == NULL) {
            return;
        }
        enum run_cause refusal = call_refusal(call);
        call__enter(call, CALL_BEGUN);
        call->row = call->row == ROW_PARKED ? ROW_WRITTEN : call->row;
        call__set_slots(call, 1);
        workflow->workflows->stats.agents++;
        if (call->row != ROW_NONE && call->turn.text[0] != '\0') {
            call__resume_turn(call);
        } else if (refusal == CAUSE_NONE &&
                   (call__option(call, "schema") != NULL ||
                    call__option(call, "agentType") != NULL || call__wants_tree(call))) {
            call__lookup(call, call_begin_looked_up);
        } else {
            call_begin(call, refusal);
        }
    }
}

void workflow__pump(struct workflow *workflow) {
    workflow_begin_calls(workflow);
    workflow__announce_queued(workflow);
}

void workflow__on_pause(struct workflow *workflow, const struct run_row *row) {
    bool paused = row->state == RUN_WAITING;
    if (paused == workflow->paused) {
        return;
    }
    workflow->paused = paused;
    if (paused || workflow->state >= WORKFLOW_ENDING) {
        return;
    }
    for (struct call *call = NULL; (call = workflow__next_call(workflow, call)) != NULL;) {
        if (call->row == ROW_PARKED) {
            call->row = ROW_WRITTEN;
            if (call->state == CALL_BEGUN) {
                call_admit(call);
            }
        }
    }
    workflow__look_at_timers(workflow);
    workflow__pump(workflow);
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

/* As good as new; how often its model was silent is counted on. The usage of a turn is its
 * session's; what earlier calls of a model used stays counted. */
static void call_start_again(struct call *call) {
    if (call->workflow->state == WORKFLOW_ENDING) {
        return;
    }
    call__cancel(call);
    run_wait_cancel(&call->turn_wait);
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
    call->told = (struct agent_told){.at_ms = 0};
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

static void call_on_restart(struct call *call, int64_t attempt) {
    call->attempt = attempt;
    call->began_ms = workflows__mono_ms(call->workflow->workflows);
    switch (call->state) {
    case CALL_ASKING:
    case CALL_TURN:
    case CALL_ENDED:
    case CALL_DEFERRED:
        call_start_again(call);
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
        call_admit(call);
    } else if (runs && row->attempt > call->attempt) {
        call_on_restart(call, row->attempt);
    } else if (runs && call->state == CALL_BEGUN) {
        call->attempt = row->attempt; /* Admitted in the commit that made it wait. */
        call->row = call->row == ROW_WRITTEN || call->row == ROW_PARKED ? call->row : ROW_ADMITTED;
    }
}

/* --- What follows ----------------------------------------------------------------------------- */

/* The one place that decides how a call goes on, however it came to its state. */
void call__on_tick(struct call *call) {
    if (call->elsewhere != CAUSE_NONE) {
        call_ended_elsewhere(call, call->elsewhere);
    } else if (call->restarted) {
        call_start_again(call);
    } else if (call->state == CALL_ENDED) {
        call__store(call); /* The outcome has waited for its row. */
    } else if (call->cause == CAUSE_NONE && call->state == CALL_TIMER) {
        workflow__settle_quiet(call->workflow); /* Held: others waited for it. */
    } else if (call->cause != CAUSE_NONE || call->state != CALL_BEGUN) {
        call__ended(call);
    } else if (call->refusal != CAUSE_NONE || call->stop) {
        call_begin(call, call->refusal);
    } else { /* After a late lookup. */
        call_put_to_work(call);
    }
}
