/* store_ops.c: transactions of flows with the store, in as few commits as can be.
 *
 * Delay. The row of a step that has begun, and the lines of a script, are waited for by nobody:
 * they are delayed, in their order, until the flow has something to store that is waited for, which
 * is most often the end of that very step. Then all of it is one function of the store, so that a
 * step costs one savepoint and wakes the writer once. What nothing follows is flushed alone, after
 * FLOW_DELAY_MS.
 *
 * Batches. A commit wakes many scripts at once. Each of them computes a moment, and asks for more;
 * what it asks for would find the writer idle each time, and get a sync, a wake-up and a page of
 * the log for each table by itself. So an op waits in the store while another script has had
 * unprocessed input for less than FLOW_BATCH_NS: most often that script has something to store in
 * the same moment, and the last one takes all of them along. No op waits where no other script
 * computes, nor after FLOW_BATCH_MAX others; an op that waits goes with whatever else is written,
 * and alone after 5 ms (store.h).
 *
 * Errors. A function that fails takes back the others with it. They are sent again, each alone, and
 * each gets its own error then. The end of a step may stand in the store before such a second try
 * of its row, and finds no row: it must not be taken for the end of a step that others have ended,
 * so the row is RETRYING from the failure on. */
#include "dispatch/workflow/store_ops.h"

#include <stdio.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/workflow/history.h"

#define OP_EFFECT "store or read a step of a workflow"
enum { REFUSAL_MAX = 400 };

struct flow_op *flow__op(struct flow *flow, store_fn fn, void (*done)(struct flow_op *op)) {
    struct flow_op *op = mem_new(sizeof *op);
    op->flow = flow;
    op->next = flow->ops;
    flow->ops = op;
    op->fn = fn;
    op->done = done;
    return op;
}

struct flow_op *call__op(struct call *call, store_fn fn, void (*done)(struct flow_op *op)) {
    struct flow_op *op = flow__op(call->flow, fn, done);
    op->call = call;
    op->run = call->run;
    op->turn = call->turn;
    op->attempt = call->attempt;
    return op;
}

void flow__op_stores(struct flow_op *op) {
    op->stores = true;
    op->flow->storing++;
}

/* The flow has nothing of the op any more. */
static void op_leave_flow(struct flow_op *op) {
    struct flow_op **at = &op->flow->ops;
    assert(!op->away);
    while (*at != op) {
        at = &(*at)->next;
    }
    *at = op->next;
    op->flow->storing -= op->stores;
    if (op->stores && op->flow->storing == 0) {
        flow__store_empty(op->flow);
    }
    timer_stop(op->flow->flows->options.loop, &op->timer);
    retry_done(&op->retry);
}

static void op_free_memory(struct flow_op *op) {
    text_done(&op->spec);
    text_done(&op->bytes);
    for (size_t i = 0; i < op->line_count; i++) {
        mem_free((char *)op->lines[i].text.data);
    }
    mem_free(op->lines);
    mem_free(op->took);
    flow__page_free(op->page);
    script_search_free(op->search);
    mem_free(op);
}

void flow__op_free(struct flow_op *op) {
    op_leave_flow(op);
    op_free_memory(op);
}

/* A note of what an op did may come before its answer, and end the call that it was about. */
void call__orphan_ops(struct call *call) {
    for (struct flow_op *op = call->flow->ops; op != NULL; op = op->next) {
        if (op->call == call) {
            op->call = NULL;
            op->orphan = true;
        }
    }
}

/* --- Scripts with unprocessed input ----------------------------------------------------------- */

static uint64_t flows_now_ns(const struct flows *flows) {
    return world_mono_ns(loop_world(flows->options.loop));
}

void flow__computing_begin(struct flow *flow) {
    flow__computing_end(flow);
    flow->computing_since_ns = flows_now_ns(flow->flows);
    flow_list_append(&flow->flows->computing, &flow->computing);
}

void flow__computing_end(struct flow *flow) {
    flow_list_remove(&flow->flows->computing, &flow->computing);
}

bool flows__batch_expected(struct flows *flows) {
    if (flows->computing.first == NULL || flows->batched >= FLOW_BATCH_MAX) {
        return false;
    }
    const uint64_t now_ns = flows_now_ns(flows);
    while (flows->computing.first != NULL) {
        struct flow *flow = CONTAINER_OF(flows->computing.first, struct flow, computing);
        if (now_ns - flow->computing_since_ns <= FLOW_BATCH_NS) {
            return true;
        }
        flow__computing_end(flow); /* Computes for long: nobody waits for it. */
    }
    return false;
}

/* --- Answers ---------------------------------------------------------------------------------- */

bool flows__is_for_good(struct err err) {
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
    struct flow_op *op = CONTAINER_OF(timer, struct flow_op, timer);
    if (op->orphan) {
        flow__op_free(op);
    } else {
        flow__op_send(op);
    }
}

/* All that an agent answered is only in memory until it is stored: nothing is dropped for an
 * error. */
static void op_answered(struct flow_op *op, struct err err) {
    static const struct retry_words words = {
        .effect = OP_EFFECT,
        .again = "steps of a workflow could not be stored or read; it is tried again"};
    struct flow *flow = op->flow;
    struct flows *flows = flow->flows;
    op->away = false;
    if (flows->asker.stopping) {
        flow__maybe_free(flow);
    } else if (flow->state >= FLOW_ENDED || op->orphan) { /* The result is ignored. */
        flow__op_free(op);
        flow__maybe_free(flow);
    } else if (!err_failed(err)) {
        op_leave_flow(op);
        if (op->done != NULL) {
            op->done(op);
        }
        op_free_memory(op);
    } else if (op->begins && flows__is_for_good(err)) { /* No retry would go better. */
        char note[REFUSAL_MAX];
        const struct bytes label = op->begin.label;
        (void)snprintf(note, sizeof note, "its agent \"%.*s\" cannot be begun: %s (%s)",
                       (int)utf8_cut(label, REFUSAL_MAX / 2), label.data, err_title(err.code),
                       err_name(err.code));
        asker_report(&flows->asker, "an agent of a workflow cannot be begun", flow__run(flow), err);
        flow__op_free(op);
        flow__end(flow, CAUSE_SCRIPT_ERROR, note);
    } else if (effect_is_hopeless(op->retry.tries + 1, err)) {
        flow__refused(op, err);
    } else {
        if (op->begins) {
            op->call->row = ROW_RETRYING; /* The end must not overtake it. */
        }
        timer_start(flows->options.loop, &op->timer,
                    retry_failed(&op->retry, &flows->asker, &words, flow__run(flow), err),
                    op_retry);
    }
}

/* --- Sent ------------------------------------------------------------------------------------- */

static void op_push(struct flow_op *op);

static struct err op_perform(struct tx *tx, void *ctx) {
    struct flow_op *op = ctx;
    struct err err = ERR_OK;
    for (struct flow_op *at = op->first; at != NULL && !err_failed(err); at = at->next_after) {
        err = at->fn(tx, at);
    }
    return err_failed(err) ? err : op->fn(tx, op);
}

static void op_push_alone(struct flow_op *op, struct err err) {
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
    struct flow_op *op = ctx, *first = op->first;
    struct flows *flows = op->flow->flows;
    void (*answer)(struct flow_op *, struct err) =
        err_failed(err) && first != NULL && !flows->asker.stopping ? op_push_alone : op_answered;
    assert(flows->asker.away > 0);
    flows->asker.away--;
    flows->batched -= op->batched;
    op->first = NULL;
    if (op->beginning != NULL) {
        op->beginning->begin.end = NULL;
        op->beginning->begin.end_tells = false;
        op->beginning = NULL;
    }
    for (struct flow_op *next; first != NULL; first = next) {
        next = first->next_after;
        first->next_after = NULL;
        answer(first, err);
    }
    answer(op, err);
}

static void op_push(struct flow_op *op) {
    struct flows *flows = op->flow->flows;
    for (struct flow_op *at = op->first; at != NULL; at = at->next_after) {
        at->away = true;
        effect_begin(flows->options.effects, &at->retry.effect, OP_EFFECT);
    }
    op->away = true;
    effects_at(flows->options.effects, flow__run(op->flow));
    effect_begin(flows->options.effects, &op->retry.effect, OP_EFFECT);
    flows->asker.away++;
    op->batched = !op->reads && flows__batch_expected(flows);
    flows->batched += op->batched;
    (op->reads     ? store_read
     : op->batched ? store_write_lazy
                   : store_write)(flows->options.store, op_perform, op_returned, op);
}

/* --- Delayed ---------------------------------------------------------------------------------- */

static struct flow_op *flow_take_delayed(struct flow *flow) {
    struct flow_op *first = flow->delayed;
    flow->delayed = NULL;
    flow->delayed_count = flow->delayed_rows = 0;
    return first;
}

void flow__drop_delayed(struct flow *flow) {
    (void)flow_take_delayed(flow); /* The ops are the flow's, and go with it. */
    timer_stop(flow->flows->options.loop, &flow->delay_timer);
}

/* All delayed ops as one function of the store: the last one brings the others. */
static void flow_flush(struct flow *flow) {
    struct flow_op *first = flow_take_delayed(flow), **at = &first;
    while (*at != NULL && (*at)->next_after != NULL) {
        at = &(*at)->next_after;
    }
    struct flow_op *last = *at;
    if (last != NULL) {
        *at = NULL;
        last->first = first;
        op_push(last);
    }
}

static void flow_on_delay(struct timer *timer) {
    flow_flush(CONTAINER_OF(timer, struct flow, delay_timer));
}

static void op_delay(struct flow_op *op) {
    struct flow *flow = op->flow;
    size_t rows = op->line_count + 2 * (size_t)op->begins; /* A step has a row and an event. */
    if (flow->delayed_rows + rows > FLOW_DELAY_ROWS) {
        flow_flush(flow);
    }
    struct flow_op **at = &flow->delayed;
    while (*at != NULL) { /* FLOW_DELAY_MAX at most. */
        at = &(*at)->next_after;
    }
    op->next_after = NULL;
    *at = op;
    flow->delayed_rows += rows;
    if (++flow->delayed_count == FLOW_DELAY_MAX) {
        flow_flush(flow);
    } else if (!timer_runs(&flow->delay_timer)) { /* Most ops are sent before it rings. */
        timer_start(flow->flows->options.loop, &flow->delay_timer, FLOW_DELAY_MS, flow_on_delay);
    }
}

void flow__op_send(struct flow_op *op) {
    if (op->lazy) {
        op_delay(op);
        return;
    }
    op->first = op->reads ? NULL : flow_take_delayed(op->flow);
    /* A step that ends within the delay: its row is written once, and so is the head of the stream,
     * unless another op appends an event between its two. */
    for (struct flow_op *at = op->first; at != NULL; at = at->next_after) {
        if (op->ends && at->begins && at->call == op->call) {
            at->begin.end = &op->end;
            at->begin.end_tells = at->next_after == NULL;
            op->beginning = at;
        }
    }
    op_push(op);
}
