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
#include "dispatch/workflow/workflow.h"

static const struct ask_rules op_rules;

void *workflow__op(struct workflow *workflow, size_t size, store_fn fn,
                   void (*done)(struct workflow_op *op)) {
    struct workflow_op *op = mem_new(size);
    ask_init(&op->ask, &workflow->workflows->asker, &op_rules, op);
    op->ask.run = workflow__run(workflow);
    op->workflow = workflow;
    op->next = workflow->ops;
    workflow->ops = op;
    op->fn = fn;
    op->done = done;
    return op;
}

void *call__op(struct call *call, size_t size, store_fn fn, void (*done)(struct workflow_op *op)) {
    struct workflow_op *op = workflow__op(call->workflow, size, fn, done);
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
    ask_drop(&op->ask);
}

static void op_free_memory(struct workflow_op *op) {
    if (op->forget != NULL) {
        op->forget(op);
    }
    text_done(&op->bytes);
    text_done(&op->more);
    mem_free(op->owned);
    mem_free(op);
}

void workflow__op_free(struct workflow_op *op) {
    op_leave_workflow(op);
    op_free_memory(op);
}

/* A note of what an op did may come before its answer, and end the call that it was about. All that
 * an orphan borrows goes with its call, so an orphan is not sent again. */
void call__orphan_ops(struct call *call) {
    for (struct workflow_op *op = call->workflow->ops, *next; op != NULL; op = next) {
        next = op->next;
        if (op->call == call) {
            op->call = NULL;
            op->orphan = true;
        }
        if (op->orphan && op->ask.state == ASK_PAUSING) {
            workflow__op_free(op);
        }
    }
}

/* --- Scripts with unprocessed input ----------------------------------------------------------- */

void workflow__computing_begin(struct workflow *workflow) {
    workflow__computing_end(workflow);
    workflow->computing_since_ns = world_mono_ns(loop_world(workflow->workflows->options.loop));
    link_add_last(&workflow->workflows->computing, &workflow->computing);
}

void workflow__computing_end(struct workflow *workflow) {
    link_remove(&workflow->computing);
}

bool workflows__batch_expected(struct workflows *workflows) {
    if (links_empty(&workflows->computing) || workflows->batched >= WORKFLOW_BATCH_MAX) {
        return false;
    }
    const uint64_t now_ns = world_mono_ns(loop_world(workflows->options.loop));
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

/* The result does not matter any more. */
static bool op_is_over(const struct workflow_op *op) {
    return op->workflow->state >= WORKFLOW_ENDED || op->orphan;
}

static void op_leave_over(struct workflow_op *op) {
    struct workflow *workflow = op->workflow;
    workflow__op_free(op);
    workflow->workflows->machine->let_go(workflow);
}

static void op_succeeded(struct workflow_op *op) {
    op->away = false;
    if (op_is_over(op)) {
        op_leave_over(op);
        return;
    }
    if (op->call != NULL) {
        workflow__progressed(op->workflow);
    }
    op_leave_workflow(op);
    if (op->done != NULL) {
        op->done(op);
    }
    op_free_memory(op);
}

/* The op came back, with those that went before it. */
static struct workflow_op *op_take_first(struct workflow_op *op) {
    struct workflow_op *first = op->first;
    op->workflow->workflows->batched -= op->batched;
    op->batched = false;
    op->first = NULL;
    if (op->beginning != NULL) {
        op->beginning->begin->end = NULL;
        op->beginning->begin->end_tells = false;
        op->beginning = NULL;
    }
    return first;
}

/* --- Sent ------------------------------------------------------------------------------------- */

static void op_push(struct workflow_op *op);

static void op_push_alone(struct workflow_op *op) {
    op->away = false;
    if (op->orphan) {
        op_leave_over(op);
        return;
    }
    if (op->begin != NULL) {
        op->call->row = ROW_RETRYING; /* The end, which waits in the store, finds no row. */
    }
    op_push(op);
}

/* The ones that went before it come first, and it is still away meanwhile. */
static void op_each(struct workflow_op *op, void (*answer)(struct workflow_op *op)) {
    for (struct workflow_op *first = op_take_first(op), *next; first != NULL; first = next) {
        next = first->next_after;
        first->next_after = NULL;
        answer(first);
    }
    answer(op);
}

static void op_done(void *ctx) {
    op_each(ctx, op_succeeded);
}

/* All that an agent answered is only in memory until it is stored: nothing is dropped for an
 * error. */
static enum ask_verdict op_judge(void *ctx, unsigned tries, struct err err) {
    struct workflow_op *op = ctx;
    if (op->first != NULL || op_is_over(op) || (op->begin != NULL && workflows__is_for_good(err)) ||
        effect_is_hopeless(tries + 1, err)) { /* No retry would go better. */
        return ASK_REFUSED;
    }
    (void)op_take_first(op); /* There is none. */
    op->away = false;
    if (op->begin != NULL) {
        op->call->row = ROW_RETRYING; /* The end must not overtake it. */
    }
    return ASK_AGAIN;
}

static void op_refused(void *ctx, struct err err) {
    struct workflow_op *op = ctx;
    if (op->first != NULL) {
        op_each(op, op_push_alone);
        return;
    }
    (void)op_take_first(op);
    op->away = false;
    if (op_is_over(op)) {
        op_leave_over(op);
    } else {
        op->workflow->workflows->machine->refused(op, err);
    }
}

static void op_drop(struct workflow_op *op) {
    op->away = false;
}

static void op_dropped(void *ctx) {
    struct workflow *workflow = ((struct workflow_op *)ctx)->workflow;
    op_each(ctx, op_drop);
    workflow->workflows->machine->let_go(workflow);
}

static void op_begin(void *ctx) {
    struct workflow_op *op = ctx;
    op->away = true;
    op->pushes++;
}

static const struct ask_rules op_rules = {
    .words = {.effect = "store or read a step of a workflow",
              .again = "steps of a workflow could not be stored or read; it is tried again"},
    .judge = op_judge,
    .begin = op_begin,
    .refused = op_refused,
    .dropped = op_dropped};

static struct err op_perform(struct tx *tx, void *ctx) {
    struct workflow_op *op = ctx;
    for (struct workflow_op *at = op->first; at != NULL; at = at->next_after) {
        TRY(at->fn(tx, at));
    }
    return op->fn(tx, op);
}

static void op_push(struct workflow_op *op) {
    struct workflows *workflows = op->workflow->workflows;
    for (struct workflow_op *at = op->first; at != NULL; at = at->next_after) {
        op_begin(at);
    }
    effects_at(workflows->options.effects, workflow__run(op->workflow));
    op->batched = !op->reads && workflows__batch_expected(workflows);
    workflows->batched += op->batched;
    (op->reads     ? ask_read
     : op->batched ? ask_write_lazy
                   : ask_write)(&op->ask, op_perform, op_done);
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
    const size_t rows = op->begin != NULL ? 2 : op->rows; /* A step has a row and an event. */
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
        if (op->end != NULL && at->begin != NULL && at->call == op->call) {
            at->begin->end = op->end;
            at->begin->end_tells = at->next_after == NULL;
            op->beginning = at;
        }
    }
    op_push(op);
}
