/* settle.c: the outcome of a call is stored, and then delivered to the script.
 *
 * The order of the commits is the order of delivery, now and in every replay. A run that may take
 * over results of another one settles these first, in their old order, each when the script is
 * quiet; outcomes of its own agents are deferred until no such call is left, and then settled one
 * by one. So neither the order of the other run nor a failed sibling costs a finished step.
 *
 * A call of workflow() has a place in that order, too, although its script is searched again: else
 * two branches, one of which waits for that call, would ask for equal prompts in another order, and
 * get each other's results. The place counts also where workflow() threw, then or now. A call that
 * the other run did not make is deferred like an agent's outcome. The search for either script
 * begins when the call is the next one, and nothing else is settled until that search has ended. */
#include "dispatch/workflow/settle.h"

#include "base/memory.h"
#include "dispatch/workflow/agent.h"
#include "dispatch/workflow/replay.h"

enum { DELIVER_BYTES = 256 << 10 }; /* Of outcomes in one turn of the loop, and one more. */

/* --- Delivered -------------------------------------------------------------------------------- */

static void call_add_settle(struct call *call, struct text *text) {
    struct flow *flow = call->flow;
    const struct bytes note = bytes_of(call->note);
    flow->spent += call->usage.output;
    flow->sent++;
    text_addf(text, "{\"t\":\"settle\",\"id\":%lld", (long long)call->number);
    if (call->encoded) {
        text_add(text, call->result.data, call->result.len);
    } else if (!call->nested) {
        const struct flow_result result = {.state = workflow_step_state(call->cause),
                                           .cause = call->cause,
                                           .result = text_bytes(&call->result),
                                           .note = note};
        flow__add_result(&result, text);
    } else if (call->cause != CAUSE_COMPLETED) {
        flow__add_throw(text, note);
    } else { /* The result of workflow() are the members of its script (nested.c). */
        text_add_str(text, ",\"o\":\"script\",");
        text_add(text, call->result.data, call->result.len);
    }
    text_addf(text, ",\"spent\":%lld}", (long long)flow->spent);
}

void flow__deliver(struct flow *flow) {
    const struct call *first = flow->done.first;
    if (flow->state != FLOW_LIVE || !flow->replayed || flow->ended) {
        return;
    }
    if (flow->evicted) { /* What is to be delivered is in the history that the next worker gets. */
        if (first != NULL) {
            flow__reload(flow);
        }
        return;
    }
    /* A call that the worker has not asked for, after all that was sent: it does not replay what
     * the earlier one did. */
    if (first != NULL && first->number == 0 && flow->quiet) {
        flow__end(flow, CAUSE_REPLAY_DIVERGED, "an agent that it had asked was not asked again");
        return;
    }
    AUTO(text_done) struct text text;
    size_t count = 0;
    text_init(&text, FLOW_ORDER_MAX);
    text_add_char(&text, '[');
    while ((first = flow->done.first) != NULL && first->number != 0 && !first->unloaded &&
           text.len < DELIVER_BYTES) {
        text_add_str(&text, count++ > 0 ? "," : "");
        call_add_settle(flow->done.first, &text);
        call__free(flow->done.first);
    }
    text_add_char(&text, ']');
    if (count > 0 && !text_failed(&text)) {
        flow__send(flow, &text);
    } else if (flow->quiet && flow->done.first != NULL) {
        flow__load_page(flow);
    }
}

/* --- Stored ----------------------------------------------------------------------------------- */

static void flow_deliver_soon(struct loop_task *task) {
    flow__deliver(CONTAINER_OF(task, struct flow, deliver_task));
}

void call__enqueue_done(struct call *call) {
    struct flow *flow = call->flow;
    call->state = CALL_DONE;
    call_line_append(&flow->done, call);
    call__forget_message(call);
    call__set_counted(call, false);
    if (flow->unloaded > 0) { /* It is delivered after those. */
        call__unload(call);
    }
}

/* Agents that ran side by side end side by side: their outcomes travel together, where the store
 * answers for several in this turn of the loop. */
void call__stored(struct call *call) {
    struct flow *flow = call->flow;
    if (flow->state == FLOW_ENDING) {
        return;
    }
    flow->stored += call->usage.output;
    call__enqueue_done(call);
    if (flow->storing == 0) {
        flow__deliver(flow);
    } else {
        flow->deliver_task.run = flow_deliver_soon;
        loop_soon(flow->flows->options.loop, &flow->deliver_task);
    }
    if (flow->state == FLOW_LIVE) {
        flow__pump(flow);
    }
}

static struct err end_tx(struct tx *tx, void *ctx) {
    struct flow_op *op = ctx;
    const struct flow_op *beginning = op->beginning;
    op->end.written = beginning != NULL && beginning->begun == STEP_BEGUN;
    op->end.untold = op->end.written && beginning->begin.end_tells ? &beginning->begin : NULL;
    return tx_step_end(tx, &op->end, &op->late, &op->used);
}

/* Late: its row is not there yet, and it is sent again when it is; or it was ended by others in the
 * same moment, and has its number from there; or somebody has restarted it. */
static void end_done(struct flow_op *op) {
    struct call *call = op->call;
    bool late = op->late, restarted = late && call->restarted;
    call->usage = late ? call->usage : op->used;
    flow__op_free(op);
    call->storing = false;
    if (restarted) {
        struct flow *flow = call->flow;
        call__start_again(call);
        flow__settle_quiet(flow); /* Others may have waited for this. */
        flow__pump(flow);
    } else if (!late || !call->unwritten) {
        call__stored(call);
    }
}

static void call_store_end(struct call *call) {
    const struct flow *flow = call->flow;
    struct flow_op *op = call__op(call, end_tx, end_done);
    const bool turn = call->has_turn || call->turn.text[0] != '\0';
    op->used = call->usage; /* Where the store has no better number. */
    op->end = (struct step_end){
        .place = flow__place(flow),
        .run = bytes_of(call->run.text),
        .attempt = call->attempt,
        .cause = call->cause,
        .result = {call->result.data == NULL ? "" : call->result.data, call->result.len},
        .note = bytes_of(call->note),
        .resume_at_ms = call->resume_at_ms,
        .label = call__name(call->message, "label"),
        .phase = call__name(call->message, "phase"),
        .usage = call->usage,
        .cost = call->cost,
        .model = bytes_of(call->model),
        .project = flow__project(flow),
        .calls = call->calls,
        .calls_unpriced = call->calls - call->calls_priced,
        .took_ms = call->began_ms == 0 ? 0 : flows__mono_ms(flow->flows) - call->began_ms,
        .budgeted = call__is_budgeted(call) && !turn,
        .talks = turn,
        .worktree = call__left_tree(call),
        .bounds = flow__bounds(flow)};
    if (call->tree != NULL && op->end.worktree.len == 0) {
        text_init(&op->bytes, STEP_SPEC_MAX);
        call__write_spec(call, &op->bytes);
        op->end.spec = text_bytes(&op->bytes);
    }
    op->ends = true;
    flow__op_stores(op);
    call->storing = true;
    flow__op_send(op);
}

static void call_defer(struct call *call) {
    call->deferred = true;
    call_line_append(&call->flow->deferred, call);
    call__release_bytes(call); /* What it waits for may stand in a frame that was not read yet. */
}

static struct call *flow_take_deferred(struct flow *flow) {
    struct call *call = flow->deferred.first;
    call_line_remove(&flow->deferred, call);
    call->deferred = false;
    return call;
}

/* Not before its row is written: it comes again then. And not while a history is read, which would
 * have it or not: flow__store_deferred goes on. */
void call__store(struct call *call) {
    if (call->unwritten || call->deferred || call->storing) {
        return;
    }
    if (call->flow->state != FLOW_LIVE) {
        call_defer(call);
    } else if (call->nested && call->search == NULL) {
        call__find_script(call);
    } else if (call->nested) {
        call__store_script(call);
    } else {
        call_store_end(call);
    }
}

/* A run that resumes another delivers its outcomes one by one: what the script asks for after one
 * of them may be cached, and is then delivered before the next. */
bool flow__must_wait(const struct flow *flow) {
    return flow->resumes && (flow->cached > 0 || !flow->quiet || flow->deferred.first != NULL ||
                             flow->storing > 0 || flow->done.first != NULL);
}

void call__ended(struct call *call) {
    if (call__leave_tree(call)) {
        return;
    }
    call->state = CALL_STORING;
    if (!flow__must_wait(call->flow)) {
        call__store(call);
        return;
    }
    call_defer(call);
    flow__settle_quiet(call->flow);
}

void flow__store_deferred(struct flow *flow) {
    while (flow->deferred.first != NULL && !flow->resumes) {
        call__store(flow_take_deferred(flow));
    }
}

/* --- Taken over from the run that is resumed -------------------------------------------------- */

void call__release_cached(struct call *call) {
    call->flow->cached -= call->cached != NULL;
    call->cached = NULL;
}

static struct err cached_tx(struct tx *tx, void *ctx) {
    struct flow_op *op = ctx;
    struct bytes value;
    text_clear(&op->bytes);
    struct err err = tx_step_cached(tx, &op->cached, &op->late, &value);
    if (!err_failed(err) && !op->late) {
        text_add(&op->bytes, value.data, value.len);
        err = text_failed(&op->bytes) ? text_error(&op->bytes, "flow: cached") : ERR_OK;
    }
    return err;
}

/* Late: it was deleted meanwhile, and the call is asked like any other. */
static void cached_done(struct flow_op *op) {
    struct call *call = op->call;
    struct flow *flow = op->flow;
    bool late = op->late;
    call__release_cached(call);
    text_clear(&call->result);
    text_add(&call->result, op->bytes.data, late ? 0 : op->bytes.len);
    flow__op_free(op);
    if (!late) {
        flow->flows->stats.cached++;
        call->cause = CAUSE_COMPLETED;
        call__stored(call);
        return;
    }
    call->state = CALL_WAITING;
    call_line_append(&flow->waiting, call);
    flow__pump(flow);
    flow__settle_quiet(flow);
}

static void call_store_cached(struct call *call) {
    struct flow_op *op = call__op(call, cached_tx, cached_done);
    call->run = flows__new_id(call->flow->flows, "run");
    call->state = CALL_STORING;
    text_init(&op->bytes, 2 * (size_t)WORKFLOW_RESULT_MAX);
    op->cached = (struct step_cached){.step = call__step(call, op),
                                      .from = bytes_of(call->cached->run.text)};
    flow__op_stores(op);
    flow__op_send(op);
}

/* The lowest of those that the other run has answered. */
static void call_find_lowest(void *ctx, struct table_node *node) {
    struct call **lowest = ctx, *call = CONTAINER_OF(node, struct call, node);
    if (call->state == CALL_CACHED &&
        (*lowest == NULL || call->cached->done_no < (*lowest)->cached->done_no)) {
        *lowest = call;
    }
}

void flow__settle_quiet(struct flow *flow) {
    struct call *lowest = NULL;
    if (!flow->quiet || flow->state != FLOW_LIVE || flow->ended) {
        return;
    }
    if (flow->done.first != NULL) {
        flow__deliver(flow);
        return;
    }
    if (flow->storing > 0 || flow->search_busy) {
        return; /* One at a time. */
    }
    if (flow->cached > 0) {
        table_each(&flow->calls, call_find_lowest, &lowest);
    }
    if (lowest != NULL && lowest->nested) {
        lowest->state = CALL_STORING;
        call__store(lowest);
    } else if (lowest != NULL) {
        call_store_cached(lowest);
    } else if (flow->deferred.first != NULL) {
        call__store(flow_take_deferred(flow));
    }
}

/* --- workflow() ------------------------------------------------------------------------------- */

void call__begin_nested(struct call *call, struct prior *old) {
    struct flow *flow = call->flow;
    call->cached = old;
    flow->cached += old != NULL;
    call->state = old != NULL ? CALL_CACHED : CALL_STORING;
    if (old == NULL && flow->resumes) {
        call_defer(call); /* The script, which asks just now, will be quiet: then the line moves. */
    } else if (old == NULL) {
        call__find_script(call);
    }
}

/* In a run that resumes another, the call was the next one when its search began. Somebody may have
 * skipped an agent meanwhile, and the script, which got that outcome, asked for a call with a lower
 * place. So the order is judged once more. */
void call__found(struct call *call) {
    struct flow *flow = call->flow;
    call->state = call->cached != NULL ? CALL_CACHED : CALL_STORING;
    if (!flow->resumes) {
        call__store(call);
        return;
    }
    if (call->cached == NULL) {
        call->deferred = true;
        call_line_prepend(&flow->deferred, call);
    }
    flow__settle_quiet(flow);
}
