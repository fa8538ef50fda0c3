/* store_ops.c: transactions of workflows with the store, in as few commits as can be.
 *
 * Delay. The row of a step that has begun, and the lines of a script, are waited for by nobody:
 * they are delayed, in their order, until the workflow has something to store that is waited for,
 * which is most often the end of that very step. Then all of it is one function of the store, so
 * that a step costs one savepoint and wakes the writer once. What nothing follows is flushed alone,
 * after WORKFLOW_DELAY_MS.
 *
 * Batches. A commit wakes many scripts at once. Each of them computes a moment, and asks for more;
 * what it asks for would find the writer idle each time, and get a sync, a wake-up and a page of
 * the log for each table by itself. So an op waits in the store while another script has had
 * unprocessed input for less than WORKFLOW_BATCH_NS: most often that script has something to store
 * in the same moment, and the last one takes all of them along. No op waits where no other script
 * computes, nor after WORKFLOW_BATCH_MAX others; an op that waits goes with whatever else is
 * written, and alone after 5 ms (store.h).
 *
 * Errors. A function that fails takes back the others with it. They are sent again, each alone, and
 * each gets its own error then. The end of a step may stand in the store before such a second try
 * of its row, and finds no row: it must not be taken for the end of a step that others have ended,
 * so the row is RETRYING from the failure on. */
#include "dispatch/workflow/store_ops.h"

#include "base/memory.h"
#include "dispatch/workflow/history.h"

#define OP_EFFECT "store or read a step of a workflow"

struct workflow_op *workflow__op(struct workflow *workflow, store_fn fn,
                                 void (*done)(struct workflow_op *op)) {
    struct workflow_op *op = mem_new(sizeof *op);
    op->workflow = workflow;
    op->next = workflow->ops;
    workflow->ops = op;
    op->fn = fn;
    op->done = done;
    return op;
}

struct workflow_op *call__op(struct call *call, store_fn fn, void (*done)(struct workflow_op *op)) {
    struct workflow_op *op = workflow__op(call->workflow, fn, done);
    op->call = call;
    op->run = call->run;
    op->turn = call->turn;
    op->attempt = call->attempt;
    return op;
}

/* The workflow has nothing of the op any more. */
static void op_leave_workflow(struct workflow_op *op) {
    struct workflow_op **at = &op->workflow->ops;
    assert(!op->away);
    while (*at != op) {
        at = &(*at)->next;
    }
    *at = op->next;
    op->workflow->storing -= op->stores;
    if (op->stores && op->workflow->storing == 0) {
        workflow__store_empty(op->workflow);
    }
    timer_stop(op->workflow->workflows->options.loop, &op->timer);
    retry_done(&op->retry);
}

static void op_free_memory(struct workflow_op *op) {
    text_done(&op->spec);
    text_done(&op->bytes);
    text_done(&op->note);
    for (size_t i = 0; i < op->line_count; i++) {
        mem_free((char *)op->lines[i].text.data);
    }
    mem_free(op->lines);
    mem_free((struct step_queued *)op->queued.steps);
    mem_free(op->took);
    mem_free(op->talk);
    workflow__page_free(op->page);
    script_search_free(op->search);
    mem_free(op);
}

void workflow__op_free(struct workflow_op *op) {
    op_leave_workflow(op);
    op_free_memory(op);
}

/* A note of what an op did may come before its answer, and end the call that it was about. */
void call__orphan_ops(struct call *call) {
    for (struct workflow_op *op = call->workflow->ops; op != NULL; op = op->next) {
        if (op->call == call) {
            op->call = NULL;
            op->orphan = true;
        }
    }
}

/* --- Scripts with unprocessed input ----------------------------------------------------------- */

static uint64_t workflows_now_ns(const struct workflows *workflows) {
    return world_mono_ns(loop_world(workflows->options.loop));
}

void workflow__computing_begin(struct workflow *workflow) {
    workflow__computing_end(workflow);
    workflow->computing_since_ns = workflows_now_ns(workflow->workflows);
    link_add_last(&workflow->workflows->computing, &workflow->computing);
}

void workflow__computing_end(struct workflow *workflow) {
    link_remove(&workflow->computing);
}

bool workflows__batch_expected(struct workflows *workflows) {
    if (links_empty(&workflows->computing) || workflows->batched >= WORKFLOW_BATCH_MAX) {
        return false;
    }
    const uint64_t now_ns = workflows_now_ns(workflows);
    while (!links_empty(&workflows->computing)) {
        struct workflow *workflow =
            CONTAINER_OF(workflows->computing.next, struct workflow, computing);
        if (now_ns - workflow->computing_since_ns <= WORKFLOW_BATCH_NS) {
            return true;
        }
        workflow__computing_end(workflow); /* Computes for long: nobody waits for it. */
    }
    return false;
}

/* --- Answers ---------------------------------------------------------------------------------- */

bool workflows__is_for_good(struct err err) {
    static const enum err_code codes[] = {
        ERR_RUN_ALIVE, ERR_BAD_FIELD, ERR_MISSING_FIELD, ERR_BODY_TOO_LARGE, ERR_MODEL_UNKNOWN,
        ERR_NO_MODEL,  ERR_NOT_FOUND, ERR_CONFLICT,      ERR_BUDGET_TOO_DEEP};
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        if (err.code == codes[i]) {
            return true;
        }
    }
    return false;
}

/* All that an orphan borrows went with its call, so an orphan is not sent again. */
static void op_retry(struct timer *timer) {
    struct workflow_op *op = CONTAINER_OF(timer, struct workflow_op, timer);
    if (op->orphan) {
        workflow__op_free(op);
    } else {
        workflow__op_send(op);
    }
}

/* All that an agent answered is only in memory until it is stored: nothing is dropped for an
 * error. */
static void op_answered(struct workflow_op *op, struct err err) {
    static const struct retry_words words = {
        .effect = OP_EFFECT,
        .again = "steps of a workflow could not be stored or read; it is tried again"};
    struct workflow *workflow = op->workflow;
    struct workflows *workflows = workflow->workflows;
    op->away = false;
    if (workflows->asker.stopping) {
        workflows->machine->let_go(workflow);
    } else if (workflow->state >= WORKFLOW_ENDED || op->orphan) { /* The result is ignored. */
        workflow__op_free(op);
        workflows->machine->let_go(workflow);
    } else if (!err_failed(err)) {
        if (op->call != NULL) {
            workflow__progressed(workflow);
        }
        op_leave_workflow(op);
        if (op->done != NULL) {
            op->done(op);
        }
        op_free_memory(op);
    } else if ((op->begins && workflows__is_for_good(err)) ||
               effect_is_hopeless(op->retry.tries + 1, err)) { /* No retry would go better. */
        workflows->machine->refused(op, err);
    } else {
        if (op->begins) {
            op->call->row = ROW_RETRYING; /* The end must not overtake it. */
        }
        timer_start(
            workflows->options.loop, &op->timer,
            retry_failed(&op->retry, &workflows->asker, &words, workflow__run(workflow), err),
            op_retry);
    }
}

/* --- Sent ------------------------------------------------------------------------------------- */

static void op_push(struct workflow_op *op);

static struct err op_perform(struct tx *tx, void *ctx) {
    struct workflow_op *op = ctx;
    struct err err = ERR_OK;
    for (struct workflow_op *at = op->first; at != NULL && !err_failed(err); at = at->next_after) {
        err = at->fn(tx, at);
    }
    return err_failed(err) ? err : op->fn(tx, op);
}

static void op_push_alone(struct workflow_op *op, struct err err) {
    if (op->orphan) {
        op_answered(op, err);
        return;
    }
    if (op->begins) {
        op->call->row = ROW_RETRYING; /* The end, which waits in the store, finds no row. */
    }
    op_push(op);
}

/* The ones that went before it are answered first. */
static void op_returned(struct err err, void *ctx) {
    struct workflow_op *op = ctx, *first = op->first;
    struct workflows *workflows = op->workflow->workflows;
    void (*answer)(struct workflow_op *, struct err) =
        err_failed(err) && first != NULL && !workflows->asker.stopping ? op_push_alone
                                                                       : op_answered;
    assert(workflows->asker.away > 0);
    workflows->asker.away--;
    workflows->batched -= op->batched;
    op->first = NULL;
    if (op->beginning != NULL) {
        op->beginning->begin.end = NULL;
        op->beginning->begin.end_tells = false;
        op->beginning = NULL;
    }
    for (struct workflow_op *next; first != NULL; first = next) {
        next = first->next_after;
        first->next_after = NULL;
        answer(first, err);
    }
    answer(op, err);
}

static void op_push(struct workflow_op *op) {
    struct workflows *workflows = op->workflow->workflows;
    for (struct workflow_op *at = op->first; at != NULL; at = at->next_after) {
        at->away = true;
        at->pushes++;
        effect_begin(workflows->options.effects, &at->retry.effect, OP_EFFECT);
    }
    op->away = true;
    op->pushes++;
    effects_at(workflows->options.effects, workflow__run(op->workflow));
    effect_begin(workflows->options.effects, &op->retry.effect, OP_EFFECT);
    workflows->asker.away++;
    op->batched = !op->reads && workflows__batch_expected(workflows);
    workflows->batched += op->batched;
    (op->reads     ? store_read
     : op->batched ? store_write_lazy
                   : store_write)(workflows->options.store, op_perform, op_returned, op);
}

/* --- Delayed ---------------------------------------------------------------------------------- */

static struct workflow_op *workflow_take_delayed(struct workflow *workflow) {
    struct workflow_op *first = workflow->delayed;
    workflow->delayed = NULL;
    workflow->delayed_count = workflow->delayed_rows = 0;
    return first;
}

void workflow__drop_delayed(struct workflow *workflow) {
    (void)workflow_take_delayed(workflow); /* The ops are the workflow's, and go with it. */
    timer_stop(workflow->workflows->options.loop, &workflow->delay_timer);
}

/* All delayed ops as one function of the store: the last one brings the others. */
static void workflow_flush(struct workflow *workflow) {
    struct workflow_op *first = workflow_take_delayed(workflow), **at = &first;
    while (*at != NULL && (*at)->next_after != NULL) {
        at = &(*at)->next_after;
    }
    struct workflow_op *last = *at;
    if (last != NULL) {
        *at = NULL;
        last->first = first;
        op_push(last);
    }
}

static void workflow_on_delay(struct timer *timer) {
    workflow_flush(CONTAINER_OF(timer, struct workflow, delay_timer));
}

static void op_delay(struct workflow_op *op) {
    struct workflow *workflow = op->workflow;
    /* A step has a row and an event. */
    size_t rows = op->line_count + op->queued.count + 2 * (size_t)op->begins;
    if (workflow->delayed_rows + rows > WORKFLOW_DELAY_ROWS) {
        workflow_flush(workflow);
    }
    struct workflow_op **at = &workflow->delayed;
    while (*at != NULL) { /* WORKFLOW_DELAY_MAX at most. */
        at = &(*at)->next_after;
    }
    op->next_after = NULL;
    *at = op;
    workflow->delayed_rows += rows;
    if (++workflow->delayed_count == WORKFLOW_DELAY_MAX) {
        workflow_flush(workflow);
    } else if (!timer_runs(&workflow->delay_timer)) { /* Most ops are sent before it rings. */
        timer_start(workflow->workflows->options.loop, &workflow->delay_timer, WORKFLOW_DELAY_MS,
                    workflow_on_delay);
    }
}

void workflow__op_send(struct workflow_op *op) {
    if (op->lazy) {
        op_delay(op);
        return;
    }
    op->first = op->reads ? NULL : workflow_take_delayed(op->workflow);
    /* A step that ends within the delay: its row is written once, and so is the head of the stream,
     * unless another op appends an event between its two. */
    for (struct workflow_op *at = op->first; at != NULL; at = at->next_after) {
        if (op->ends && at->begins && at->call == op->call) {
            at->begin.end = &op->end;
            at->begin.end_tells = at->next_after == NULL;
            op->beginning = at;
        }
    }
    op_push(op);
}
